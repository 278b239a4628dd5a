import { once } from 'node:events'
import Fastify from 'fastify'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionEnd } from '../src/access/access.ts'
import { accessFeature } from '../src/access/access-feature.ts'
import { hashToken } from '../src/access/token.ts'
import { disconnected, farewells, type People, startPeople } from './support/people.ts'

let hub: People
beforeAll(async () => {
  hub = await startPeople()
})
afterAll(() => hub.close())

const PASSWORD = 'correct horse battery'

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(hub.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    json: text ? JSON.parse(text) : undefined,
    cookie: response.headers.get('set-cookie')?.split(';')[0] ?? '',
  }
}

/** A user with a password of their own, as an administrator and the user would make one. */
async function userWithPassword(username: string) {
  const { oneTimePassword, user } = await hub.access.createUser(undefined, {
    username,
    displayName: username,
    role: 'operator',
    scope: '410502',
  })
  const first = await post('/api/session', { username, password: oneTimePassword })
  const changed = await post(
    '/api/session/password',
    { current: oneTimePassword, next: PASSWORD },
    { cookie: first.cookie, 'x-patrolhub': '1' },
  )
  expect(changed.status, JSON.stringify(changed.json)).toBe(200)
  return { userId: user.userId, username, cookie: changed.cookie }
}

