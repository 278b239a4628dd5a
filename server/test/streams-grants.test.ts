import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type StreamsHub, startStreamsHub, type Viewer } from './support/streams.ts'

let hub: StreamsHub
beforeAll(async () => {
  hub = await startStreamsHub({ limits: { watchMs: 50 } })
  await hub.edge([
    { cameraId: 'pub' },
    { cameraId: 'con', sensitivity: 'controlled' },
    { cameraId: 'res', sensitivity: 'restricted' },
    { cameraId: 'far', region: '410503001' },
  ])
})
afterAll(() => hub.close())

const auditOf = async (grantId: string) => {
  const rows = await hub.relational.read.selectFrom('audit').selectAll().orderBy('seq').execute()
  return rows
    .map((row) => ({ ...row, detail: JSON.parse(row.detail) as Record<string, unknown> }))
    .filter((row) => row.detail.grantId === grantId)
}
const stateOf = async (who: Viewer, grantId: string) => {
  const { json } = await hub.ask(who, 'GET', '/api/grants')
  return json.items.find((item: { grantId: string }) => item.grantId === grantId)?.state
}

describe('asking for a grant', () => {
  it('a public camera in the own scope is granted at once, with its end and the way to play it', async () => {
    const who = await hub.viewer()
    const grant = await hub.grant(who, 'pub', { minutes: 10 })
    expect(grant).toMatchObject({ state: 'active', userId: who.userId, cameraName: 'Camera pub', note: '' })
    expect(grant.endAtMs - grant.beginAtMs).toBe(600_000)
    expect(grant.playPath).toBe(`/media/live/${grant.grantId}.flv?camera=pub`)
    const [entry] = await auditOf(grant.grantId)
    expect(entry).toMatchObject({ action: 'grant.given', actor_id: who.userId, subject: 'camera:pub' })
  })

  it('is no longer than the policy allows', async () => {
    const who = await hub.viewer()
    const minutes = async (cameraId: string) => {
      const grant = await hub.grant(who, cameraId, { minutes: 480, note: 'why' })
      return (grant.endAtMs - grant.beginAtMs) / 60_000
    }
    expect([await minutes('pub'), await minutes('con'), await minutes('res')]).toEqual([240, 120, 60])
  })

  it('a controlled camera and the purpose `other` need a note; blanks are none', async () => {
    const who = await hub.viewer()
    const refused = async (body: object) => {
      const wish = { purpose: 'alert_check', minutes: 5, ...body }
      const { status, json } = await hub.ask(who, 'POST', '/api/grants', wish)
      return [status, json.code]
    }
    const policy = [422, 'HUB_GRANT_POLICY']
    expect(await refused({ cameraId: 'con' })).toEqual(policy)
    expect(await refused({ cameraId: 'con', note: '   ' })).toEqual(policy)
    expect(await refused({ cameraId: 'pub', purpose: 'other' })).toEqual(policy)
    expect(await refused({ cameraId: 'pub', purpose: '' })).toEqual([400, 'HUB_BAD_REQUEST'])
    expect((await hub.grant(who, 'con', { note: 'a fight is reported' })).state).toBe('active')
    expect((await hub.grant(who, 'pub', { purpose: 'other', note: 'test of the lens' })).state).toBe('active')
  })

  it('a camera outside the scope does not exist, nor does an unknown incident', async () => {
    const who = await hub.viewer('operator', '410502')
    const wish = { purpose: 'alert_check', minutes: 5 }
    for (const body of [{ cameraId: 'far' }, { cameraId: 'none' }, { cameraId: 'pub', incidentId: 'none' }]) {
      const { status, json } = await hub.ask(who, 'POST', '/api/grants', { ...wish, ...body })
      expect([status, json.code]).toEqual([404, 'HUB_NOT_FOUND'])
    }
  })

  it('needs a role that may watch', async () => {
    const wish = { cameraId: 'pub', purpose: 'alert_check', minutes: 5 }
    for (const role of ['patroller', 'engineer', 'auditor'] as const) {
      const who = await hub.viewer(role, '4105')
      expect((await hub.ask(who, 'POST', '/api/grants', wish)).status, role).toBe(403)
    }
    expect((await hub.ask(undefined, 'POST', '/api/grants', wish)).status).toBe(401)
  })
})

