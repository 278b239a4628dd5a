/**
 * Attacks on the HTTP server itself, over bare sockets: requests that two readers would understand differently, that are
 * too large or come too slowly, tricks in paths, in JSON and in headers. Each is refused with a clear answer or a closed
 * connection, and the hub goes on.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startHub } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { createEdge, silent, testEnv } from './support/hub.ts'
import { jpeg, type People, type Person, sha256, startPeople, type TestEdge } from './support/people.ts'
import { rawConnection, statusesIn, statusesOf } from './support/raw-http.ts'

/** People, evidence and dispatches, on a hub that loses patience soon. */
let hub: People
let operator: Person
let edge: TestEdge
const PICTURE = jpeg()
const LIMITS = { headMs: 700, bodyMs: 700, lookMs: 50 }

beforeAll(async () => {
  hub = await startPeople({}, LIMITS)
  operator = await hub.person('administrator', '4105')
  edge = await hub.edge('410502')
})
afterAll(() => hub.close())
afterEach(async () => {
  expect((await hub.ask(operator, 'GET', '/api/session')).status, 'the hub goes on').toBe(200)
})

const signedIn = () => [`cookie: ${operator.cookie}`, 'x-patrolhub: 1', 'content-type: application/json']
const asEdge = () => [
  `authorization: ${edge.authorization}`,
  'content-type: image/jpeg',
  `x-patrolhub-sha256: ${sha256(PICTURE)}`,
]

describe('a request of which two readers would make two things', () => {
  const smuggled = ['GET /api/session HTTP/1.1', 'host: hub', '', '']
  it.each([
    ['both a length and chunks', ['content-length: 4', 'transfer-encoding: chunked'], '0\r\n\r\n'],
    ['chunks and a length', ['transfer-encoding: chunked', 'content-length: 60'], '0\r\n\r\n'],
    ['two lengths', ['content-length: 4', 'content-length: 40'], '{}{}'],
    ['a list of lengths', ['content-length: 4, 40'], '{}{}'],
    ['a length with a sign', ['content-length: +4'], '{}{}'],
    ['chunks that are not the last coding', ['transfer-encoding: chunked, identity'], '0\r\n\r\n'],
    ['an unknown coding', ['transfer-encoding: xchunked'], '0\r\n\r\n'],
    ['a space before the colon', ['transfer-encoding : chunked'], '0\r\n\r\n'],
    ['a folded header', ['x-a: b', ' transfer-encoding: chunked'], '0\r\n\r\n'],
    ['a chunk size that is none', ['transfer-encoding: chunked'], '0x4\r\n{}{}\r\n0\r\n\r\n'],
    ['a bare line feed in a header', ['x-a: b\nx-c: d', 'content-length: 2'], '{}'],
    ['a null in a header', ['x-a: b\0c', 'content-length: 2'], '{}'],
  ])('is refused and the connection closed: %s', async (_what, headers, body) => {
    const head = ['POST /api/session HTTP/1.1', 'host: hub', 'content-type: application/json', ...headers]
    const statuses = await statusesOf(hub.url, ...head, '', body + smuggled.join('\r\n'))
    // One answer: what was hidden in the body is not taken for a request.
    expect(statuses).toEqual([400])
  })

  it('has its body read to its length and no further', async () => {
    const body = JSON.stringify({ username: 'a', password: 'GET /api/session HTTP/1.1\r\n\r\n' })
    const head = ['POST /api/session HTTP/1.1', 'host: hub', 'content-type: application/json']
    const length = `content-length: ${Buffer.byteLength(body)}`
    expect(await statusesOf(hub.url, ...head, length, 'connection: close', '', body)).toEqual([401])
  })
})

describe('a sender that is slow', () => {
  it('loses its connection when the head does not come: nothing at all, or drop by drop', async () => {
    const idle = await rawConnection(hub.url)
    const dripping = await rawConnection(hub.url)
    dripping.socket.write('GET /api/session HTTP/1.1\r\nhost: hub\r\n')
    const drip = setInterval(() => dripping.socket.write('x-a: b\r\n'), 30)
    try {
      await idle.closed
      expect(statusesIn(await dripping.closed)).toEqual([408])
    } finally {
      clearInterval(drip)
    }
  })

  it.each([
    ['anybody', () => ['POST /api/session HTTP/1.1', 'content-type: application/json']],
    ['somebody who is signed in', () => ['POST /api/teams HTTP/1.1', ...signedIn()]],
  ])('loses its connection when a body does not come that is read whole: %s', async (_who, head) => {
    const { socket, closed } = await rawConnection(hub.url)
    const [request, ...headers] = head()
    socket.write([request, 'host: hub', ...headers, 'content-length: 1000', '', '{"username":'].join('\r\n'))
    const drip = setInterval(() => socket.write(' '), 30)
    try {
      expect(statusesIn(await closed)).toEqual([])
    } finally {
      clearInterval(drip)
    }
  })

  it('may take longer over a picture than over a form, as long as it goes on', async () => {
    const bytes = PICTURE
    const { socket, closed } = await rawConnection(hub.url)
    const head = [`PUT /api/edge/evidence/${randomUUID()} HTTP/1.1`, 'host: hub', ...asEdge()]
    const end = [`content-length: ${bytes.length}`, 'connection: close', '', '']
    socket.write([...head, ...end].join('\r\n'))
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setTimeout(resolve, 1.5 * (LIMITS.bodyMs / bytes.length)))
    }
    expect(statusesIn(await closed)).toEqual([204])
  })
})

