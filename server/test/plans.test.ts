/** Emergency plans: what an activation opens, to whom, and that all of it ends. */
import type { CameraGroup, Grant, Plan, PlanWatching } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type StreamsHub, startStreamsHub, type Viewer, WarmEdge } from './support/streams.ts'

let hub: StreamsHub
let warm: WarmEdge
let chief: Viewer
let second: Viewer
let group: CameraGroup
beforeAll(async () => {
  hub = await startStreamsHub({ limits: { lingerMs: 400, watchMs: 3_600_000 } })
  const edge = await hub.edge([
    { cameraId: 'pub' },
    { cameraId: 'con', sensitivity: 'controlled' },
    { cameraId: 'res', sensitivity: 'restricted' },
  ])
  warm = new WarmEdge(hub, edge, 'pub')
  chief = await hub.viewer('supervisor', '410502')
  second = await hub.viewer('supervisor', '4105')
  const body = { name: 'Dyke', region: '410502003', cameraIds: ['pub', 'con', 'res'] }
  group = (await hub.ask(chief, 'POST', '/api/camera-groups', body)).json
  await warm.ready.promise
})
afterAll(async () => {
  await warm?.close()
  await hub.close()
})

type Entry = Plan['command'][number]['kind']
const nameOf = async ({ userId }: Viewer) => {
  const row = await hub.relational.read
    .selectFrom('user_account')
    .select('username')
    .where('user_id', '=', userId)
    .executeTakeFirstOrThrow()
  return row.username
}
const named = async (who: Viewer) => ({ kind: 'user' as Entry, id: await nameOf(who) })
const bodyOf = (command: { kind: Entry; id: string }[]) => ({
  name: `Flood ${Math.random()}`,
  groupIds: [group.groupId],
  command,
})
async function write(command: { kind: Entry; id: string }[]): Promise<Plan> {
  const body = { region: '410502', ...bodyOf(command) }
  const { status, json } = await hub.ask(chief, 'POST', '/api/plans', body)
  if (status !== 201) throw new Error(`no plan: ${status} ${JSON.stringify(json)}`)
  return json
}
const approve = (who: Viewer, { planId, writtenAtMs }: Plan) =>
  hub.ask(who, 'POST', `/api/plans/${planId}/approval`, { writtenAtMs })
const activate = (who: Viewer, { planId }: Plan, more: object = {}) =>
  hub.ask(who, 'POST', `/api/plans/${planId}/activation`, {
    reason: 'the dyke leaks',
    isDrill: false,
    ...more,
  })
const end = (who: Viewer, { planId }: Plan) => hub.ask(who, 'DELETE', `/api/plans/${planId}/activation`)
const grantsOf = async (who: Viewer, { planId }: Plan): Promise<Grant[]> => {
  const { json } = await hub.ask(who, 'GET', '/api/grants')
  return json.items.filter((grant: Grant) => grant.userId === who.userId && grant.plan?.planId === planId)
}
const opened = async (who: Viewer, plan: Plan) =>
  (await grantsOf(who, plan)).flatMap(({ cameras }) =>
    cameras.filter(({ playPath }) => playPath !== undefined).map(({ cameraId }) => cameraId),
  )
const actionsOf = async (subject: string) => {
  const rows = await hub.relational.read.selectFrom('audit').selectAll().orderBy('seq').execute()
  return rows
    .filter((row) => row.subject === subject)
    .map(({ action, detail }) => ({ action, ...JSON.parse(detail) }))
}

