/** Groups of cameras, and grants for them: nothing is opened that the same person would not be granted one by one. */
import type { CameraGroup, Grant, Sensitivity } from '@patrolhub/protocol'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type StreamsHub, startStreamsHub, type Viewer, WarmEdge } from './support/streams.ts'

let hub: StreamsHub
let warm: WarmEdge
let supervisor: Viewer
beforeAll(async () => {
  // Only news and admission decide: the look that would find everything is put off.
  hub = await startStreamsHub({ limits: { lingerMs: 400, watchMs: 3_600_000 } })
  const edge = await hub.edge([
    { cameraId: 'pub' },
    { cameraId: 'con', sensitivity: 'controlled' },
    { cameraId: 'res', sensitivity: 'restricted' },
    { cameraId: 'far', region: '410503001' },
  ])
  warm = new WarmEdge(hub, edge, 'pub')
  supervisor = await hub.viewer('supervisor', '410502')
  await warm.ready.promise
})
afterAll(async () => {
  await warm?.close()
  await hub.close()
})

async function make(cameraIds: string[], region = '410502003'): Promise<CameraGroup> {
  const body = { name: `North ${Math.random()}`, region, cameraIds }
  const { status, json } = await hub.ask(supervisor, 'POST', '/api/camera-groups', body)
  if (status !== 201) throw new Error(`no group: ${status} ${JSON.stringify(json)}`)
  return json
}
const change = (group: CameraGroup, cameraIds: string[]) =>
  hub.ask(supervisor, 'PUT', `/api/camera-groups/${group.groupId}`, { name: group.name, cameraIds })
const request = (who: Viewer, groupId: string, more: object = {}) =>
  hub.ask(who, 'POST', '/api/grants', { groupId, purpose: 'alert_check', minutes: 480, ...more })
const opened = ({ cameras }: Grant) =>
  cameras.filter(({ playPath }) => playPath !== undefined).map(({ cameraId }) => cameraId)
const seen = async (who: Viewer, grantId: string): Promise<Grant> => {
  const { json } = await hub.ask(who, 'GET', '/api/grants')
  return json.items.find((item: Grant) => item.grantId === grantId)
}

describe('a group', () => {
  it('is made, changed and dissolved in the scope of who may, of cameras in its region, on the record', async () => {
    const group = await make(['pub', 'con'])
    expect(group.policy).toMatchObject({ maxMinutes: 120, needsNote: true, needsSecondPerson: false })
    const body = { name: 'x', region: '410502003', cameraIds: ['pub'] }
    expect((await hub.ask(await hub.viewer(), 'POST', '/api/camera-groups', body)).status).toBe(403)
    const outside = await hub.ask(supervisor, 'POST', '/api/camera-groups', { ...body, region: '4105' })
    expect([outside.status, outside.json.code]).toEqual([403, 'HUB_OUT_OF_SCOPE'])
    for (const cameraId of ['far', 'none']) {
      const refused = await hub.ask(supervisor, 'POST', '/api/camera-groups', {
        ...body,
        cameraIds: ['pub', cameraId],
      })
      expect([refused.status, refused.json.details]).toEqual([
        400,
        [`/cameraIds/1: no camera ${cameraId} in the region 410502003`],
      ])
      expect((await change(group, ['pub', cameraId])).status).toBe(400)
    }
    const elsewhere = await hub.viewer('supervisor', '410503')
    const path = `/api/camera-groups/${group.groupId}`
    expect((await hub.ask(elsewhere, 'PUT', path, { name: 'x', cameraIds: [] })).status).toBe(404)
    expect((await hub.ask(elsewhere, 'DELETE', path)).status).toBe(404)
    expect((await hub.ask(elsewhere, 'GET', '/api/camera-groups')).json.items).toEqual([])
    expect((await change(group, ['res'])).json.policy.needsSecondPerson).toBe(true)
    expect((await hub.ask(supervisor, 'DELETE', path)).status).toBe(204)
    const entries = await hub.relational.read
      .selectFrom('audit')
      .select(['action', 'actor_id', 'detail'])
      .where('subject', '=', `group:${group.groupId}`)
      .orderBy('seq')
      .execute()
    expect(entries.map(({ action }) => action)).toEqual([
      'camera-group.created',
      'camera-group.changed',
      'camera-group.dissolved',
    ])
    expect(entries.every((entry) => entry.actor_id === supervisor.userId)).toBe(true)
    expect(JSON.parse(entries[1]!.detail)).toMatchObject({
      before: { cameraIds: ['con', 'pub'] },
      after: { cameraIds: ['res'] },
    })
  })

  it('is asked for as the strictest of its cameras, which the answer says; one yes opens all', async () => {
    const who = await hub.viewer()
    const group = await make(['pub', 'con', 'res'])
    const refused = await request(who, group.groupId)
    expect([refused.status, refused.json.code]).toEqual([422, 'HUB_GRANT_POLICY'])
    expect(refused.json.message).toContain('the strictest of its cameras (controlled, public, restricted)')
    const { status, json } = await request(who, group.groupId, { note: 'a child is missing' })
    expect([status, json.state]).toEqual([201, 'pending'])
    expect(json.target).toEqual({ kind: 'group', id: group.groupId, name: group.name })
    expect(json.policy).toMatchObject({ maxMinutes: 60, needsNote: true, needsSecondPerson: true })
    expect(json.endAtMs - json.beginAtMs).toBe(60 * 60_000)
    expect(opened(json)).toEqual([])
    const approve = `/api/grants/${json.grantId}/approval`
    const approved = await hub.ask(supervisor, 'POST', approve, { approve: true })
    expect(opened(approved.json)).toEqual(['con', 'pub', 'res'])
    const both = await hub.ask(who, 'POST', '/api/grants', {
      groupId: group.groupId,
      cameraId: 'pub',
      purpose: 'alert_check',
      minutes: 5,
    })
    expect([both.status, both.json.code]).toEqual([400, 'HUB_BAD_REQUEST'])
    expect((await request(await hub.viewer('operator', '410503'), group.groupId, { note: 'x' })).status).toBe(
      404,
    )
    expect((await request(who, (await make([])).groupId)).json.details).toHaveLength(1)
  })

  it('plays each of its cameras; one that is taken out is cut at once, the others go on', async () => {
    const who = await hub.viewer()
    const group = await make(['pub', 'con'])
    const { json: grant } = await request(who, group.groupId, { note: 'why' })
    const path = (cameraId?: string) =>
      `/media/live/${grant.grantId}.flv${cameraId === undefined ? '' : `?camera=${cameraId}`}`
    for (const refused of [path(), path('res'), path('far'), path('none')]) {
      expect((await hub.ask(who, 'GET', refused)).status).toBe(404)
    }
    const player = hub.play(who, path('pub'))
    await eventually(() => player.pictures.length > 3, 8000, 'pictures come')
    await change(group, ['con', 'pub', 'res'])
    expect(player.isClosed).toBe(false)
    await change(group, ['con'])
    await eventually(() => player.isClosed, 2000, 'the player is cut')
    await eventually(async () => (await hub.viewings()).at(-1)?.why_closed === 'camera closed')
    expect((await hub.ask(who, 'GET', path('pub'))).status).toBe(404)
    expect(await seen(who, grant.grantId)).toMatchObject({ state: 'active' })
    await hub.ask(supervisor, 'DELETE', `/api/camera-groups/${group.groupId}`)
    hub.streams.look()
    await eventually(async () => (await seen(who, grant.grantId)).state === 'revoked')
  })
})