describe('a sender of very much', () => {
  it.each([
    ['a head', () => ['GET /api/session HTTP/1.1', 'host: hub', `x-a: ${'a'.repeat(70_000)}`, '', ''], 431],
    ['many headers', () => ['GET /api/session HTTP/1.1', ...Array(5000).fill('x-a: b'), '', ''], 431],
    ['an address', () => [`GET /api/incidents/${'a'.repeat(30_000)} HTTP/1.1`, 'host: hub', '', ''], 431],
    [
      'a form, by its length',
      () => ['POST /api/teams HTTP/1.1', 'host: hub', ...signedIn(), 'content-length: 99999999', '', '{'],
      413,
    ],
    [
      'a picture, by its length',
      () => [
        `PUT /api/edge/evidence/${randomUUID()} HTTP/1.1`,
        'host: hub',
        ...asEdge(),
        'content-length: 99999999999',
        '',
        'x',
      ],
      413,
    ],
  ])('is told so: %s', async (_what, lines, status) => {
    const statuses = await statusesOf(hub.url, ...lines())
    // The line may be cut while so much is under way that the answer is lost with it.
    expect(statuses.length === 0 ? [status] : statuses).toEqual([status])
  })

  it.each([
    ['a form', 'POST /api/teams', () => []],
    ['a picture', `PUT /api/edge/evidence/${randomUUID()}`, () => ['content-type: image/jpeg']],
    ['a photo', 'POST /api/dispatches/x/photos', () => ['content-type: image/jpeg']],
    ['to an address that is none', 'POST /nothing/here', () => []],
  ])('without an end and without a right to it is not read on: %s', async (_what, request, headers) => {
    const { socket, closed, received } = await rawConnection(hub.url)
    const head = [`${request} HTTP/1.1`, 'host: hub', ...headers(), 'transfer-encoding: chunked', '', '']
    socket.write(head.join('\r\n'))
    const block = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    const flood = setInterval(() => socket.write(block), 5)
    try {
      await closed
      expect(statusesIn(received()).every((status) => [401, 404].includes(status))).toBe(true)
      expect(socket.bytesWritten).toBeLessThan(64 * 1024 * 1024)
    } finally {
      clearInterval(flood)
    }
  })

  it('in chunks is cut where the limit for forms is', async () => {
    const { socket, closed } = await rawConnection(hub.url)
    const head = [
      'POST /api/teams HTTP/1.1',
      'host: hub',
      ...signedIn(),
      'transfer-encoding: chunked',
      '',
      '',
    ]
    socket.write(head.join('\r\n'))
    for (let index = 0; index < 40; index++) socket.write(`2000\r\n${' '.repeat(0x2000)}\r\n`)
    socket.write('0\r\n\r\n')
    expect(statusesIn(await closed)).toEqual([413])
  })
})

