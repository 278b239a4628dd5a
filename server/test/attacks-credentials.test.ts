/**
 * Attacks with credentials: forged, replayed, of another kind, in the wrong place; a session fixed or begun by another
 * page; sockets that ask for what is not theirs. Guessing and one's own sessions: access.test.ts, access-rights.test.ts;
 * whose grant opens what: scope.test.ts.
 */
import { randomUUID } from 'node:crypto'
import { io } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { hashToken } from '../src/access/token.ts'
import { alertRecord, eventually, ofKind, type People, type Person, startPeople } from './support/people.ts'
import { rawConnection, statusesOf } from './support/raw-http.ts'

let hub: People
let administrator: Person
let operator: Person
beforeAll(async () => {
  hub = await startPeople()
  administrator = await hub.person('administrator', '4105')
  operator = await hub.person('operator', '410502')
})
afterAll(() => hub.close())

const PASSWORD = 'a password of some length'
const status = async (headers: Record<string, string>, path = '/api/session', method = 'GET') =>
  (await fetch(hub.url + path, { method, headers: { 'x-patrolhub': '1', ...headers } })).status
const tokenOf = (who: Person) => who.cookie.split('=')[1]!

async function account(username: string): Promise<string> {
  const user = { username, displayName: username, role: 'operator', scope: '410502' }
  const { oneTimePassword } = await hub.access.createUser(undefined, user)
  return oneTimePassword
}

