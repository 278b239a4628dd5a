/**
 * More than one machine, on this one: two hub processes on a real Mosquitto, PostgreSQL, Redis and InfluxDB, the
 * delivered proxy before them, and edges that are the edge's own journal and uplink. Everything can be killed.
 */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AlertRecord, Changes, PassageRecord } from '@patrolhub/protocol'
import pg from 'pg'
import { pino } from 'pino'
import { io, type Socket } from 'socket.io-client'
import { Journal } from '../../edge/src/journal/journal.ts'
import { Uplink } from '../../edge/src/uplink/uplink.ts'
import { type DashboardSession, signIn } from '../../server/test/support/dashboard-session.ts'
import { type HubProcess, startHubProcess } from '../../server/test/support/hub.ts'
import { findInfluxd, type Influxd, startInfluxd } from '../../server/test/support/influxd.ts'
import { freePort } from './free-port.ts'
import { findMosquitto, type Mosquitto, startMosquitto } from './mosquitto.ts'
import { startProxy, type TlsProxy } from './nginx.ts'
import { findPostgres, type PostgresServer, startPostgres } from './postgres.ts'
import { type RedisServer, startRedis } from './redis.ts'

const REGION = '410502003'
/** Sooner than in the field, so that a test does not wait for half minutes. */
const UPLINK_TIMING = { answerMs: 1500, maxAnswerMs: 3000, reconnectMaxMs: 1000 }
const silent = pino({ level: 'silent' })

/** A hub that is started, killed and started again at the same port. */
export class HubSlot {
  readonly port: number
  readonly #env: Record<string, string>
  process: HubProcess | undefined

  constructor(port: number, env: Record<string, string>) {
    this.port = port
    this.#env = env
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    this.process = await startHubProcess(this.#env)
  }

  async kill(): Promise<void> {
    await this.process?.stop('SIGKILL')
    this.process = undefined
  }

  /** Value of a metric without labels; `undefined` while the hub is away. */
  async metric(name: string): Promise<number | undefined> {
    const text = await fetch(`${this.url}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    )
    const value = new RegExp(`^patrolhub_${name} (\\S+)$`, 'm').exec(text)?.[1]
    return value === undefined ? undefined : Number(value)
  }

  async isReady(): Promise<boolean> {
    return fetch(`${this.url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    )
  }
}

/** The edge's own way from a record to the hub, without cameras. */
export class SimulatedEdge {
  readonly edgeId: string
  readonly alertIds: string[] = []
  passages = 0
  readonly #journal: Journal
  readonly #uplink: Uplink

  constructor(edgeId: string, token: string, { mqttUrl, dataDir }: { mqttUrl: string; dataDir: string }) {
    this.edgeId = edgeId
    this.#journal = new Journal({ dataDir, maxBytes: 256 * 1024 ** 2, log: silent })
    this.#uplink = new Uplink({
      edgeId,
      token,
      mqttUrl,
      journal: this.#journal,
      describe: () => ({
        software: 'test',
        region: REGION,
        cameras: [
          { cameraId: `cam-${edgeId}`, name: `Camera of ${edgeId}`, region: REGION, sensitivity: 'public' },
        ],
        checkpoints: [
          { checkpointId: `cp-${edgeId}`, name: `Checkpoint of ${edgeId}`, region: REGION, lanes: 2 },
        ],
        sensors: [],
      }),
      onRelay: () => {},
      onHistory: () => {},
      log: silent,
      timing: UPLINK_TIMING,
    })
  }

  async start(): Promise<void> {
    await this.#journal.start()
    this.#uplink.start()
  }

  /** Journals, and so promises, one alert and some passages. */
  work(passages: number): Promise<void> {
    return this.journal(1, passages)
  }

  async journal(alerts: number, passages: number): Promise<void> {
    const alarms = Array.from({ length: alerts }, () => this.#alert())
    await this.#journal.appendAll([...alarms, ...Array.from({ length: passages }, () => this.#passage())])
    this.alertIds.push(...alarms.map(({ alertId }) => alertId))
    this.passages += passages
  }

  #alert(): AlertRecord {
    return {
      kind: 'alert',
      alertId: randomUUID(),
      atMs: Date.now(),
      deviceId: `cam-${this.edgeId}`,
      deviceKind: 'camera',
      region: REGION,
      rule: 'intrusion',
      ruleName: 'Gate',
      severity: 'major',
      score: 0.9,
      reason: 'a person stands in Gate',
      facts: { className: 'person', seconds: 2 },
      objects: [],
      trackPath: [],
      evidenceIds: [],
    }
  }

