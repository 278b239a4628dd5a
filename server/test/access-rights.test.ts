/** Who may do what: roles, scope, duty and hours, changed while people work; explained; second factors; service tokens. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hotp, stepAt } from '../src/access/totp.ts'
import { disconnected, type People, type Person, startPeople } from './support/people.ts'

let hub: People
let administrator: Person
beforeAll(async () => {
  hub = await startPeople()
  administrator = await hub.person('administrator', '4105')
})
afterAll(() => hub.close())

const change = (userId: string, body: object, by = administrator) =>
  hub.ask(by, 'PATCH', `/api/users/${userId}`, body)

describe('a change of an account', () => {
  it('counts from the next request on, cuts the socket, and is on the record', async () => {
    const who = await hub.person('operator', '410502')
    const { socket } = await hub.listen(who)
    const gone = disconnected(socket)
    const changed = await change(who.userId, { role: 'engineer', scope: '410503' })
    expect([changed.status, changed.json.role, changed.json.scope]).toEqual([200, 'engineer', '410503'])
    await gone
    const session = await hub.ask(who, 'GET', '/api/session')
    expect(session.json).toMatchObject({ role: 'engineer', scope: '410503' })
    expect((await hub.ask(who, 'GET', '/api/incidents')).status).toBe(403)
    const { json } = await hub.ask(administrator, 'GET', '/api/audit?kind=user&limit=1')
    expect(json.items[0]).toMatchObject({
      action: 'user.changed',
      detail: { role: 'engineer', roleBefore: 'operator', scopeBefore: '410502' },
    })
  })

  it('raises nobody by themselves, nobody outside the scope, and nobody above whoever changes', async () => {
    expect((await change(administrator.userId, { role: 'operator' })).json.code).toBe('HUB_CONFLICT')
    const county = await hub.person('administrator', '410502')
    const inside = await hub.person('operator', '410502003')
    const outside = await hub.person('operator', '410503')
    expect((await change(outside.userId, { role: 'auditor' }, county)).status).toBe(404)
    expect((await change(inside.userId, { scope: '4105' }, county)).json.code).toBe('HUB_OUT_OF_SCOPE')
    expect((await change(inside.userId, { role: 'no-such-role' }, county)).status).toBe(400)
    expect((await change(inside.userId, {})).status).toBe(400)

    const clerk = { role: 'clerk', name: 'Clerk', permissions: ['user.read', 'user.write'] }
    expect((await hub.ask(administrator, 'POST', '/api/roles', clerk)).status).toBe(201)
    const who = await hub.person('clerk', '4105')
    expect((await change(inside.userId, { role: 'administrator' }, who)).json.code).toBe('HUB_FORBIDDEN')
    for (const [method, path] of [
      ['POST', `/api/users/${county.userId}/password`],
      ['DELETE', `/api/users/${county.userId}`],
      ['DELETE', `/api/users/${county.userId}/sessions`],
    ] as const) {
      expect((await hub.ask(who, method, path)).json.code, path).toBe('HUB_FORBIDDEN')
    }
    expect((await change(inside.userId, { role: 'clerk' }, who)).status).toBe(200)
  })

  it('of duty stops acting, not looking', async () => {
    const who = await hub.person('operator', '410502')
    const supervisor = await hub.person('supervisor', '410502')
    const duty = (isOnDuty: boolean, by = supervisor) =>
      hub.ask(by, 'PUT', `/api/users/${who.userId}/duty`, { isOnDuty })
    expect((await duty(false)).status).toBe(204)
    expect((await duty(false, who)).status, 'not by an operator').toBe(403)
    expect((await hub.ask(who, 'GET', '/api/incidents')).status).toBe(200)
    const move = { to: 'accepted' }
    const path = '/api/incidents/00000000-0000-4000-8000-000000000000/transitions'
    const refused = await hub.ask(who, 'POST', path, move)
    expect([refused.status, refused.json.message]).toEqual([
      403,
      'off duty: incident.move is for those on duty',
    ])
    expect((await duty(true)).status).toBe(204)
    expect((await hub.ask(who, 'POST', path, move)).status).toBe(404)
  })
})

describe('a role', () => {
  it('that is composed gives exactly its permissions, and follows its changes at once', async () => {
    const wish = { role: 'night-watch', name: '夜班', permissions: ['alert.read', 'overview.read'] }
    const made = await hub.ask(administrator, 'POST', '/api/roles', wish)
    expect([made.status, made.json]).toEqual([201, { ...wish, isBuiltIn: false, userCount: 0 }])
    expect((await hub.ask(administrator, 'POST', '/api/roles', wish)).status, 'twice').toBe(409)
    const who = await hub.person('night-watch', '410502')
    const session = await hub.ask(who, 'GET', '/api/session')
    expect(session.json).toMatchObject({
      role: 'night-watch',
      roleName: '夜班',
      permissions: wish.permissions,
    })
    expect((await hub.ask(who, 'GET', '/api/alerts')).status).toBe(200)
    expect((await hub.ask(who, 'GET', '/api/incidents')).status).toBe(403)

    const { socket } = await hub.listen(who)
    const gone = disconnected(socket)
    const put = (permissions: string[]) =>
      hub.ask(administrator, 'PUT', '/api/roles/night-watch', { name: 'Night', permissions })
    expect((await put(['incident.read'])).status).toBe(200)
    await gone
    expect((await hub.ask(who, 'GET', '/api/alerts')).status).toBe(403)
    expect((await hub.ask(who, 'GET', '/api/incidents')).status).toBe(200)
    expect((await put(['no.permission'])).status).toBe(400)
    expect((await hub.ask(administrator, 'DELETE', '/api/roles/night-watch')).status, 'in use').toBe(409)
    await change(who.userId, { role: 'operator' })
    expect((await hub.ask(administrator, 'DELETE', '/api/roles/night-watch')).status).toBe(204)
    expect((await hub.ask(administrator, 'DELETE', '/api/roles/operator')).status, 'built in').toBe(409)
  })

  it('cannot be changed so that nobody can repair it, nor by somebody of a part of the hub', async () => {
    const put = (by: Person, permissions: string[]) =>
      hub.ask(by, 'PUT', '/api/roles/administrator', { name: 'administrator', permissions })
    expect((await put(administrator, [])).json.code).toBe('HUB_CONFLICT')
    const county = await hub.person('administrator', '410502')
    expect((await put(county, [])).json.code).toBe('HUB_OUT_OF_SCOPE')
    const composed = { role: 'county-made', name: 'x', permissions: [] }
    expect((await hub.ask(county, 'POST', '/api/roles', composed)).json.code).toBe('HUB_OUT_OF_SCOPE')
  })
})

describe('an explanation', () => {
  const explain = (by: Person, query: string) => hub.ask(by, 'GET', `/api/access/explain?${query}`)

  it('names the rule that was missing, for those whose scope holds the person', async () => {
    const supervisor = await hub.person('supervisor', '410502')
    const who = await hub.person('operator', '410502003')
    const ask = (action: string, region: string) =>
      explain(supervisor, `username=${who.username}&action=${action}&region=${region}`)
    expect((await ask('incident.move', '410502003201')).json.effect).toBe('allow')
    const failed = (json: { checks: { ok: boolean; rule: string }[] }) =>
      json.checks.filter(({ ok }) => !ok).map(({ rule }) => rule)
    expect(failed((await ask('incident.move', '410503')).json)).toEqual(['scope'])
    expect(failed((await ask('user.write', '410503')).json)).toEqual(['permission', 'scope'])
    await change(who.userId, { isOnDuty: false })
    expect(failed((await ask('incident.move', '410502003')).json)).toEqual(['duty'])
    await hub.ask(administrator, 'DELETE', `/api/users/${who.userId}`)
    expect(failed((await ask('incident.read', '410502003')).json)).toEqual(['account'])

    const above = await hub.person('operator', '4105')
    expect((await explain(supervisor, `username=${above.username}&action=alert.read`)).status).toBe(404)
    expect((await explain(who, `username=${who.username}&action=alert.read`)).status).toBe(401)
  })
})

describe('service tokens', () => {
  const wish = { name: 'Map screen', scope: '410502', permissions: ['alert.read'], days: 30 }
  const as = (token: string, path: string, init: RequestInit = {}) =>
    fetch(hub.url + path, { ...init, headers: { authorization: `Bearer ${token}` } })

  it('read what they are for, inside their scope, until they end or are revoked', async () => {
    const made = await hub.ask(administrator, 'POST', '/api/service-tokens', wish)
    expect(made.status).toBe(201)
    const { token, serviceToken } = made.json
    expect(token).toMatch(/^phs_[\w-]{43}$/)
    expect((await as(token, '/api/alerts')).status).toBe(200)
    expect((await as(token, '/api/incidents')).status, 'no permission').toBe(403)
    expect((await as(token, '/api/session')).status, 'not a person').toBe(403)
    expect((await as(token, '/api/session/second-factor', { method: 'POST' })).status).toBe(403)
    expect((await as(`${token.slice(0, -1)}!`, '/api/alerts')).status).toBe(401)
    const rows = await hub.relational.read.selectFrom('service_token').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain(token)
    const { json: list } = await hub.ask(administrator, 'GET', '/api/service-tokens')
    expect(list[0]).toMatchObject({ name: 'Map screen', lastUsedAtMs: expect.any(Number) })

    const other = (await hub.ask(administrator, 'POST', '/api/service-tokens', wish)).json.token
    const revoke = () => hub.ask(administrator, 'DELETE', `/api/service-tokens/${serviceToken.tokenId}`)
    expect([(await revoke()).status, (await revoke()).status]).toEqual([204, 204])
    expect((await as(token, '/api/alerts')).status).toBe(401)
    expect((await as(other, '/api/alerts')).status).toBe(200)
    hub.clock.offsetMs += 31 * 86_400_000
    try {
      expect((await as(other, '/api/alerts')).status, 'over').toBe(401)
    } finally {
      hub.clock.offsetMs -= 31 * 86_400_000
    }
  })

  it('are never given power, nor more than their maker has', async () => {
    const post = (by: Person, more: object) =>
      hub.ask(by, 'POST', '/api/service-tokens', { ...wish, ...more })
    expect((await post(administrator, { permissions: ['user.write'] })).status).toBe(400)
    expect((await post(administrator, { permissions: ['grant.request'] })).status).toBe(400)
    const county = await hub.person('administrator', '410502')
    expect((await post(county, { scope: '4105' })).json.code).toBe('HUB_OUT_OF_SCOPE')
    const operator = await hub.person('operator', '410502')
    expect((await post(operator, {})).status).toBe(403)
  })
})

/** The code that an authenticator shows. */
function codeOf(secret: string, atMs: number): string {
  let bits = ''
  for (const letter of secret) {
    bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')
  }
  const bytes = bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2))
  return hotp(Buffer.from(bytes), stepAt(atMs))
}

