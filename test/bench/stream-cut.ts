/**
 * From whatever ends a viewing to the last byte at its player. The hub is a process of its own as it is delivered, with
 * SQLite and its own broker; edge, players and whoever ends the viewings are in this one, over HTTP and MQTT.
 *
 *   npm run bench -- stream-cut [--rounds 50]
 *
 * Times are from just before the request that ends it is sent; for the expiry from the end that the grant names. A
 * player that got nothing after that counts as 0. Also given: until the player knows (its connection is reset).
 */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { edgeTopics, type Grant, type RelayCommand } from '@patrolhub/protocol'
import { connectAsync } from 'mqtt'
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import { loadConfig } from '../../server/src/config.ts'
import { addAccount, openSession } from '../../server/test/support/accounts.ts'
import { createEdge, freshFolder, silent, startHubProcess, testEnv } from '../../server/test/support/hub.ts'
import { eventually, TestPlayer, WarmEdge } from '../../server/test/support/streams.ts'
import { type Bar, report } from '../support/bench.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '50' } } })
const rounds = Number(values.rounds)
const BAR_MS = 250
const PICTURES = 5
const REGION = '410502003'
const SCOPE = '410502'
const EDGE_ID = 'edge-bench'
const CAMERA_ID = 'cam-bench'

interface Person {
  userId: string
  cookie: string
}

/** What one round ended with, in ms. */
interface Cut {
  lastByteMs: number
  closedMs: number
}

const dataDir = await freshFolder()
const token = await createEdge(dataDir, EDGE_ID, REGION)
const relational = await openRelational(loadConfig({ env: testEnv(dataDir) }), silent)

async function person(role: string, scope = SCOPE): Promise<Person> {
  const { userId } = await addAccount(relational, { role, scope })
  return { userId, cookie: (await openSession(relational, userId)).cookie }
}

async function verifiedIncident(): Promise<string> {
  const incidentId = randomUUID()
  const nowMs = Date.now()
  await relational.write
    .insertInto('incident')
    .values({
      incident_id: incidentId,
      number: incidentId.slice(0, 12),
      region: REGION,
      state: 'verified',
      severity: 'major',
      rule: 'intrusion',
      device_id: CAMERA_ID,
      device_kind: 'camera',
      reason: 'bench',
      opened_at_ms: nowMs,
      last_alert_at_ms: nowMs,
      updated_at_ms: nowMs,
      alert_count: 1,
      snapshot_id: null,
      is_drill: 0,
    })
    .execute()
  return incidentId
}

await relational.write
  .insertInto('device')
  .values({
    device_id: CAMERA_ID,
    edge_id: EDGE_ID,
    kind: 'camera',
    region: REGION,
    name: 'Bench',
    sensitivity: 'public',
    description: '{}',
    health: null,
    updated_at_ms: Date.now(),
  })
  .execute()
const administrator = await person('administrator', '4105')
const ENDS = ['revocation', 'sign-out', 'role change', 'off duty', "incident's closing"] as const
type End = (typeof ENDS)[number]
interface Round {
  viewer: Person
  incidentId: string
}
const prepared = new Map<End | 'expiry', Round[]>()
for (const end of [...ENDS, 'expiry'] as const) {
  const list: Round[] = []
  for (let round = 0; round < rounds; round++) {
    list.push({ viewer: await person('operator'), incidentId: await verifiedIncident() })
  }
  prepared.set(end, list)
}
await relational.close()

const hub = await startHubProcess(testEnv(dataDir, { PATROLHUB_LOG_LEVEL: 'info' }))
const url = `http://127.0.0.1:${hub.httpPort}`
const client = await connectAsync(`mqtt://127.0.0.1:${hub.mqttPort}`, {
  clientId: EDGE_ID,
  username: EDGE_ID,
  password: token,
})
await client.subscribeAsync(edgeTopics.relay(EDGE_ID))
const warm = new WarmEdge(
  {
    url,
    onRelay: (listener) =>
      client.on('message', (_topic, payload) =>
        listener(EDGE_ID, JSON.parse(payload.toString()) as RelayCommand),
      ),
  },
  { edgeId: EDGE_ID, authorization: `Basic ${Buffer.from(`${EDGE_ID}:${token}`).toString('base64')}` },
  CAMERA_ID,
  { bitrate: '2M' },
)