  #passage(): PassageRecord {
    return {
      kind: 'passage',
      atMs: Date.now(),
      deviceId: `cp-${this.edgeId}`,
      region: REGION,
      lane: 1,
      speedKmh: 40,
      vehicleClass: 'K33',
      plateColour: 'blue',
      plateHash: randomBytes(32).toString('hex'),
      plateCipher: plateCipher(),
    }
  }

  /** Records that no hub has acknowledged yet. */
  get waiting(): number {
    return this.#journal.stats().records
  }

  async close(): Promise<void> {
    await this.#uplink.close()
    await this.#journal.close()
  }
}

/** Of the form and length that the edge makes: version, nonce, text, tag. */
function plateCipher(): string {
  return ['1', ...[12, 9, 16].map((bytes) => randomBytes(bytes).toString('base64url'))].join('.')
}

/** A dashboard's socket through the proxy; comes back by itself and asks for what it missed. */
export class Screen {
  readonly alerts = new Map<string, number>()
  omitted = 0
  resets = 0
  connections = 0
  /** Why it could not connect last. */
  problem = ''
  #isClosed = false
  #revision: number | undefined
  readonly #socket: Socket

  constructor(proxy: TlsProxy, cookie: string) {
    this.#socket = io(proxy.url, {
      transports: ['websocket'],
      extraHeaders: { cookie },
      ca: proxy.ca,
      forceNew: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      auth: (give: (handshake: object) => void) =>
        give(this.#revision === undefined ? {} : { since: this.#revision }),
    } as Parameters<typeof io>[1])
    this.#socket.on('connect', () => {
      this.connections++
    })
    this.#socket.on('connect_error', (error) => {
      this.problem = error.message
      this.#comeBack()
    })
    this.#socket.on('disconnect', () => this.#comeBack())
    this.#socket.on('changes', (changes: Changes) => {
      this.#revision = changes.revision
      this.omitted += changes.omittedAlerts ?? 0
      if (changes.isReset) this.resets++
      for (const { event, payload } of changes.events) {
        if (event === 'alert') this.alerts.set(payload.alertId, (this.alerts.get(payload.alertId) ?? 0) + 1)
      }
    })
  }

  get isConnected(): boolean {
    return this.#socket.connected
  }

  close(): void {
    this.#isClosed = true
    this.#socket.disconnect()
  }

  /** socket.io does not by itself when it was the hub that closed or refused; the dashboard does, when it has looked. */
  #comeBack(): void {
    if (this.#socket.active || this.#isClosed) return
    setTimeout(() => {
      if (!this.#isClosed) this.#socket.connect()
    }, 500)
  }
}

export interface Topology {
  hubs: readonly [HubSlot, HubSlot]
  proxy: TlsProxy
  mosquitto: Mosquitto
  postgres: PostgresServer
  redis: RedisServer
  influxd: Influxd
  admin: DashboardSession
  addEdges(count: number): Promise<SimulatedEdge[]>
  screen(): Screen
  /** What is in the stores. `alertsInIncidents` counts what the incidents say, `doubled` ids that are there twice. */
  stored(): Promise<{ alertIds: string[]; alertsInIncidents: number; setAside: string[]; passages: number }>
  /** What PostgreSQL holds on its disk of this database. */
  databaseBytes(): Promise<number>
  close(): Promise<void>
}

/** Names what is not installed; empty if everything is there. */
export async function missingEngines(): Promise<string[]> {
  const found = { mosquitto: findMosquitto(), influxdb: findInfluxd(), postgresql: await findPostgres() }
  return Object.entries(found).flatMap(([name, program]) => (program === undefined ? [name] : []))
}