describe('the first start', () => {
  it('makes one administrator over the root scope; the one-time password allows nothing but replacing it', async () => {
    // Two hubs that start on one empty database at once.
    const starts = await Promise.all([hub.access.ensureAdministrator(), hub.access.ensureAdministrator()])
    const [password, ...more] = starts.filter((made) => made !== undefined)
    expect(more).toEqual([])
    expect(password).toMatch(/^\w{5}-\w{5}-\w{5}-\w{5}$/)
    expect(await hub.access.ensureAdministrator(), 'a second start makes none').toBeUndefined()

    const first = await post('/api/session', { username: 'Admin ', password })
    expect(first.status).toBe(200)
    expect(first.json).toMatchObject({
      username: 'admin',
      role: 'administrator',
      scope: '4105',
      mustChangePassword: true,
    })
    const attributes = first.headers.get('set-cookie')
    expect(attributes).toMatch(
      /^patrolhub_session=[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/,
    )
    const headers = { cookie: first.cookie, 'x-patrolhub': '1' }
    const blocked = await fetch(`${hub.url}/api/users`, { headers })
    expect([blocked.status, (await blocked.json()).code]).toEqual([403, 'HUB_MUST_CHANGE_PASSWORD'])
    expect((await fetch(`${hub.url}/api/session`, { headers })).status).toBe(200)

    const change = (current: unknown, next: string) =>
      post('/api/session/password', { current, next }, headers)
    expect((await change(password, 'short')).status).toBe(400)
    expect((await change(password, password!)).status, 'the same again').toBe(400)
    expect((await change('wrong', PASSWORD)).json.code).toBe('HUB_BAD_CREDENTIALS')
    const changed = await change(password, PASSWORD)
    expect(changed.json).toMatchObject({ mustChangePassword: false })
    expect(changed.cookie).not.toBe(first.cookie)
    expect((await fetch(`${hub.url}/api/users`, { headers })).status, 'the old session is over').toBe(401)
    const users = await fetch(`${hub.url}/api/users`, { headers: { cookie: changed.cookie } })
    expect((await users.json()).map((user: { username: string }) => user.username)).toContain('admin')
    expect((await post('/api/session', { username: 'admin', password })).status, 'used once').toBe(401)
  })
})

describe('a session', () => {
  it('stands in the tables only as a hash', async () => {
    const who = await userWithPassword('hash.only')
    const token = who.cookie.split('=')[1]!
    const rows = await hub.relational.read.selectFrom('session').selectAll().execute()
    expect(rows.map((row) => row.token_hash)).toContain(hashToken(token))
    expect(JSON.stringify(rows)).not.toContain(token)
    const users = await hub.relational.read.selectFrom('user_account').selectAll().execute()
    expect(JSON.stringify(users)).not.toContain(PASSWORD)
    expect(users.find((user) => user.username === 'hash.only')?.password_hash).toMatch(/^scrypt\$17\$8\$1\$/)
  })

  it('that ends is over for requests and sockets at once, and the one who sits there is told', async () => {
    const operator = await hub.person('operator', '410502')
    const { socket, heard } = await hub.listen(operator)
    const ended: [string[], SessionEnd][] = []
    const stop = hub.access.onSessionsEnded((...args) => ended.push(args))
    const gone = disconnected(socket)
    expect((await hub.ask(operator, 'DELETE', '/api/session')).status).toBe(204)
    await gone
    stop()
    expect(farewells(heard)).toEqual(['signed out'])
    expect(ended).toEqual([[[operator.sessionHash], 'signed out']])
    expect((await hub.ask(operator, 'GET', '/api/alerts')).status).toBe(401)
    await expect(hub.listen(operator)).rejects.toThrow('HUB_NOT_SIGNED_IN')
  })

  it('ends for everybody who uses a disabled account, and the account lets nobody in', async () => {
    const administrator = await hub.person('administrator', '4105')
    const who = await userWithPassword('to.disable')
    const person = { ...(await hub.person('operator', '410502')), cookie: who.cookie }
    const { socket, heard } = await hub.listen(person)
    const gone = disconnected(socket)
    expect((await hub.ask(administrator, 'DELETE', `/api/users/${who.userId}`)).status).toBe(204)
    await gone
    expect(farewells(heard)).toEqual(['disabled'])
    const again = await post('/api/session', { username: 'to.disable', password: PASSWORD })
    const unknown = await post('/api/session', { username: 'no.such.user', password: PASSWORD })
    expect(again.json, 'tells no more than of an unknown user').toEqual(unknown.json)

    const reset = await hub.ask(administrator, 'POST', `/api/users/${who.userId}/password`)
    expect(reset.json.user).toMatchObject({ username: 'to.disable', isDisabled: false })
    const back = await post('/api/session', { username: 'to.disable', password: reset.json.oneTimePassword })
    expect(back.json.mustChangePassword).toBe(true)
  })

  it('goes on under a new cookie for the one who changed the password; every other one ends', async () => {
    const who = await userWithPassword('two.places')
    const other = await post('/api/session', { username: 'two.places', password: PASSWORD })
    const person = await hub.person('operator', '410502')
    const here = await hub.listen({ ...person, cookie: who.cookie })
    const there = await hub.listen({ ...person, cookie: other.cookie })
    const both = Promise.all([disconnected(here.socket), disconnected(there.socket)])
    const changed = await post(
      '/api/session/password',
      { current: PASSWORD, next: 'another long password' },
      { cookie: who.cookie, 'x-patrolhub': '1' },
    )
    expect(changed.status).toBe(200)
    await both
    expect(farewells(here.heard), 'the socket comes back by itself').toEqual([])
    expect(farewells(there.heard)).toEqual(['password changed'])
    await hub.listen({ ...person, cookie: changed.cookie })
  })

  it('whose time is over counts no more, even before it is cleared away', async () => {
    const operator = await hub.person('operator', '410502')
    const row = hub.relational.write.updateTable('session').where('token_hash', '=', operator.sessionHash)
    await row.set({ expires_at_ms: Date.now() + hub.clock.offsetMs - 1 }).execute()
    expect((await hub.ask(operator, 'GET', '/api/session')).status).toBe(401)
  })

  it('ends when its time is over', async () => {
    const short = await startPeople({ PATROLHUB_SESSION_HOURS: String(1.2 / 3600) })
    try {
      const password = await short.access.ensureAdministrator()
      const response = await fetch(`${short.url}/api/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'admin', password }),
      })
      const cookie = response.headers.get('set-cookie')!.split(';')[0]!
      expect((await fetch(`${short.url}/api/session`, { headers: { cookie } })).status).toBe(200)
      const { promise, resolve } = Promise.withResolvers<SessionEnd>()
      short.access.onSessionsEnded((_hashes, reason) => resolve(reason))
      expect(await promise).toBe('expired')
      expect((await fetch(`${short.url}/api/session`, { headers: { cookie } })).status).toBe(401)
      expect(await short.relational.read.selectFrom('session').selectAll().execute()).toEqual([])
    } finally {
      await short.close()
    }
  })
})

describe('signing in', () => {
  it('is slowed down after ten failures from one place, for an unknown name too; other places still get in', async () => {
    await userWithPassword('guessed')
    for (const username of ['guessed', 'nobody.at.all']) {
      const codes: number[] = []
      for (let attempt = 0; attempt < 11; attempt++) {
        codes.push((await post('/api/session', { username, password: `guess ${attempt}` })).status)
      }
      expect(codes).toEqual([...Array(10).fill(401), 429])
    }
    const refused = await post('/api/session', { username: 'guessed', password: PASSWORD })
    expect([refused.status, refused.json.code]).toEqual([429, 'HUB_TOO_MANY_REQUESTS'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60)
    const elsewhere = await hub.app.inject({
      method: 'POST',
      url: '/api/session',
      payload: { username: 'guessed', password: PASSWORD },
      remoteAddress: '10.1.2.3',
    })
    expect(elsewhere.statusCode).toBe(200)
    hub.clock.offsetMs += 16 * 60_000
    expect((await post('/api/session', { username: 'guessed', password: PASSWORD })).status).toBe(200)
  })

  it('is on the record, good and bad, without what was typed', async () => {
    await post('/api/session', { username: 'my secret password', password: 'x' })
    const rows = await hub.relational.read.selectFrom('audit').selectAll().execute()
    expect(rows.some((row) => row.action === 'session.opened')).toBe(true)
    expect(rows.some((row) => row.action === 'session.refused' && row.subject === 'user:unknown')).toBe(true)
    expect(JSON.stringify(rows)).not.toContain('my secret password')
    expect(await hub.audit.verify()).toMatchObject({ ok: true })
  })
})

describe('the guard', () => {
  it('refuses what changes something without the header that no foreign page can send', async () => {
    const operator = await hub.person('administrator', '4105')
    const response = await fetch(`${hub.url}/api/teams`, {
      method: 'POST',
      headers: { cookie: operator.cookie, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'x', region: '4105', kind: 'cadre' }),
    })
    expect([response.status, (await response.json()).code]).toEqual([403, 'HUB_CSRF'])
    const signOut = await fetch(`${hub.url}/api/session`, {
      method: 'DELETE',
      headers: { cookie: operator.cookie },
    })
    expect(signOut.status).toBe(403)
    expect((await hub.ask(operator, 'GET', '/api/session')).status, 'still signed in').toBe(200)
  })

  it('asks every declared route for a session, whatever the method', async () => {
    const open = hub.access.routeTable().filter((row) => row.access !== 'public')
    expect(open.length).toBeGreaterThan(15)
    for (const { method, url, access } of open) {
      const response = await hub.app.inject({
        method: method as 'GET',
        url: url.replaceAll(/:\w+/g, 'x'),
        headers: { 'x-patrolhub': '1' },
      })
      expect([method, url, response.statusCode]).toEqual([method, url, 401])
      expect(response.json().code).toBe(access === 'edge' ? 'HUB_BAD_CREDENTIALS' : 'HUB_NOT_SIGNED_IN')
    }
  })

  it('keeps a hub from starting with a route that does not say who may use it', async () => {
    const { relational, config, audit } = hub
    const access = accessFeature({ config, relational, audit, log: pino({ level: 'silent' }) })
    const app = Fastify()
    access.guard(app)
    app.get('/declared', { config: { access: 'public' } }, async () => 'x')
    app.get('/forgotten', async () => 'x')
    await expect(app.ready()).rejects.toThrow('GET /forgotten')
  })

  it('lets an edge in by its own token only', async () => {
    const [edge, other] = [await hub.edge('410502'), await hub.edge('410503')]
    const id = '00000000-0000-4000-8000-000000000000'
    const bytes = Buffer.from([0xff, 0xd8, 0xff, 0xe0])
    const credential = (name: string, of: string) =>
      `Basic ${Buffer.from(`${name}:${Buffer.from(of.slice(6), 'base64').toString().split(':')[1]}`).toString('base64')}`
    const attempt = (authorization: string) => hub.upload({ ...edge, authorization }, id, bytes)
    expect((await attempt(credential(edge.edgeId, other.authorization))).status).toBe(401)
    expect((await attempt('Basic ')).status).toBe(401)
    expect((await attempt('Bearer x')).status).toBe(401)
    expect((await attempt(credential('no-such-edge', other.authorization))).status).toBe(401)
    expect((await attempt(edge.authorization)).status).toBe(204)
    expect(
      (await fetch(`${hub.url}/api/alerts`, { headers: { authorization: edge.authorization } })).status,
    ).toBe(401)
  })
})

describe('an administrator', () => {
  it('makes, sees and touches only people inside their own scope', async () => {
    const county = await hub.person('administrator', '410502')
    const outside = await hub.person('operator', '410503')
    const above = await hub.person('operator', '4105')
    const create = (scope: string, more: object = {}) =>
      hub.ask(county, 'POST', '/api/users', {
        username: `new${Math.random().toString(36).slice(2, 10)}`,
        displayName: 'New',
        role: 'administrator',
        scope,
        ...more,
      })
    expect((await create('4105')).json.code).toBe('HUB_OUT_OF_SCOPE')
    expect((await create('410503')).json.code).toBe('HUB_OUT_OF_SCOPE')
    expect((await create('41050')).status).toBe(400)
    expect((await create('410502', { teamIds: ['no-such-team'] })).status).toBe(404)
    const made = await create('410502003')
    expect(made.status).toBe(201)
    const again = await create('410502003', { username: made.json.user.username })
    expect([again.status, again.json.code]).toEqual([409, 'HUB_CONFLICT'])

    const { json: users } = await hub.ask(county, 'GET', '/api/users')
    const scopes = users.map((user: { scope: string }) => user.scope)
    expect(scopes.length).toBeGreaterThan(0)
    expect(scopes.every((scope: string) => scope.startsWith('410502'))).toBe(true)
    for (const stranger of [outside, above]) {
      expect((await hub.ask(county, 'DELETE', `/api/users/${stranger.userId}`)).status).toBe(404)
      expect((await hub.ask(county, 'POST', `/api/users/${stranger.userId}/password`)).status).toBe(404)
    }
    expect((await hub.ask(county, 'DELETE', `/api/users/${county.userId}`)).status, 'not oneself').toBe(409)
  })
})

describe('a burst of sign-ins', () => {
  it('is bounded: what is too much is refused at once, the rest is answered, requests go on meanwhile', async () => {
    const operator = await hub.person('operator', '410502')
    const burst = Array.from({ length: 60 }, (_, index) =>
      hub.app.inject({
        method: 'POST',
        url: '/api/session',
        payload: { username: `burst${index}`, password: 'x' },
        remoteAddress: `10.9.0.${index}`,
      }),
    )
    let worstMs = 0
    let done = false
    const all = Promise.all(burst).finally(() => {
      done = true
    })
    while (!done) {
      const startedAt = performance.now()
      expect((await hub.ask(operator, 'GET', '/api/session')).status).toBe(200)
      worstMs = Math.max(worstMs, performance.now() - startedAt)
      await once(AbortSignal.timeout(20), 'abort')
    }
    const codes = (await all).map((answer) => answer.statusCode)
    expect(new Set(codes)).toEqual(new Set([401, 429]))
    expect(codes.filter((code) => code === 401).length).toBeGreaterThanOrEqual(34)
    expect(worstMs).toBeLessThan(2000)
  }, 60_000)
})