async function ask<T>(who: Person, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(url + path, {
    method,
    headers: {
      'x-patrolhub': '1',
      cookie: who.cookie,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return (text === '' ? undefined : JSON.parse(text)) as T
}

async function watch({ viewer, incidentId }: Round, minutes: number) {
  const wish = { cameraId: CAMERA_ID, purpose: 'incident_handling', minutes, incidentId }
  const grant = await ask<Grant>(viewer, 'POST', '/api/grants', wish)
  const player = new TestPlayer(url + grant.cameras[0]!.playPath!, viewer.cookie)
  const closedAtMs = player.closed.then(() => performance.now())
  await eventually(() => player.pictures.length >= PICTURES, 20_000, 'pictures come')
  return { grant, player, closedAtMs }
}

const HOW: Readonly<Record<End, (round: Round, grantId: string) => Promise<unknown>>> = {
  revocation: (_round, grantId) => ask(administrator, 'DELETE', `/api/grants/${grantId}`),
  'sign-out': ({ viewer }) => ask(viewer, 'DELETE', '/api/session'),
  'role change': ({ viewer }) =>
    ask(administrator, 'PATCH', `/api/users/${viewer.userId}`, { role: 'auditor' }),
  'off duty': ({ viewer }) =>
    ask(administrator, 'PUT', `/api/users/${viewer.userId}/duty`, { isOnDuty: false }),
  "incident's closing": ({ incidentId }) =>
    ask(administrator, 'POST', `/api/incidents/${incidentId}/transitions`, { to: 'closed' }),
}

async function cutBy(end: End, round: Round): Promise<Cut> {
  const { grant, player, closedAtMs } = await watch(round, 10)
  const beganMs = performance.now()
  await HOW[end](round, grant.grantId)
  const closed = await closedAtMs
  return { lastByteMs: Math.max(0, player.lastByteMs - beganMs), closedMs: closed - beganMs }
}

/** The shortest grant lasts a minute: all of them side by side, their ends apart from each other. */
async function expiries(list: readonly Round[]): Promise<Cut[]> {
  const running: Promise<Cut>[] = []
  for (const round of list) {
    running.push(
      watch(round, 1).then(async ({ grant, player, closedAtMs }) => {
        player.forget()
        const endMs = grant.endAtMs - performance.timeOrigin
        const closed = await closedAtMs
        return { lastByteMs: Math.max(0, player.lastByteMs - endMs), closedMs: closed - endMs }
      }),
    )
    await delay(200)
  }
  return Promise.all(running)
}

function spread(numbers: readonly number[]) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1]! * 10) / 10
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}

const figures: Record<string, object> = {}
const bars: Bar[] = []
try {
  await warm.ready.promise
  for (const end of [...ENDS, 'expiry'] as const) {
    const list = prepared.get(end)!
    const cuts: Cut[] = []
    if (end === 'expiry') cuts.push(...(await expiries(list)))
    else for (const round of list) cuts.push(await cutBy(end, round))
    const lastByteMs = spread(cuts.map((cut) => cut.lastByteMs))
    const closedMs = spread(cuts.map((cut) => cut.closedMs))
    figures[end] = { lastByteMs, closedMs }
    console.log(`${end}: last byte ${JSON.stringify(lastByteMs)}, closed ${JSON.stringify(closedMs)}`)
    bars.push({
      name: `${end}: last byte, p99`,
      value: lastByteMs.p99,
      unit: 'ms',
      bar: BAR_MS,
      ok: lastByteMs.p99 < BAR_MS,
    })
  }
} finally {
  await warm.close()
  await client.endAsync(true)
  await hub.stop('SIGTERM')
  await rm(dataDir, { recursive: true, force: true })
}
report('stream-cut', figures, bars)