export async function startTopology(): Promise<Topology> {
  const folder = mkdtempSync(join(tmpdir(), 'patrolhub-topology-'))
  const stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  try {
    return await start(folder, stack)
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function start(folder: string, stack: AsyncDisposableStack): Promise<Topology> {
  const [mosquitto, postgres, redis, influxd] = await Promise.all([
    startMosquitto(findMosquitto()!),
    startPostgres((await findPostgres())!),
    startRedis(),
    startInfluxd(findInfluxd()!),
  ])
  stack.defer(() => mosquitto.close())
  stack.defer(() => postgres.close())
  stack.defer(() => redis.kill())
  stack.defer(() => influxd.close())
  const database = await postgres.freshDatabase()
  const ports = [await freePort(), await freePort()] as const
  const proxy = stack.adopt(await startProxy(ports), (started) => started.close())
  const secretsKey = randomBytes(32).toString('base64')
  const sealKey = generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()
  const slot = (index: 0 | 1) =>
    new HubSlot(ports[index], {
      PATROLHUB_DATA_DIR: join(folder, `hub-${index + 1}`),
      PATROLHUB_HTTP_HOST: '127.0.0.1',
      PATROLHUB_HTTP_PORT: String(ports[index]),
      PATROLHUB_TRUST_PROXY: 'true',
      PATROLHUB_BROKER: 'mqtt',
      PATROLHUB_MQTT_URL: mosquitto.url,
      PATROLHUB_MQTT_PASSWORD: mosquitto.password,
      PATROLHUB_RELATIONAL: 'postgres',
      PATROLHUB_POSTGRES_URL: database,
      PATROLHUB_TIMESERIES: 'influxdb',
      PATROLHUB_INFLUX_URL: influxd.url,
      PATROLHUB_INFLUX_TOKEN: 'user:password',
      PATROLHUB_INFLUX_BUCKET: influxd.database,
      PATROLHUB_REDIS_URL: redis.url,
      PATROLHUB_SECRETS_KEY: secretsKey,
      PATROLHUB_SEAL_KEY: sealKey,
      // Signing in is not what this is about.
      PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'none',
    })
  const hubs = [slot(0), slot(1)] as const
  for (const hub of hubs) {
    stack.defer(() => hub.kill())
    await hub.start()
  }
  const said = hubs[0].process!.lines.join('\n')
  const admin = await signIn(hubs[0].url, 'admin', /admin \/ (\S+)/.exec(said)![1]!)

  const edges: SimulatedEdge[] = []
  const screens: Screen[] = []
  // Closed first: nothing reconnects while the rest goes away.
  stack.defer(async () => {
    for (const screen of screens) screen.close()
    await Promise.all(edges.map((edge) => edge.close()))
  })
  return {
    hubs,
    proxy,
    mosquitto,
    postgres,
    redis,
    influxd,
    admin,
    async addEdges(count) {
      const added: SimulatedEdge[] = []
      for (let index = 0; index < count; index++) {
        const edgeId = `edge-${edges.length + 1}`
        const wish = { edgeId, name: edgeId, region: REGION }
        const { status, json } = await admin.ask('POST', '/api/edges', wish)
        if (status !== 201) throw new Error(`no edge: ${status} ${JSON.stringify(json)}`)
        const { token } = json as { token: string }
        const options = { mqttUrl: mosquitto.url, dataDir: join(folder, edgeId) }
        const edge = new SimulatedEdge(edgeId, token, options)
        await edge.start()
        edges.push(edge)
        added.push(edge)
      }
      return added
    },
    screen() {
      const screen = new Screen(proxy, admin.cookie)
      screens.push(screen)
      return screen
    },
    stored: () => stored(database, influxd),
    databaseBytes: () => databaseBytes(database),
    close: () => stack.disposeAsync(),
  }
}

async function databaseBytes(database: string): Promise<number> {
  const client = new pg.Client(database)
  await client.connect()
  try {
    const { rows } = await client.query('select pg_database_size(current_database()) as bytes')
    return Number(rows[0].bytes)
  } finally {
    await client.end()
  }
}

async function stored(database: string, influxd: Influxd) {
  const client = new pg.Client(database)
  await client.connect()
  try {
    const { rows } = await client.query('select alert_id from alert')
    const counted = await client.query('select coalesce(sum(alert_count), 0)::int as n from incident')
    const aside = await client.query('select stream, reason from set_aside')
    const points = (await influxd.query('SELECT count(lane) FROM passage')) as {
      results: { series?: { values: [string, number][] }[] }[]
    }
    return {
      alertIds: rows.map((row) => row.alert_id as string),
      alertsInIncidents: counted.rows[0].n as number,
      setAside: aside.rows.map((row) => `${row.stream}: ${row.reason}`),
      passages: points.results[0]?.series?.[0]?.values[0]?.[1] ?? 0,
    }
  } finally {
    await client.end()
  }
}