describe('what a grant for a group opens', () => {
  it('is what the same person would be granted one by one, whatever comes and goes', async () => {
    const all = ['pub', 'con', 'res'] as const
    const { write } = hub.relational
    const setSensitivity = (cameraId: string, sensitivity: Sensitivity) =>
      write.updateTable('device').set({ sensitivity }).where('device_id', '=', cameraId).execute()
    const sensitivity = fc.constantFrom<Sensitivity>('public', 'controlled', 'restricted')
    const members = fc.subarray([...all])
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          before: fc.tuple(sensitivity, sensitivity, sensitivity),
          first: fc.subarray([...all], { minLength: 1 }),
          after: fc.tuple(sensitivity, sensitivity, sensitivity),
          second: members,
          moved: fc.option(fc.constantFrom(...all), { nil: undefined }),
          note: fc.constantFrom('', 'why'),
          isApproved: fc.boolean(),
          scope: fc.constantFrom('410502', '410502003', '410503'),
          isOnDuty: fc.constantFrom<0 | 1>(0, 1, 1),
        }),
        async (when) => {
          for (const [index, cameraId] of all.entries()) await setSensitivity(cameraId, when.before[index]!)
          const who = await hub.viewer()
          const group = await make(when.first)
          const asked = await request(who, group.groupId, { minutes: 5, note: when.note })
          const singly = await Promise.all(
            when.first.map((cameraId) =>
              hub.ask(who, 'POST', '/api/grants', {
                cameraId,
                purpose: 'alert_check',
                minutes: 5,
                note: when.note,
              }),
            ),
          )
          expect(asked.status).toBe(Math.max(...singly.map(({ status }) => status)))
          if (asked.status !== 201) return
          const pending = [asked, ...singly].filter(({ json }) => json.state === 'pending')
          for (const { json } of when.isApproved ? pending : []) {
            await hub.ask(supervisor, 'POST', `/api/grants/${json.grantId}/approval`, { approve: true })
          }
          await change(group, when.second)
          for (const [index, cameraId] of all.entries()) await setSensitivity(cameraId, when.after[index]!)
          if (when.moved) {
            await write
              .updateTable('device')
              .set({ region: '410503001' })
              .where('device_id', '=', when.moved)
              .execute()
          }
          await write
            .updateTable('user_account')
            .set({ scope: when.scope, is_on_duty: when.isOnDuty })
            .where('user_id', '=', who.userId)
            .execute()
          const single = new Set<string>()
          for (const { json } of singly)
            for (const id of opened(await seen(who, json.grantId))) single.add(id)
          const hasYes = asked.json.state === 'pending' && when.isApproved
          // Or as if it were asked for now: nobody has agreed to one that came later.
          for (const cameraId of when.second) {
            const wish = { cameraId, purpose: 'alert_check', minutes: 5, note: when.note }
            const { json } = await hub.ask(who, 'POST', '/api/grants', wish)
            if (
              json.state === 'active' ||
              (json.state === 'pending' && hasYes && when.first.includes(cameraId))
            ) {
              single.add(cameraId)
            }
          }
          const open = opened(await seen(who, asked.json.grantId))
          // Nothing more ever; nothing less than one by one where the one yes was given.
          expect(open.filter((id) => !single.has(id))).toEqual([])
          if (hasYes || asked.json.state === 'active') {
            const due = when.second.filter((id) => single.has(id) && id !== when.moved)
            expect([...open].sort()).toEqual([...due].sort())
          } else expect(open).toEqual([])
          await write
            .updateTable('device')
            .set({ region: '410502003' })
            .where('kind', '=', 'camera')
            .where('device_id', 'in', [...all])
            .execute()
        },
      ),
      { numRuns: 20 },
    )
  }, 60_000)
})