describe('a plan', () => {
  it('is written by who may in the scope, and names only what is there', async () => {
    const body = { region: '410502', ...bodyOf([{ kind: 'role', id: 'operator' }]) }
    expect((await hub.ask(await hub.viewer(), 'POST', '/api/plans', body)).status).toBe(403)
    const wide = await hub.ask(chief, 'POST', '/api/plans', { ...body, region: '4105' })
    expect([wide.status, wide.json.code]).toEqual([403, 'HUB_OUT_OF_SCOPE'])
    const wrong = await hub.ask(chief, 'POST', '/api/plans', {
      ...body,
      region: '410502004',
      command: [
        { kind: 'role', id: 'operator' },
        { kind: 'role', id: 'king' },
        { kind: 'user', id: await nameOf(await hub.viewer('operator', '410503')) },
        { kind: 'team', id: 'none' },
      ],
    })
    expect(wrong.status).toBe(400)
    expect(wrong.json.details.map((one: string) => one.split(':')[0])).toEqual([
      '/groupIds/0',
      '/command/1',
      '/command/2',
      '/command/3',
    ])
    const plan = await write([{ kind: 'role', id: 'operator' }])
    expect(plan).toMatchObject({ needsApproval: true, activations: [], command: [{ name: 'operator' }] })
    const elsewhere = await hub.viewer('supervisor', '410503')
    const command = plan.command.map(({ kind, id }) => ({ kind, id }))
    for (const [method, path, sent] of [
      ['PUT', '', bodyOf(command)],
      ['DELETE', '', undefined],
      ['POST', '/activation', { reason: 'x', isDrill: true }],
      ['POST', '/approval', { writtenAtMs: plan.writtenAtMs }],
      ['DELETE', '/activation', undefined],
      ['GET', '/watching', undefined],
    ] as const) {
      expect((await hub.ask(elsewhere, method, `/api/plans/${plan.planId}${path}`, sent)).status).toBe(404)
    }
    expect((await hub.ask(elsewhere, 'GET', '/api/plans')).json.items).toEqual([])
    const used = await hub.ask(chief, 'DELETE', `/api/camera-groups/${group.groupId}`)
    expect([used.status, used.json.code]).toEqual([409, 'HUB_CONFLICT'])
    expect((await hub.ask(chief, 'DELETE', `/api/plans/${plan.planId}`)).status).toBe(204)
  })

  it('opens its groups to its command while it is active, as a drill if it is one, and its end cuts', async () => {
    const commander = await hub.viewer()
    const bystander = await hub.viewer()
    const plan = await write([await named(commander)])
    expect((await activate(commander, plan)).status).toBe(403)
    const active = await activate(second, plan, { isDrill: true })
    expect([active.status, active.json.activations.length]).toEqual([201, 1])
    expect((await activate(chief, plan)).json.code).toBe('HUB_CONFLICT')
    const [grant] = await grantsOf(commander, plan)
    expect(grant).toMatchObject({
      state: 'active',
      purpose: 'emergency',
      note: 'the dyke leaks',
      plan: { isDrill: true },
    })
    expect(await grantsOf(bystander, plan)).toEqual([])
    const player = hub.play(commander, grant!.cameras.find(({ cameraId }) => cameraId === 'pub')!.playPath!)
    await eventually(() => player.pictures.length > 3, 8000, 'pictures come')
    const watching = (await hub.ask(chief, 'GET', `/api/plans/${plan.planId}/watching`)).json as PlanWatching
    expect(watching.viewings).toMatchObject([{ cameraName: 'Camera pub' }])
    expect(watching.grants.map(({ userId }) => userId)).toEqual([commander.userId])
    // A plan of many does not hide the requests that wait for an answer.
    const { items } = (await hub.ask(second, 'GET', '/api/grants')).json as { items: Grant[] }
    expect(items.filter((one) => one.plan)).toEqual([])

    const ended = await end(chief, plan)
    expect(ended.json.activations[0].endedAtMs).toBeGreaterThan(0)
    await eventually(() => player.isClosed, 2000, 'the player is cut')
    expect((await grantsOf(commander, plan))[0]!.state).toBe('revoked')
    expect((await end(chief, plan)).json.code).toBe('HUB_CONFLICT')
    const record = await actionsOf(`plan:${plan.planId}`)
    expect(record.map(({ action }) => action)).toEqual(['plan.created', 'plan.activated', 'plan.ended'])
    expect(record[1]).toMatchObject({ isDrill: true, reason: 'the dyke leaks' })
    const given = (await actionsOf(`group:${group.groupId}`)).filter(({ of }) => of === commander.userId)
    expect(given).toMatchObject([
      { action: 'grant.given', isDrill: true },
      { action: 'grant.revoked', why: 'plan over' },
    ])
    const looked = (await actionsOf('camera:pub')).filter(({ grantId }) => grantId === grant!.grantId)
    expect(looked[0]).toMatchObject({ action: 'viewing.opened', isDrill: true })
    expect((await hub.ask(chief, 'DELETE', `/api/plans/${plan.planId}`)).status).toBe(409)
  })

  it('opens restricted cameras once a second person has agreed to it as it stands', async () => {
    const commander = await hub.viewer()
    const command = [await named(commander), await named(chief)]
    const plan = await write(command)
    expect((await approve(chief, plan)).json.code).toBe('HUB_FORBIDDEN')
    expect((await approve(commander, plan)).status).toBe(403)
    await activate(chief, plan)
    expect((await opened(commander, plan)).sort()).toEqual(['con', 'pub'])
    const path = `/api/plans/${plan.planId}`
    const changed = (await hub.ask(chief, 'PUT', path, bodyOf(command))).json as Plan
    expect((await approve(second, plan)).json.code).toBe('HUB_CONFLICT')
    const agreed = await approve(second, changed)
    expect(agreed.json).toMatchObject({ needsApproval: false, approvedByName: expect.any(String) })
    expect((await opened(commander, plan)).sort()).toEqual(['con', 'pub', 'res'])
    // One that comes into a group later is opened only when somebody has agreed to it too.
    await hub.edge([{ cameraId: 'late', sensitivity: 'restricted' }])
    const groupPath = `/api/camera-groups/${group.groupId}`
    const cameraIds = ['pub', 'con', 'res', 'late']
    expect((await hub.ask(chief, 'PUT', groupPath, { name: 'Dyke', cameraIds })).status).toBe(200)
    expect((await opened(commander, plan)).sort()).toEqual(['con', 'pub', 'res'])
    expect((await approve(second, changed)).json.needsApproval).toBe(false)
    expect((await opened(commander, plan)).sort()).toEqual(['con', 'late', 'pub', 'res'])
    await hub.ask(chief, 'PUT', groupPath, { name: 'Dyke', cameraIds: cameraIds.slice(0, 3) })
    // Off duty a second person has to agree: the plan has one.
    await hub.relational.write
      .updateTable('user_account')
      .set({ is_on_duty: 0 })
      .where('user_id', '=', commander.userId)
      .execute()
    expect((await opened(commander, plan)).sort()).toEqual(['con', 'pub', 'res'])
    await end(chief, plan)
    await activate(second, plan)
    expect((await opened(chief, plan)).sort()).toEqual(['con', 'pub', 'res'])
    // Nobody has agreed to what was written since.
    const later = (await hub.ask(chief, 'PUT', path, bodyOf(command))).json as Plan
    expect(later.needsApproval).toBe(true)
    await end(chief, plan)
    await activate(second, plan)
    expect(await opened(commander, plan)).toEqual([])
    expect((await opened(chief, plan)).sort()).toEqual(['con', 'pub'])
    await end(chief, plan)
  })

  it('follows its command: who comes gets theirs, who leaves is cut, who was revoked gets none again', async () => {
    const teamId = `team-${Math.random()}`
    const { write: store } = hub.relational
    await store
      .insertInto('team')
      .values({ team_id: teamId, name: 'Dyke watch', region: '410502', kind: 'professional' })
      .execute()
    const first = await hub.viewer()
    const plan = await write([await named(first), { kind: 'team', id: teamId }])
    await activate(chief, plan)
    const late = await hub.viewer()
    await store.insertInto('team_member').values({ team_id: teamId, user_id: late.userId }).execute()
    hub.access.usersChanged([late.userId])
    await eventually(async () => (await opened(late, plan)).length === 2, 3000, 'the team member has theirs')
    const [grant] = await grantsOf(late, plan)
    const player = hub.play(late, grant!.cameras.find(({ cameraId }) => cameraId === 'pub')!.playPath!)
    await eventually(() => player.pictures.length > 3, 8000, 'pictures come')
    await store.deleteFrom('team_member').where('user_id', '=', late.userId).execute()
    hub.access.usersChanged([late.userId])
    await eventually(() => player.isClosed, 2000, 'who left the team is cut')
    expect((await hub.ask(late, 'GET', `/media/live/${grant!.grantId}.flv?camera=pub`)).status).toBe(404)

    const [revoked] = await grantsOf(first, plan)
    await hub.ask(second, 'DELETE', `/api/grants/${revoked!.grantId}`)
    const path = `/api/plans/${plan.planId}`
    await hub.ask(chief, 'PUT', path, bodyOf([await named(first), await named(late)]))
    expect((await opened(late, plan)).length).toBe(2)
    await hub.plans.tend(Date.now())
    expect((await grantsOf(first, plan)).map(({ state }) => state)).toEqual(['revoked'])
    // Nothing is opened to who would not be granted it alone.
    const stranger = await hub.viewer('auditor', '410502')
    await hub.ask(chief, 'PUT', path, bodyOf([await named(stranger), await named(late)]))
    expect(await grantsOf(stranger, plan)).toHaveLength(1)
    expect(await opened(stranger, plan)).toEqual([])
    await end(chief, plan)
  })

  it('ends by itself at its time, with everything', async () => {
    const commander = await hub.viewer()
    const plan = await write([await named(commander)])
    const nowMs = Date.now() + hub.clock.offsetMs
    for (const endAtMs of [nowMs - 1, nowMs + 8 * 24 * 3_600_000]) {
      const refused = await activate(chief, plan, { endAtMs })
      expect([refused.status, refused.json.details.length]).toEqual([400, 1])
    }
    await activate(chief, plan, { endAtMs: nowMs + 60_000 })
    expect(await opened(commander, plan)).toHaveLength(2)
    await hub.plans.tend(nowMs + 59_000)
    expect(await opened(commander, plan)).toHaveLength(2)
    hub.clock.offsetMs += 60_000
    await hub.plans.tend(nowMs + 60_000)
    expect((await grantsOf(commander, plan))[0]).toMatchObject({ state: 'expired', endAtMs: nowMs + 60_000 })
    const shown = (await hub.ask(chief, 'GET', '/api/plans')).json.items as Plan[]
    expect(shown.find(({ planId }) => planId === plan.planId)!.activations[0]!.endedAtMs).toBe(nowMs + 60_000)
    expect((await actionsOf(`plan:${plan.planId}`)).at(-1)).toMatchObject({
      action: 'plan.ended',
      why: 'time',
    })
  })
})