function signIn(body: object, headers: Record<string, string> = {}) {
  return fetch(`${hub.url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}
const cookieOf = (response: Response) => response.headers.get('set-cookie')!.split(';')[0]!

describe('a session', () => {
  it('is opened by nothing but its token: no hash, no part, no other writing of it', async () => {
    const token = tokenOf(operator)
    expect(await status({ cookie: `patrolhub_session=${token}` })).toBe(200)
    const flipped = (token[0] === 'A' ? 'B' : 'A') + token.slice(1)
    const forged = [
      operator.sessionHash,
      operator.sessionHash.slice(0, 43),
      hashToken(token).slice(0, 43),
      flipped,
      token.slice(0, -1),
      `${token}A`,
      token.toLowerCase() === token ? token.toUpperCase() : token.toLowerCase(),
      encodeURIComponent(`${token}\0`),
      `"${token}"`,
      `${token} or 1=1`,
      '../'.repeat(14),
      '',
    ]
    for (const value of forged)
      expect(await status({ cookie: `patrolhub_session=${value}` }), value).toBe(401)
    expect(await status({ authorization: `Bearer ${token}` })).toBe(401)
    expect(await status({ authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` })).toBe(401)
    expect(await status({}, `/api/session?patrolhub_session=${token}`)).toBe(401)
    expect(await status({ 'x-patrolhub-session': token })).toBe(401)
  })

  it('of which two come along is that of the first cookie: a planted second one changes nothing', async () => {
    const planted = await hub.person('operator', '410503')
    const ask = async (cookie: string) =>
      (await (await fetch(`${hub.url}/api/session`, { headers: { cookie } })).json()).userId
    expect(await ask(`${operator.cookie}; ${planted.cookie}`)).toBe(operator.userId)
    expect(await ask(`patrolhub_sessions=x; ${operator.cookie}`)).toBe(operator.userId)
  })

  it('replayed after its end opens nothing', async () => {
    const username = 'replayed'
    const first = await signIn({ username, password: await account(username) })
    const cookie = cookieOf(first)
    const headers = { cookie, 'x-patrolhub': '1', 'content-type': 'application/json' }
    expect(await status({ cookie })).toBe(200)
    const out = await fetch(`${hub.url}/api/session`, {
      method: 'DELETE',
      headers: { cookie, 'x-patrolhub': '1' },
    })
    expect(out.status).toBe(204)
    expect(out.headers.get('set-cookie')).toMatch(/patrolhub_session=; Max-Age=0/)
    expect(await status({ cookie })).toBe(401)
    expect((await fetch(`${hub.url}/api/session`, { method: 'DELETE', headers })).status).toBe(401)
  })

  it('is not begun by a page of another origin, nor by a form', async () => {
    const username = 'lured'
    const body = { username, password: await account(username) }
    for (const origin of ['https://evil.example', 'null', `${hub.url}.evil.example`, 'http://127.0.0.1:1']) {
      const answer = await signIn(body, { origin })
      expect([answer.status, (await answer.json()).code], origin).toEqual([403, 'HUB_CSRF'])
      expect(answer.headers.get('set-cookie')).toBeNull()
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    }
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      const answer = await fetch(`${hub.url}/api/session`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: JSON.stringify(body),
      })
      expect([400, 415], type).toContain(answer.status)
    }
    const asked = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
    const preflight = await fetch(`${hub.url}/api/session`, { method: 'OPTIONS', headers: asked })
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
    expect((await signIn(body, { origin: hub.url })).status).toBe(200)
  })

  it('does not begin with the token that somebody else has fixed, in a cookie or an address', async () => {
    const username = 'fixated'
    const password = await account(username)
    const planted = 'F'.repeat(43)
    const response = await fetch(`${hub.url}/api/session?patrolhub_session=${planted}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: operator.cookie },
      body: JSON.stringify({ username, password }),
    })
    expect(response.status).toBe(200)
    const cookie = cookieOf(response)
    expect([planted, tokenOf(operator)]).not.toContain(cookie.split('=')[1])
    // The new password makes the session a new one; who knew the one before has nothing.
    const changed = await fetch(`${hub.url}/api/session/password`, {
      method: 'POST',
      headers: { cookie, 'x-patrolhub': '1', 'content-type': 'application/json' },
      body: JSON.stringify({ current: password, next: PASSWORD }),
    })
    expect(changed.status).toBe(200)
    expect(cookieOf(changed)).not.toBe(cookie)
    expect(await status({ cookie })).toBe(401)
    expect(await status({ cookie: operator.cookie }), 'whose cookie was sent along').toBe(200)
  })
})

describe('a credential of one kind', () => {
  it('opens nothing that asks for another', async () => {
    const edge = await hub.edge('410502')
    const made = await hub.ask(administrator, 'POST', '/api/service-tokens', {
      name: 'other system',
      scope: '4105',
      permissions: ['incident.read', 'evidence.read', 'edge.write'],
      days: 1,
    })
    const bearer = `Bearer ${made.json.token}`
    expect(await status({ authorization: bearer }, '/api/incidents')).toBe(200)
    const upload = `/api/edge/evidence/${randomUUID()}`
    const put = (headers: Record<string, string>) =>
      status({ 'content-type': 'image/jpeg', ...headers }, upload, 'PUT')
    expect(await put({ cookie: administrator.cookie })).toBe(401)
    expect(await put({ authorization: bearer })).toBe(401)
    const asUser = Buffer.from(`token:${made.json.serviceToken.tokenId}:${made.json.token}`).toString(
      'base64',
    )
    expect(await put({ authorization: `Basic ${asUser}` })).toBe(401)
    for (const path of ['/api/incidents', '/api/session', '/api/users']) {
      expect(await status({ authorization: edge.authorization }, path), path).toBe(401)
    }
    const edgeToken = Buffer.from(edge.authorization.slice(6), 'base64').toString().split(':')[1]!
    expect(await status({ cookie: `patrolhub_session=${edgeToken}` })).toBe(401)
    expect(await status({ authorization: `Bearer ${edgeToken}` }, '/api/incidents')).toBe(401)
    expect(await status({ authorization: `Bearer phs_${edgeToken}` }, '/api/incidents')).toBe(401)
    expect(await status({ cookie: `patrolhub_session=${made.json.token}` })).toBe(401)
    expect(await status({ authorization: bearer })).toBe(403)
    // A wrong token is not made good by a cookie: whoever brings a token is judged by it.
    const wrong = `Bearer phs_${'x'.repeat(43)}`
    expect(await status({ authorization: wrong, cookie: administrator.cookie }, '/api/incidents')).toBe(401)
  })

  it('of a service is opened by nothing but the whole token', async () => {
    const { json } = await hub.ask(administrator, 'POST', '/api/service-tokens', {
      name: 'other system',
      scope: '4105',
      permissions: ['incident.read'],
      days: 1,
    })
    const { token, serviceToken } = json as { token: string; serviceToken: { tokenId: string } }
    const forged = [
      hashToken(token),
      `phs_${hashToken(token).slice(0, 43)}`,
      serviceToken.tokenId,
      token.slice(0, -1),
      `${token}x`,
      `${token} `.repeat(2),
      token.slice(4),
      `PHS_${token.slice(4)}`,
      `${token},${token}`,
    ]
    for (const one of forged)
      expect(await status({ authorization: `Bearer ${one}` }, '/api/incidents'), one).toBe(401)
    hub.clock.offsetMs = 86_400_000 + 1000
    expect(await status({ authorization: `Bearer ${token}` }, '/api/incidents'), 'its day is over').toBe(401)
    hub.clock.offsetMs = 0
    expect(await status({ authorization: `Bearer ${token}` }, '/api/incidents')).toBe(200)
  })
})

describe('a socket', () => {
  const options = (who: Person) => ({
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    extraHeaders: { cookie: who.cookie },
  })

  it('gets into no room and no space by asking', async () => {
    const stranger = await hub.person('operator', '410503')
    const wishes = {
      rooms: ['incident.read@scope:4105'],
      scope: '4105',
      room: `user:${administrator.userId}`,
      userId: administrator.userId,
      __proto__: { scope: '4105' },
      since: -1,
    }
    const socket = io(hub.url, {
      ...options(stranger),
      auth: wishes,
      query: { scope: '4105', room: 'scope:4105' },
    })
    const heard: unknown[] = []
    socket.on('changes', ({ events }) => heard.push(...events))
    await new Promise<void>((resolve, reject) =>
      socket.once('changes', () => resolve()).once('connect_error', reject),
    )
    for (const event of [
      'join',
      'subscribe',
      'room',
      'authenticate',
      '__proto__',
      'constructor',
      'connection',
    ]) {
      socket.emit(event, 'incident.read@scope:4105', { scope: '4105' })
    }
    const witness = await hub.listen(operator)
    const edge = await hub.edge('410502003')
    await hub.ingest(edge, alertRecord('410502003'))
    await eventually(() => ofKind(witness.heard, 'alert').length === 1)
    await hub.told()
    expect(heard).toEqual([])
    socket.disconnect()
    for (const space of ['/admin', '/4105', '//', '/__proto__', '/constructor']) {
      const other = io(hub.url + space, options(administrator))
      const refusal = await new Promise<Error>((resolve, reject) => {
        other.once('connect_error', resolve).once('connect', () => reject(new Error(`${space} was opened`)))
      })
      expect(refusal.message, space).toBe('Invalid namespace')
      other.disconnect()
    }
  })

  it('that sends what is no packet, or too much, is closed, and the others hear on', async () => {
    const witness = await hub.listen(operator)
    const address = `${hub.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`
    const floods: (string | Buffer)[] = [
      'x'.repeat(100_000),
      '49999999999999-["a"]',
      '4["__proto__"',
      `42${'['.repeat(7000)}`,
      Buffer.alloc(1000),
    ]
    for (const text of floods) {
      const ws = new WebSocket(address, { headers: { cookie: operator.cookie } })
      const closed = new Promise((resolve) => ws.once('close', resolve).on('error', () => undefined))
      await new Promise((resolve) => ws.once('message', resolve))
      ws.send('40')
      await new Promise((resolve) => ws.once('message', resolve))
      ws.send(text)
      await closed
    }
    await hub.ingest(await hub.edge('410502003'), alertRecord('410502003'))
    await eventually(() => ofKind(witness.heard, 'alert').length === 1)
  })

  it('is not opened by an upgrade without a session, from another page, or to another place', async () => {
    const upgrade = (path: string, ...headers: string[]) => [
      `GET ${path} HTTP/1.1`,
      'host: hub',
      'connection: upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
      ...headers,
      '',
      '',
    ]
    const cookie = `cookie: ${operator.cookie}`
    const place = '/socket.io/?EIO=4&transport=websocket'
    expect(await statusesOf(hub.url, ...upgrade(place, cookie, 'origin: https://evil.example'))).toEqual([
      400,
    ])
    expect(await statusesOf(hub.url, ...upgrade(place, cookie, 'origin: null'))).toEqual([400])
    expect(await statusesOf(hub.url, ...upgrade(`${place}&sid=guessed`, cookie))).toEqual([400])
    const nobody = await rawConnection(hub.url)
    nobody.socket.write(upgrade(place).join('\r\n'))
    await eventually(() => nobody.received().includes(' 101 '))
    // Masked text `40`: the wish to be let in.
    nobody.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30]))
    await eventually(() => nobody.received().includes('HUB_NOT_SIGNED_IN'))
    nobody.socket.destroy()
  })
})