describe('the second factor', () => {
  let strict: People
  const PASSWORD = 'correct horse battery'
  const nowMs = () => Date.now() + strict.clock.offsetMs
  beforeAll(async () => {
    strict = await startPeople({ PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'administrator,supervisor' })
  })
  afterAll(() => strict.close())

  async function request(method: string, path: string, body?: unknown, cookie = '') {
    const response = await fetch(strict.url + path, {
      method,
      headers: { 'x-patrolhub': '1', cookie, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const text = await response.text()
    const set = response.headers.get('set-cookie')?.split(';')[0]
    return { status: response.status, json: text ? JSON.parse(text) : undefined, cookie: set ?? cookie }
  }

  it('has to be set up first; then each code opens once, a recovery code once, and its loss has a way back', async () => {
    const oneTime = await strict.access.ensureAdministrator()
    const first = await request('POST', '/api/session', { username: 'admin', password: oneTime })
    expect(first.json).toMatchObject({ mustChangePassword: true, mustEnrolSecondFactor: true })
    const changed = await request(
      'POST',
      '/api/session/password',
      { current: oneTime, next: PASSWORD },
      first.cookie,
    )
    expect(changed.status).toBe(200)
    const { cookie } = changed
    expect((await request('GET', '/api/users', undefined, cookie)).json.code).toBe('HUB_MUST_ENROL')
    const person = { ...(await strict.person('operator', '4105')), cookie }
    await expect(strict.listen(person)).rejects.toThrow('HUB_NOT_SIGNED_IN')

    const { json: offer } = await request('POST', '/api/session/second-factor', undefined, cookie)
    const path = '/api/session/second-factor'
    const wrong = await request('PUT', path, { code: '000000' }, cookie)
    expect([wrong.status, wrong.json.code]).toEqual([401, 'HUB_SECOND_FACTOR'])
    const used = codeOf(offer.secret, nowMs())
    const confirmed = await request('PUT', path, { code: used }, cookie)
    expect(confirmed.json.recoveryCodes).toHaveLength(10)
    expect((await request('GET', '/api/users', undefined, cookie)).status).toBe(200)
    const rows = await strict.relational.read.selectFrom('second_factor').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain(offer.secret)

    const signIn = (code?: string) =>
      request('POST', '/api/session', { username: 'admin', password: PASSWORD, ...(code ? { code } : {}) })
    expect((await signIn()).json).toMatchObject({ code: 'HUB_SECOND_FACTOR', details: ['code: missing'] })
    expect((await signIn(used)).json.code, 'the code of the set-up').toBe('HUB_SECOND_FACTOR')
    strict.clock.offsetMs += 60_000
    const next = codeOf(offer.secret, nowMs())
    const both = await Promise.all([signIn(next), signIn(next)])
    expect(both.map(({ status }) => status).sort(), 'one of two').toEqual([200, 401])
    const [recovery] = confirmed.json.recoveryCodes
    expect((await signIn(recovery)).status).toBe(200)
    expect((await signIn(recovery)).status, 'used').toBe(401)
    const wrongPassword = await request('POST', '/api/session', {
      username: 'admin',
      password: 'wrong',
      code: recovery,
    })
    expect(wrongPassword.json.code, 'tells nothing of the code').toBe('HUB_BAD_CREDENTIALS')

    const { json: users } = await request('GET', '/api/users', undefined, cookie)
    const self = users.find((user: { username: string }) => user.username === 'admin')
    expect(self.hasSecondFactor).toBe(true)
    const removal = (password: string) => request('POST', `${path}/removal`, { password }, cookie)
    expect((await removal('wrong')).status).toBe(401)
    expect((await removal(PASSWORD)).status).toBe(204)
    expect((await request('GET', '/api/users', undefined, cookie)).json.code).toBe('HUB_MUST_ENROL')
  }, 60_000)

  it('is asked of a composed role as soon as it has power', async () => {
    const plain = await strict.person('operator', '4105')
    expect((await strict.ask(plain, 'GET', '/api/session')).json.mustEnrolSecondFactor).toBe(false)
    const { write } = strict.relational
    await write.insertInto('role').values({ role_id: 'lead', name: 'Lead', is_built_in: 0 }).execute()
    const give = (permission: string) =>
      write.insertInto('role_permission').values({ role_id: 'lead', permission }).execute()
    await give('alert.read')
    const who = await strict.person('lead', '4105')
    expect((await strict.ask(who, 'GET', '/api/alerts')).status).toBe(200)
    await give('grant.approve')
    expect((await strict.ask(who, 'GET', '/api/alerts')).json.code).toBe('HUB_MUST_ENROL')
  })
})

describe('sessions', () => {
  it('are listed to their owner and ended at once, by the owner or an administrator', async () => {
    const who = await hub.person('operator', '410502')
    const second = { ...who, ...(await hub.openSession(who.userId)) }
    const third = { ...who, ...(await hub.openSession(who.userId)) }
    const { json: list } = await hub.ask(who, 'GET', '/api/session/list')
    expect(list).toHaveLength(3)
    expect(list.filter((one: { isCurrent: boolean }) => one.isCurrent)).toHaveLength(1)

    const { socket } = await hub.listen(second)
    const gone = disconnected(socket)
    const end = (by: Person, hash: string) => hub.ask(by, 'DELETE', `/api/session/list/${hash}`)
    const stranger = await hub.person('operator', '410502')
    expect((await end(stranger, second.sessionHash)).status, "not another's").toBe(404)
    expect((await end(who, second.sessionHash)).status).toBe(204)
    await gone
    expect((await hub.ask(second, 'GET', '/api/session')).status).toBe(401)
    expect((await hub.ask(who, 'DELETE', '/api/session/list')).status).toBe(204)
    expect((await hub.ask(third, 'GET', '/api/session')).status).toBe(401)
    expect((await hub.ask(who, 'GET', '/api/session')).status).toBe(200)

    const path = `/api/users/${who.userId}/sessions`
    expect((await hub.ask(administrator, 'GET', path)).json).toHaveLength(1)
    expect((await hub.ask(stranger, 'GET', path)).status).toBe(403)
    expect((await hub.ask(administrator, 'DELETE', `${path}/${who.sessionHash}`)).status).toBe(204)
    expect((await hub.ask(who, 'GET', '/api/session')).status).toBe(401)
  })

  it('cannot be chosen by somebody else: a sign-in always makes a new token', async () => {
    const { oneTimePassword } = await hub.access.createUser(undefined, {
      username: 'fixed',
      displayName: 'Fixed',
      role: 'operator',
      scope: '410502',
    })
    const planted = `patrolhub_session=${'A'.repeat(43)}`
    const response = await fetch(`${hub.url}/api/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: planted },
      body: JSON.stringify({ username: 'fixed', password: oneTimePassword }),
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('set-cookie')).not.toContain(planted)
    expect((await fetch(`${hub.url}/api/session`, { headers: { cookie: planted } })).status).toBe(401)
  })

  it('no page of somebody else can use or frame', async () => {
    const who = await hub.person('operator', '410502')
    const foreign = await fetch(`${hub.url}/api/session/list`, {
      method: 'DELETE',
      headers: { cookie: who.cookie, origin: 'https://evil.example' },
    })
    expect([foreign.status, (await foreign.json()).code]).toEqual([403, 'HUB_CSRF'])
    expect((await hub.ask(who, 'GET', '/api/session')).headers.get('content-security-policy')).toContain(
      "frame-ancestors 'none'",
    )
  })
})

describe('an account that guessing has shut', () => {
  it('opens again by an administrator, on the record', async () => {
    const made = await hub.access.createUser(undefined, {
      username: 'shut',
      displayName: 'Shut',
      role: 'operator',
      scope: '410502',
    })
    const { userId } = made.user
    await hub.relational.write
      .insertInto('sign_in_count')
      .values({
        key: `user:${userId}`,
        failures: 49,
        ends_at_ms: Date.now() + hub.clock.offsetMs + 600_000,
      })
      .execute()
    const attempt = (password: string) =>
      hub.app.inject({ method: 'POST', url: '/api/session', payload: { username: 'shut', password } })
    expect((await attempt('wrong')).statusCode).toBe(401)
    const shut = await attempt(made.oneTimePassword)
    expect([shut.statusCode, shut.json().code]).toEqual([429, 'HUB_TOO_MANY_REQUESTS'])
    const view = async () =>
      (await hub.ask(administrator, 'GET', '/api/users')).json.find(
        (user: { userId: string }) => user.userId === userId,
      )
    expect((await view()).lockedUntilMs).toBeGreaterThan(0)
    expect((await hub.ask(administrator, 'POST', `/api/users/${userId}/unlock`)).status).toBe(204)
    expect((await view()).lockedUntilMs).toBeUndefined()
    expect((await attempt(made.oneTimePassword)).statusCode).toBe(200)
    const actions = await hub.relational.read
      .selectFrom('audit')
      .select('action')
      .where('subject', '=', `user:${userId}`)
      .orderBy('seq')
      .execute()
    expect(actions.map(({ action }) => action)).toEqual([
      'user.created',
      'user.locked',
      'session.refused',
      'user.unlocked',
      'session.opened',
    ])
  })
})
