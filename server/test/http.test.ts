/** What surrounds the features: headers, errors, health, figures, the dashboard's files. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { generate } from 'mqtt-packet'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHub } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { HubError } from '../src/errors.ts'
import { createHttpServer } from '../src/http.ts'
import { createMetrics } from '../src/metrics.ts'
import { REGION } from './support/edge-client.ts'
import { createEdge, freshFolder, silent, startTestHub, type TestHub, testEnv } from './support/hub.ts'

let hub: TestHub
let dashboard: string

beforeAll(async () => {
  dashboard = await freshFolder()
  await mkdir(join(dashboard, 'assets'))
  await writeFile(join(dashboard, 'index.html'), '<!doctype html><title>page</title>')
  await writeFile(join(dashboard, 'assets', 'app-1a2b.js'), 'void 0')
  hub = await startTestHub({ PATROLHUB_DASHBOARD_DIR: dashboard, PATROLHUB_METRICS_TOKEN: 'let me see' })
})
afterAll(async () => {
  await hub?.close()
  await rm(dashboard, { recursive: true, force: true })
})

const get = (path: string, headers: Record<string, string> = {}) => fetch(hub.url + path, { headers })

describe('the HTTP server', () => {
  it('answers errors as ApiError, with a request id', async () => {
    const missing = await get('/api/nothing?x=1')
    expect(missing.status).toBe(404)
    expect(missing.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await missing.json()).toEqual({ code: 'HUB_NOT_FOUND', message: 'there is no GET /api/nothing' })
    const stranger = await get('/api/devices')
    expect(stranger.status).toBe(401)
    expect(await stranger.json()).toMatchObject({ code: 'HUB_NOT_SIGNED_IN' })
    const unreadable = await get('/%zz')
    expect(unreadable.status).toBe(400)
    expect(unreadable.headers.get('x-request-id')).not.toBeNull()
    expect(await unreadable.json()).toMatchObject({ code: 'HUB_BAD_REQUEST' })
  })

  it('logs a fault of its own as an error, a camera or service that is away as a warning', async () => {
    const lines: { level: number; msg: string; err?: { code: string } }[] = []
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
    const config = loadConfig({ env: testEnv(dashboard) })
    const app = await createHttpServer({ config, metrics: createMetrics(), log, checks: {} }, () => undefined)
    const codes = ['HUB_STREAM_NONE', 'HUB_EVIDENCE_DAMAGED', 'HUB_NOT_FOUND'] as const
    for (const code of codes) {
      app.get(`/${code}`, () => {
        throw new HubError(code, 'tried')
      })
    }
    for (const code of codes) await app.inject(`/${code}`)
    await app.close()
    const failed = lines.filter(({ msg }) => msg === 'request failed')
    expect(failed.map(({ level, err }) => [level, err?.code])).toEqual([
      [pino.levels.values.warn, 'HUB_STREAM_NONE'],
      [pino.levels.values.error, 'HUB_EVIDENCE_DAMAGED'],
    ])
  })

  it('names each place of a request that does not fit its schema, and drops nothing silently', async () => {
    const post = (body: string) =>
      fetch(`${hub.url}/api/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-patrolhub': '1' },
        body,
      })
    const wrong = await post(JSON.stringify({ username: '', more: 1 }))
    expect(wrong.status).toBe(400)
    const { code, details } = (await wrong.json()) as { code: string; details: string[] }
    expect(code).toBe('HUB_BAD_REQUEST')
    expect(details.join('\n')).toMatch(/password/)
    expect(details.join('\n')).toMatch(/additional properties/)
    expect(details.join('\n')).toMatch(/\/username/)
    const noJson = await post('{"username":')
    expect(noJson.status).toBe(400)
    expect(await noJson.json()).toMatchObject({ code: 'HUB_BAD_REQUEST' })
    const large = await post(JSON.stringify({ username: 'x'.repeat(300_000) }))
    expect(large.status).toBe(413)
    expect(await large.json()).toMatchObject({ code: 'HUB_BAD_REQUEST' })
  })

  it('sends a policy under which the player may use its blob, and none that needs TLS', async () => {
    const { headers } = await get('/')
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("media-src 'self' blob:")
    for (const kind of ['script', 'style', 'worker'])
      expect(policy).toMatch(new RegExp(`${kind}-src 'self'(;|$)`))
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('upgrade-insecure-requests')
    expect(headers.get('strict-transport-security')).toBeNull()
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('serves the dashboard: files to keep, and its page for every address inside it', async () => {
    const file = await get('/assets/app-1a2b.js')
    expect(file.headers.get('cache-control')).toContain('immutable')
    for (const path of ['/', '/incidents/42', '/api-guide']) {
      const page = await get(path)
      expect(page.status, path).toBe(200)
      expect(await page.text()).toContain('<title>page</title>')
      expect(page.headers.get('cache-control')).toBe('no-cache')
    }
    for (const path of ['/api', '/media/live/x', '/metrics/x'])
      expect((await get(path)).status, path).toBe(404)
    expect((await get('/..%2f..%2fetc/passwd')).status).not.toBe(500)
    expect((await fetch(`${hub.url}/somewhere`, { method: 'POST' })).status).toBe(404)
  })

  it('answers health to everybody, figures only to who has the token, and describes itself', async () => {
    expect(await (await get('/healthz')).json()).toEqual({ ok: true })
    expect((await get('/readyz')).status).toBe(200)
    expect((await get('/metrics')).status).toBe(401)
    const figures = await get('/metrics', { authorization: 'Bearer let me see' })
    expect(figures.status).toBe(200)
    const text = await figures.text()
    expect(text).toContain('patrolhub_ingest_records_total')
    for (const name of ['viewings', 'push_sent', 'push_refused', 'evidence_damaged']) {
      expect(text).toContain(`patrolhub_${name} 0`)
    }
    expect(text).toMatch(/patrolhub_http_seconds_count\{method="GET",route="\/healthz",status="200"\} 1/)
    const openapi = (await (await get('/api/openapi.json')).json()) as { paths: object }
    expect(Object.keys(openapi.paths)).toContain('/api/incidents/{incidentId}')
  })
})

describe('a hub behind a proxy', () => {
  it('believes the address that its proxy added and nothing that a caller wrote before it', async () => {
    const folder = await freshFolder()
    for (const [trustProxy, ip] of [
      ['true', '10.0.0.9'],
      ['false', '127.0.0.1'],
    ] as const) {
      const config = loadConfig({ env: testEnv(folder, { PATROLHUB_TRUST_PROXY: trustProxy }) })
      const app = await createHttpServer(
        { config, metrics: createMetrics(), log: silent, checks: {} },
        () => {},
      )
      app.get('/who', async (request) => ({ ip: request.ip }))
      const answer = await app.inject({ url: '/who', headers: { 'x-forwarded-for': '6.6.6.6, 10.0.0.9' } })
      expect(answer.json()).toEqual({ ip })
      await app.close()
    }
    await rm(folder, { recursive: true, force: true })
  })
})

describe('a hub with a certificate', () => {
  it('speaks TLS only, on both ports, and says so to browsers', async () => {
    const folder = await freshFolder()
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
        .concat(['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'])
        .concat(['-keyout', key, '-out', cert]),
      { stdio: 'ignore' },
    )
    const token = await createEdge(folder, 'edge-01', REGION)
    const env = testEnv(folder, { PATROLHUB_TLS_CERT_FILE: cert, PATROLHUB_TLS_KEY_FILE: key })
    const secure = await startHub(loadConfig({ env }), silent)
    try {
      const headers = await new Promise<NodeJS.Dict<string | string[]>>((resolve, reject) => {
        request({ port: secure.httpPort, path: '/healthz', rejectUnauthorized: false }, (response) => {
          response.resume()
          resolve(response.headers)
        })
          .on('error', reject)
          .end()
      })
      expect(headers['strict-transport-security']).toContain('max-age=31536000')
      await expect(fetch(`http://127.0.0.1:${secure.httpPort}/healthz`)).rejects.toThrow()
      const options = { username: 'edge-01', password: token, reconnectPeriod: 0 }
      const url = `127.0.0.1:${secure.mqttPort}`
      const mqtt = await connectAsync(`mqtts://${url}`, { ...options, rejectUnauthorized: false })
      await mqtt.endAsync(true)
      // A CONNECT in clear is no TLS record: the connection ends, and nothing was said that MQTT knows.
      const plain = connect(secure.mqttPort, '127.0.0.1')
      const heard: Buffer[] = []
      plain.on('error', () => {})
      plain.on('data', (bytes) => heard.push(bytes))
      plain.write(generate({ cmd: 'connect', clientId: 'x', protocolId: 'MQTT', protocolVersion: 4 }))
      await once(plain, 'close')
      expect(Buffer.concat(heard)[0]).not.toBe(0x20)
    } finally {
      await secure.close()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