describe('JSON that is a trap', () => {
  const post = (body: string) =>
    statusesOf(
      hub.url,
      ...['POST /api/teams HTTP/1.1', 'host: hub', ...signedIn(), 'connection: close'],
      `content-length: ${Buffer.byteLength(body)}`,
      '',
      body,
    )

  it.each([
    ['a prototype', '{"name":"x","region":"4105","kind":"cadre","__proto__":{"isAdmin":true}}'],
    ['a prototype, written otherwise', '{"name":"x","region":"4105","kind":"cadre","\\u005f_proto__":{}}'],
    ['a constructor', '{"name":"x","region":"4105","kind":"cadre","constructor":{"prototype":{"a":1}}}'],
    ['a prototype deep inside', '{"name":{"a":[{"__proto__":{"a":1}}]},"region":"4105","kind":"cadre"}'],
    ['very deep lists', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['very deep objects', `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`],
    ['a very long number', `{"name":${'9'.repeat(100_000)}}`],
    ['half a character', '{"name":"\\ud800","region":"4105","kind":"nothing"}'],
    ['no JSON', '{"name":'],
    ['a null', 'null'],
  ])('is refused: %s', async (_what, body) => {
    expect(await post(body)).toEqual([400])
    expect(({} as { isAdmin?: boolean; a?: number }).isAdmin).toBeUndefined()
    expect(({} as { a?: number }).a).toBeUndefined()
  })

  it('in a query neither sets a prototype nor stands for what is asked for', async () => {
    for (const query of [
      '__proto__[limit]=1',
      'limit[]=1&limit[]=2',
      'limit=1&limit=2',
      'limit[$gt]=1',
      'constructor=x',
    ]) {
      const { status } = await hub.ask(operator, 'GET', `/api/incidents?${query}`)
      expect([200, 400], query).toContain(status)
    }
    expect(({} as { limit?: number }).limit).toBeUndefined()
  })
})

describe('a trick in an address or a header', () => {
  it('does not lead out of the folder of the page', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'patrolhub-page-'))
    const env = testEnv(join(folder, 'data'), { PATROLHUB_DASHBOARD_DIR: join(folder, 'page') })
    await mkdir(join(folder, 'page', 'assets'), { recursive: true })
    await writeFile(join(folder, 'page', 'index.html'), 'the page')
    await writeFile(join(folder, 'secret.txt'), 'the secret')
    await writeFile(join(folder, 'page', '.hidden'), 'the hidden')
    await createEdge(join(folder, 'data'), 'edge', '4105')
    const { httpPort, close } = await startHub(loadConfig({ env }), silent)
    try {
      const paths = [
        '/../secret.txt',
        '/assets/../../secret.txt',
        '/%2e%2e/secret.txt',
        '/..%2fsecret.txt',
        '/%2e%2e%2fsecret.txt',
        '/%252e%252e%252fsecret.txt',
        '/..%5csecret.txt',
        '/assets/..%00/../secret.txt',
        '/secret.txt%00.html',
        '//secret.txt',
        `//${folder}/secret.txt`,
        '/....//secret.txt',
        '/.hidden',
        '/..;/secret.txt',
        '/%c0%ae%c0%ae/secret.txt',
        'http://elsewhere.example/../secret.txt',
        '*',
      ]
      for (const path of paths) {
        const { socket, closed } = await rawConnection(`http://127.0.0.1:${httpPort}`)
        socket.write(`GET ${path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n`)
        const answer = await closed
        expect(answer, path).not.toContain('the secret')
        expect(answer, path).not.toContain('the hidden')
        expect(statusesIn(answer)[0], path).toSatisfy((status: number) => status < 500)
      }
    } finally {
      await close()
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('does not make a route of what is none, nor go around its guard', async () => {
    const alike = [
      '/API/SESSION',
      '/api//session',
      '/api/./session',
      '/api/x/../session',
      '/api/session/',
      '/api%2fsession',
      '/api/session%00',
      '//api/session',
      'http://elsewhere.example/api/session',
      '/api/session;a=b',
      '/%61pi/session',
    ]
    for (const path of alike) {
      const [status] = await statusesOf(
        hub.url,
        `GET ${path} HTTP/1.1`,
        'host: hub',
        'connection: close',
        '',
        '',
      )
      expect([400, 401, 404], path).toContain(status)
    }
    for (const name of ['x-http-method-override', 'x-method-override', 'x-http-method']) {
      const lines = [
        'GET /api/session HTTP/1.1',
        'host: hub',
        ...signedIn(),
        `${name}: DELETE`,
        'connection: close',
      ]
      expect(await statusesOf(hub.url, ...lines, '', '')).toEqual([200])
    }
  })

  it('in the name of a camera, a picture or a grant is no name', async () => {
    const names = [
      '..',
      '%2e%2e',
      '..%2f..%2fetc',
      '%252e%252e',
      'x%00',
      'a'.repeat(5000),
      '%e2%80%ae',
      'x%0d%0ay',
      '%ff',
    ]
    for (const name of names) {
      for (const path of [`/api/edge/evidence/${name}`, `/api/evidence/${name}`, `/api/incidents/${name}`]) {
        const isEdges = path.startsWith('/api/edge')
        const method = isEdges ? 'PUT' : 'GET'
        const head = [`${method} ${path} HTTP/1.1`, 'host: hub', ...(isEdges ? asEdge() : signedIn())]
        const [status] = await statusesOf(hub.url, ...head, 'content-length: 0', 'connection: close', '', '')
        expect([400, 404, 414], `${method} ${path}`).toContain(status)
      }
    }
  })

  it('that ends a line adds no header to the answer', async () => {
    const attempts = [
      '/x%0d%0aset-cookie:%20a=b',
      '/api/session/oidc?error=x%0d%0aset-cookie:%20a=b',
      '/api/x%0aset-cookie:a=b',
    ]
    for (const path of attempts) {
      const { socket, closed } = await rawConnection(hub.url)
      socket.write(
        `GET ${path} HTTP/1.1\r\nhost: hub\r\nx-request-id: a%0d%0aset-cookie: c=d\r\nconnection: close\r\n\r\n`,
      )
      const [head] = (await closed).split('\r\n\r\n')
      expect(head, path).not.toMatch(/^set-cookie: (a|c)=/m)
      expect(head).not.toContain('c=d')
    }
  })
})
