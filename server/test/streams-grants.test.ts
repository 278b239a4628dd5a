import type { CameraPolicy } from '@patrolhub/protocol'
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
    expect(grant).toMatchObject({ state: 'active', userId: who.userId, note: '' })
    expect(grant.target).toEqual({ kind: 'camera', id: 'pub', name: 'Camera pub' })
    expect(grant.endAtMs - grant.beginAtMs).toBe(600_000)
    const playPath = `/media/live/${grant.grantId}.flv?camera=pub`
    expect(grant.cameras).toEqual([{ cameraId: 'pub', name: 'Camera pub', playPath }])
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

  it('names a span of history instead of live video, which the approver and the record see', async () => {
    const who = await hub.viewer()
    const toMs = Date.now() - 60_000
    const history = { fromMs: toMs - 600_000, toMs }
    const given = await hub.grant(who, 'pub', { history })
    expect(given).toMatchObject({ state: 'active', history })
    expect(given.cameras[0]!.playPath).toBe(`/media/history/${given.grantId}.flv?camera=pub`)
    expect((await auditOf(given.grantId))[0]!.detail).toMatchObject({ history })
    const live = await hub.ask(who, 'GET', `/media/live/${given.grantId}.flv?camera=pub`)
    expect([live.status, live.json.code]).toEqual([403, 'HUB_GRANT_KIND'])

    const asked = await hub.grant(who, 'res', { history, note: 'why' })
    expect(asked.state).toBe('pending')
    const approver = await hub.viewer('supervisor')
    const seen = (await hub.ask(approver, 'GET', '/api/grants')).json.items
    expect(seen.find((grant: { grantId: string }) => grant.grantId === asked.grantId)).toMatchObject({
      history,
    })
    await hub.ask(approver, 'POST', `/api/grants/${asked.grantId}/approval`, { approve: true })
    expect((await auditOf(asked.grantId)).at(-1)).toMatchObject({
      action: 'grant.approved',
      detail: { history },
    })

    const wish = { cameraId: 'res', purpose: 'alert_check', minutes: 5, note: 'why' }
    for (const span of [
      { fromMs: toMs, toMs },
      { fromMs: toMs - 61 * 60_000, toMs },
      { fromMs: toMs, toMs: Date.now() + 60_000 },
    ]) {
      const { status, json } = await hub.ask(who, 'POST', '/api/grants', { ...wish, history: span })
      expect([status, json.code, json.details.length]).toEqual([422, 'HUB_GRANT_POLICY', 1])
    }
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

describe('the policy', () => {
  const put = (who: Viewer | undefined, sensitivity: string, policy: object) =>
    hub.ask(who, 'PUT', `/api/grant-policies/${sensitivity}`, policy)
  const shipped = async () => {
    const administrator = await hub.viewer('administrator', hub.rootScope)
    const { json } = await hub.ask(administrator, 'GET', '/api/grant-policies')
    const before = new Map(
      json.items.map((item: { sensitivity: string; policy: CameraPolicy }) => [
        item.sensitivity,
        item.policy,
      ]),
    ) as Map<string, CameraPolicy>
    return { administrator, before }
  }
  const wish = { purpose: 'alert_check', minutes: 480 }
  const request = (who: Viewer, body: object) => hub.ask(who, 'POST', '/api/grants', { ...wish, ...body })

  it('begins as it always was, and is changed by an administrator of the whole hub only, on the record', async () => {
    const { administrator, before } = await shipped()
    const open = { needsNote: false, needsIncident: false, needsSecondPerson: false, outside: 'no' } as const
    expect(before.get('public')).toEqual({ ...open, maxMinutes: 240, maxHistoryMinutes: 240 })
    expect(before.get('controlled')).toEqual({
      ...open,
      maxMinutes: 120,
      maxHistoryMinutes: 120,
      needsNote: true,
    })
    const minutes = { maxMinutes: 60, maxHistoryMinutes: 60 }
    const strict = { ...open, ...minutes, needsNote: true, needsSecondPerson: true }
    expect(before.get('restricted')).toEqual(strict)
    const wanted = { ...before.get('public')!, maxMinutes: 5 }
    expect((await put(undefined, 'public', wanted)).status).toBe(401)
    expect((await put(await hub.viewer('supervisor', hub.rootScope), 'public', wanted)).status).toBe(403)
    const local = await put(await hub.viewer('administrator', '410502'), 'public', wanted)
    expect([local.status, local.json.code]).toEqual([403, 'HUB_OUT_OF_SCOPE'])
    for (const broken of [
      { ...wanted, maxMinutes: 0 },
      { ...wanted, maxHistoryMinutes: 1441 },
      { ...wanted, outside: 'all' },
      { maxMinutes: 5 },
      { ...wanted, x: 1 },
    ]) {
      expect((await put(administrator, 'public', broken)).status).toBe(400)
    }
    expect((await put(administrator, 'secret', wanted)).status).toBe(400)

    expect((await put(administrator, 'public', wanted)).status).toBe(200)
    const grant = (await request(await hub.viewer(), { cameraId: 'pub' })).json
    expect(grant.endAtMs - grant.beginAtMs).toBe(5 * 60_000)
    await put(administrator, 'public', before.get('public')!)
    const rows = await hub.relational.read.selectFrom('audit').selectAll().orderBy('seq').execute()
    const entries = rows.filter((row) => row.action === 'grant-policy.changed')
    expect(entries).toHaveLength(2)
    expect(entries[0]).toMatchObject({ actor_id: administrator.userId, subject: 'sensitivity:public' })
    expect(JSON.parse(entries[0]!.detail)).toMatchObject({
      before: { maxMinutes: 240 },
      after: { maxMinutes: 5 },
    })
  })

  it('may ask for an incident that is not over, and then public cameras are open at once', async () => {
    const { administrator, before } = await shipped()
    const who = await hub.viewer()
    const incidentId = await hub.incident()
    await put(administrator, 'public', { ...before.get('public')!, needsIncident: true })
    try {
      const without = await request(who, { cameraId: 'pub' })
      expect([without.status, without.json.code]).toEqual([422, 'HUB_GRANT_POLICY'])
      expect(without.json.details[0]).toContain('/incidentId')
      expect((await request(who, { cameraId: 'pub', incidentId })).json.state).toBe('active')
      const over = await hub.incident('410502003', 'closed')
      expect((await request(who, { cameraId: 'pub', incidentId: over })).json.details).toEqual([
        '/incidentId: the incident is closed',
      ])
      const elsewhere = await hub.incident('410503001')
      expect((await request(who, { cameraId: 'pub', incidentId: elsewhere })).status).toBe(404)
    } finally {
      await put(administrator, 'public', before.get('public')!)
    }
  })

  it('that asks for a second person from now on ends the grants that had none', async () => {
    const { administrator, before } = await shipped()
    const grant = await hub.grant(await hub.viewer(), 'pub')
    await put(administrator, 'public', { ...before.get('public')!, needsSecondPerson: true })
    try {
      await eventually(async () => (await auditOf(grant.grantId)).at(-1)?.detail.why === 'now restricted')
    } finally {
      await put(administrator, 'public', before.get('public')!)
    }
  })

  it('asks for a second person off duty and out of hours, and says why on the record', async () => {
    const set = (who: Viewer, values: { is_on_duty?: 0 | 1; allowed_hours?: string }) =>
      hub.relational.write.updateTable('user_account').set(values).where('user_id', '=', who.userId).execute()
    for (const [values, says] of [
      [{ is_on_duty: 0 }, 'off duty: a second person has to agree'],
      [{ allowed_hours: '[]' }, 'outside the hours: a second person has to agree'],
    ] as const) {
      const who = await hub.viewer()
      await set(who, values)
      const pending = await hub.grant(who, 'pub')
      expect(pending.state).toBe('pending')
      expect((await auditOf(pending.grantId))[0]?.detail.because).toEqual([says])
      const supervisor = await hub.viewer('supervisor')
      const approve = `/api/grants/${pending.grantId}/approval`
      expect((await hub.ask(supervisor, 'POST', approve, { approve: true })).json.state).toBe('active')
      // It was given with a second person: that it is late does not end it.
      hub.streams.look()
      const marker = await hub.grant(await hub.viewer(), 'pub')
      await eventually(async () => (await stateOf(who, marker.grantId)) === undefined)
      expect(await stateOf(who, pending.grantId)).toBe('active')
    }
  })

  it('may open cameras outside the scope to requests, and then shows no more than it says', async () => {
    const { administrator, before } = await shipped()
    const note = 'a car drove over the border of the county'
    const who = await hub.viewer('operator', '410502')
    const near = await hub.viewer('supervisor', '410502')
    const there = await hub.viewer('supervisor', '410503')
    const refused = await request(who, { cameraId: 'far', note })
    const missing = await request(who, { cameraId: 'nix', note })
    const told = ({ status, json }: { status: number; json: { code: string; message: string } }) => [
      status,
      json.code,
      json.message,
    ]
    expect(told(refused)).toEqual(
      told(missing).map((one) => (typeof one === 'string' ? one.replace('nix', 'far') : one)),
    )
    await put(administrator, 'public', { ...before.get('public')!, outside: 'id' })
    try {
      expect((await request(who, { cameraId: 'far' })).json.details).toHaveLength(1)
      const heard = {
        near: await hub.listen(near),
        there: await hub.listen(there),
        own: await hub.listen(who),
      }
      const { status, json } = await request(who, { cameraId: 'far', note })
      expect([status, json.state]).toEqual([201, 'pending'])
      expect(json.target).toEqual({ kind: 'camera', id: 'far', name: 'far' })
      expect(json.cameras).toEqual([{ cameraId: 'far', name: 'far' }])
      const known = [
        'grantId',
        'userId',
        'userName',
        'target',
        'cameras',
        'purpose',
        'note',
        'state',
        'beginAtMs',
        'endAtMs',
      ]
      expect(Object.keys(json).sort()).toEqual([...known].sort())
      const approve = `/api/grants/${json.grantId}/approval`
      expect((await hub.ask(near, 'POST', approve, { approve: true })).status).toBe(404)
      expect(await stateOf(near, json.grantId)).toBeUndefined()
      expect((await hub.ask(there, 'POST', approve, { approve: true })).json.state).toBe('active')
      await eventually(() =>
        heard.own.some(({ grantId, state }) => grantId === json.grantId && state === 'active'),
      )
      await eventually(() => heard.there.some(({ state }) => state === 'active'))
      expect(heard.near.filter(({ grantId }) => grantId === json.grantId)).toEqual([])
      expect(JSON.stringify(heard.own)).not.toContain('Camera far')

      await put(administrator, 'public', { ...before.get('public')!, outside: 'name' })
      const named = (await request(who, { cameraId: 'far', note })).json
      expect([named.target.name, named.cameras[0].name]).toEqual(['Camera far', 'Camera far'])

      // Whoever moves takes nothing along.
      const { write } = hub.relational
      await write
        .updateTable('user_account')
        .set({ scope: '410504' })
        .where('user_id', '=', who.userId)
        .execute()
      await eventually(async () => (await auditOf(json.grantId)).at(-1)?.detail.why === 'scope')
    } finally {
      await put(administrator, 'public', before.get('public')!)
    }
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
    expect(pending.cameras[0]!.playPath).toBeUndefined()
    await eventually(() => heard.supervisor.some((grant) => grant.grantId === pending.grantId))
    expect(await stateOf(supervisor, pending.grantId)).toBe('pending')
    hub.clock.offsetMs += 60_000
    const { status, json } = await answer(supervisor, pending.grantId, true)
    expect(status).toBe(200)
    expect(json).toMatchObject({ state: 'active', approverName: expect.stringContaining('Name of') })
    expect(json.endAtMs - json.beginAtMs).toBe(20 * 60_000)
    expect(json.beginAtMs).toBeGreaterThanOrEqual(pending.beginAtMs + 60_000)
    await eventually(() =>
      heard.operator.some((grant) => grant.state === 'active' && !!grant.cameras[0]?.playPath),
    )
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
    expect([status, json.state, json.cameras[0].playPath]).toEqual([200, 'revoked', undefined])
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
      'off duty': ({ userId }) =>
        write.updateTable('user_account').set({ is_on_duty: 0 }).where('user_id', '=', userId).execute(),
      'out of hours': ({ userId }) =>
        write
          .updateTable('user_account')
          .set({ allowed_hours: '[]' })
          .where('user_id', '=', userId)
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

  it('comes with the closing or dismissal of the incident that it was given for', async () => {
    const who = await hub.viewer()
    for (const [state, to] of [
      ['verified', 'closed'],
      ['reported', 'dismissed'],
    ] as const) {
      const incidentId = await hub.incident('410502003', state)
      const other = await hub.grant(who, 'pub', { incidentId: await hub.incident() })
      const active = await hub.grant(who, 'pub', { incidentId })
      const pending = await hub.grant(who, 'res', { incidentId, note: 'why' })
      const moved = await hub.ask(who, 'POST', `/api/incidents/${incidentId}/transitions`, {
        to,
        note: 'over',
      })
      expect(moved.status).toBe(200)
      for (const { grantId } of [active, pending]) {
        await eventually(async () => (await auditOf(grantId)).at(-1)?.detail.why === 'incident over')
      }
      expect(await stateOf(who, other.grantId)).toBe('active')
      const late = { cameraId: 'pub', purpose: 'alert_check', minutes: 5, incidentId }
      expect((await hub.ask(who, 'POST', '/api/grants', late)).status).toBe(422)
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