describe('a restricted camera', () => {
  const ask = (who: Viewer) => hub.grant(who, 'res', { note: 'shots were heard', minutes: 20 })
  const answer = (who: Viewer, grantId: string, approve: boolean) =>
    hub.ask(who, 'POST', `/api/grants/${grantId}/approval`, { approve })

  it('waits for a second person, whose yes starts the time; both are told', async () => {
    const operator = await hub.viewer()
    const supervisor = await hub.viewer('supervisor', '4105')
    const heard = { operator: await hub.listen(operator), supervisor: await hub.listen(supervisor) }
    const pending = await ask(operator)
    expect(pending.state).toBe('pending')
    expect(pending.playPath).toBeUndefined()
    await eventually(() => heard.supervisor.some((grant) => grant.grantId === pending.grantId))
    expect(await stateOf(supervisor, pending.grantId)).toBe('pending')
    hub.clock.offsetMs += 60_000
    const { status, json } = await answer(supervisor, pending.grantId, true)
    expect(status).toBe(200)
    expect(json).toMatchObject({ state: 'active', approverName: expect.stringContaining('Name of') })
    expect(json.endAtMs - json.beginAtMs).toBe(20 * 60_000)
    expect(json.beginAtMs).toBeGreaterThanOrEqual(pending.beginAtMs + 60_000)
    await eventually(() => heard.operator.some((grant) => grant.state === 'active' && !!grant.playPath))
    expect((await auditOf(pending.grantId)).map((row) => row.action)).toEqual([
      'grant.requested',
      'grant.approved',
    ])
    expect((await answer(supervisor, pending.grantId, true)).status).toBe(409)
  })

  it('is not approved by who asked, by a role without the permission, or from another scope', async () => {
    const asker = await hub.viewer('supervisor', '410502')
    const pending = await ask(asker)
    expect((await answer(asker, pending.grantId, true)).json.code).toBe('HUB_FORBIDDEN')
    expect((await answer(await hub.viewer('operator', '4105'), pending.grantId, true)).status).toBe(403)
    expect((await answer(await hub.viewer('supervisor', '410503'), pending.grantId, true)).status).toBe(404)
    expect(await stateOf(asker, pending.grantId)).toBe('pending')
  })

  it('can be refused, taken back, and expires when nobody answers', async () => {
    const operator = await hub.viewer()
    const supervisor = await hub.viewer('supervisor', '410502')
    const refused = await ask(operator)
    expect((await answer(supervisor, refused.grantId, false)).json.state).toBe('refused')
    const withdrawn = await ask(operator)
    expect((await hub.ask(operator, 'DELETE', `/api/grants/${withdrawn.grantId}`)).json.state).toBe('revoked')
    const forgotten = await ask(operator)
    const heard = await hub.listen(operator)
    hub.clock.offsetMs += 15 * 60_000
    expect((await answer(supervisor, forgotten.grantId, true)).status).toBe(409)
    await eventually(() => heard.some((g) => g.grantId === forgotten.grantId && g.state === 'expired'))
    // It counts as expired by the clock alone; the watch puts it on the record a moment later.
    await eventually(async () => (await auditOf(forgotten.grantId)).at(-1)?.action === 'grant.expired')
    const last = (await auditOf(forgotten.grantId)).at(-1)
    expect(last?.actor_id).toBeNull()
    expect(last?.detail.why).toBe('unanswered')
  })
})

describe('the end of a grant', () => {
  it('is seen and revoked by its user and by who may revoke any in the scope, by nobody else', async () => {
    const owner = await hub.viewer()
    const grant = await hub.grant(owner, 'pub')
    const path = `/api/grants/${grant.grantId}`
    expect((await hub.ask(await hub.viewer('operator'), 'DELETE', path)).status).toBe(404)
    expect((await hub.ask(await hub.viewer('supervisor', '410503'), 'DELETE', path)).status).toBe(404)
    expect(await stateOf(await hub.viewer('operator'), grant.grantId)).toBeUndefined()
    expect(await stateOf(await hub.viewer('supervisor', '410503'), grant.grantId)).toBeUndefined()
    const supervisor = await hub.viewer('supervisor', '410502')
    expect(await stateOf(supervisor, grant.grantId)).toBe('active')
    const heard = await hub.listen(owner)
    const { status, json } = await hub.ask(supervisor, 'DELETE', path)
    expect([status, json.state, json.playPath]).toEqual([200, 'revoked', undefined])
    await eventually(() => heard.some((one) => one.state === 'revoked'))
    expect((await hub.ask(supervisor, 'DELETE', path)).json.state).toBe('revoked')
    const entries = await auditOf(grant.grantId)
    expect(entries.map((row) => row.action)).toEqual(['grant.given', 'grant.revoked'])
    expect(entries[1]).toMatchObject({ actor_id: supervisor.userId })
  })

  it('comes by itself, once on the record: time, sign-out, account, role, scope, camera', async () => {
    const { write } = hub.relational
    const ends: Record<string, (who: Viewer) => Promise<unknown>> = {
      'signed out': (who) => hub.ask(who, 'DELETE', '/api/session'),
      disabled: ({ userId }) =>
        write.updateTable('user_account').set({ is_disabled: 1 }).where('user_id', '=', userId).execute(),
      role: ({ userId }) =>
        write.updateTable('user_account').set({ role: 'auditor' }).where('user_id', '=', userId).execute(),
      scope: ({ userId }) =>
        write.updateTable('user_account').set({ scope: '410503' }).where('user_id', '=', userId).execute(),
      'now restricted': () =>
        write
          .updateTable('device')
          .set({ sensitivity: 'restricted' })
          .where('device_id', '=', 'pub')
          .execute(),
      'camera gone': () => write.deleteFrom('device').where('device_id', '=', 'pub').execute(),
      time: async () => {
        hub.clock.offsetMs += 10 * 60_000
      },
    }
    for (const [why, end] of Object.entries(ends)) {
      await hub.relational.write.deleteFrom('device').where('device_id', '=', 'pub').execute()
      await hub.edge([{ cameraId: 'pub' }])
      const who = await hub.viewer()
      const grant = await hub.grant(who, 'pub')
      await end(who)
      await eventually(async () => (await auditOf(grant.grantId)).length === 2, 5000, why)
      const last = (await auditOf(grant.grantId)).at(-1)
      expect(last?.detail.why).toBe(why)
      expect(last?.action).toBe(why === 'time' ? 'grant.expired' : 'grant.revoked')
    }
  })

  it('does not come while the user is still signed in elsewhere', async () => {
    const who = await hub.viewer()
    const elsewhere = { ...who, ...(await hub.openSession(who.userId)) }
    const grant = await hub.grant(who, 'con', { note: 'why' })
    const other = await hub.viewer()
    const marker = await hub.grant(other, 'con', { note: 'why' })
    await hub.ask(who, 'DELETE', '/api/session')
    await hub.ask(other, 'DELETE', '/api/session')
    // The look that ended the other's grant has seen this one too.
    await eventually(async () => (await auditOf(marker.grantId)).length === 2)
    expect(await stateOf(elsewhere, grant.grantId)).toBe('active')
  })
})
