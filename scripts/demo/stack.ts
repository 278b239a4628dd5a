/**
 * The whole system on one machine, started from code: hub and edge as the processes that they are in production,
 * simulated cameras, checkpoints and sensors in this process, people and credentials made through the hub itself.
 * `npm run demo` and the system tests both start it here.
 */
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Alert, Overview } from '@patrolhub/protocol'
import { type DemoCamera, startCameras } from './cameras.ts'
import { type DemoDevices, makePasswords, scheduleAnomalies, startDevices } from './devices.ts'
import { makePlateKeys, tokenFile, writeEdgeFile } from './edge-file.ts'
import { GuardLink } from './guard-link.ts'
import type { HubClient } from './hub-client.ts'
import { Part } from './part.ts'
import {
  type AddedPeople,
  addEdge,
  addPeople,
  openSetup,
  type People,
  type SignIn,
  signedIn,
} from './people.ts'
import { Place } from './place.ts'
import { reservePort } from './ports.ts'
import { CITY } from './scenes.ts'
import { readOverview, Watcher } from './watcher.ts'

const REPOSITORY = resolve(import.meta.dirname, '..', '..')
const HUB_MAIN = 'server/src/main.ts'
const EDGE_MAIN = 'edge/src/main.ts'
const DEVICES_TIMEOUT_MS = 60_000
/** Settings of other processes that the hub and the edge read too; every other PATROLHUB_ variable is ours to set. */
const PASSED_ON = new Set(['PATROLHUB_MODELS', 'PATROLHUB_ASSETS', 'PATROLHUB_CACHE'])

export interface DemoOptions {
  /** `var/demo` in the repository unless set. */
  dataDir?: string
  /** Goes on with the data of the last time instead of beginning anew. */
  isKept?: boolean
  /** Address that the hub listens on. */
  host?: string
  /** 0 takes a free one. */
  httpPort?: number
  mqttPort?: number
  /** The edge's listener for devices, on loopback. */
  devicePort?: number
  videos?: readonly string[]
  maxCameras?: number
  /** Hub and edge are started again when they end by themselves. */
  isRestarted?: boolean
  /** Devices behave oddly from time to time. */
  hasAnomalies?: boolean
  onLine?: (line: string) => void
  onAlert?: (alert: Alert, latencyMs: number) => void
}

export interface Demo {
  hub: Part
  edge: Part
  cameras: readonly DemoCamera[]
  devices: DemoDevices
  watcher: Watcher
  people: People
  /** Address of the dashboard and the HTTP interface. */
  baseUrl: string
  /** The edge's listener for devices. */
  deviceBrokerUrl: string
  dataDir: string
  /** Counts as they stood when everything was up: what a kept data folder brought along. */
  before: Overview | undefined
  /** False if it goes on with the data of the last time. */
  isNewData: boolean
  /** Ends everything, the edge first. Idempotent. */
  close(): Promise<void>
}

/**
 * Starts everything and resolves when every camera is online. Models, dashboard and programs have to be there
 * (`npm run …` sees to that).
 * @throws Error saying what did not start; what had been started is ended
 */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const starting = new Starting()
  try {
    return await assemble(options, starting)
  } catch (error) {
    await starting.closeAll()
    throw error
  }
}

/** What has been started so far, to be ended in reverse order. */
class Starting {
  readonly #closers: (() => unknown)[] = []

  add(close: () => unknown): void {
    this.#closers.push(close)
  }

  async closeAll(): Promise<void> {
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) await close()
  }
}

async function assemble(options: DemoOptions, starting: Starting): Promise<Demo> {
  const { host = '127.0.0.1', onLine = () => {}, isRestarted = false } = options
  const dataDir = resolve(options.dataDir ?? join(REPOSITORY, 'var', 'demo'))
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  const httpPort = await reservePort({
    purpose: 'the dashboard',
    port: options.httpPort ?? 0,
    host,
    option: '--http-port',
  })
  const mqttPort = await reservePort({
    purpose: 'edges (MQTT)',
    port: options.mqttPort ?? 0,
    host,
    option: '--mqtt-port',
  })
  const devicePort = await reservePort({
    purpose: 'devices (MQTT)',
    port: options.devicePort ?? 0,
    host: '127.0.0.1',
    option: '--device-port',
  })
  const place = new Place(dataDir, options.isKept ?? false)
  starting.add(() => place.forget())

  const guard = new GuardLink()
  guard.start()
  starting.add(() => guard.close())

  const cameras = await startCameras({
    videos: options.videos ?? [],
    maxCameras: options.maxCameras ?? 3,
    onLine,
  })
  starting.add(() => Promise.all(cameras.map(({ camera }) => camera.close())))

  const baseUrl = `http://${urlHost(reachable)}:${httpPort}`
  const hubEnv = environment({
    PATROLHUB_DATA_DIR: join(dataDir, 'hub'),
    PATROLHUB_HTTP_HOST: host,
    PATROLHUB_HTTP_PORT: String(httpPort),
    PATROLHUB_MQTT_HOST: host,
    PATROLHUB_MQTT_PORT: String(mqttPort),
    PATROLHUB_ROOT_SCOPE: CITY,
    // Only here: whoever tries it out has no authenticator at hand.
    PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'none',
    ...makePlateKeys(dataDir),
  })
  const running: { hub?: Part; edge?: Part; people?: People } = {}
  const describe = () =>
    place.describe({
      pids: { demo: process.pid, guard: guard.pid, hub: running.hub?.pid, edge: running.edge?.pid },
      baseUrl,
      ports: { http: httpPort, mqtt: mqttPort, devices: devicePort },
      cameras: cameras.map(({ cameraId, scene, camera }) => ({
        cameraId,
        name: scene.name,
        url: camera.url,
      })),
      people: running.people,
    })
  const common = { cwd: REPOSITORY, guard, isRestarted, onLine, onStarted: describe }
  const hub = new Part({
    ...common,
    title: 'the hub',
    args: [HUB_MAIN],
    env: hubEnv,
    logFile: place.log('hub'),
    isReady: () => answersReady(baseUrl),
  })
  running.hub = hub
  starting.add(() => hub.stop())
  onLine('starting the hub')
  await hub.start()

  const kept = place.keptPeople()
  let setup: { signIn: SignIn; client: HubClient }
  if (kept) {
    onLine('going on with the data and the people of the last time')
    setup = { signIn: kept.setup, client: await signedIn(baseUrl, kept.setup) }
  } else {
    onLine('creating the edge credential, users and a team')
    setup = await openSetup(baseUrl, { mainFile: HUB_MAIN, cwd: REPOSITORY, env: hubEnv })
    writeFileSync(tokenFile(dataDir), await addEdge(setup.client), { mode: 0o600 })
  }
  const administrator = setup.client
  const before = kept ? await readOverview(administrator) : undefined

  const passwords = makePasswords()
  const edgeFile = writeEdgeFile({
    folder: dataDir,
    hubUrl: baseUrl,
    hubMqttUrl: `mqtt://${urlHost(reachable)}:${mqttPort}`,
    devicePort,
    cameras,
    passwords,
  })
  const edge = new Part({
    ...common,
    title: 'the edge',
    args: [EDGE_MAIN, '--config', edgeFile],
    env: environment({}),
    logFile: place.log('edge'),
    isReady: () => hasCameras(administrator, cameras.length),
  })
  running.edge = edge
  starting.add(() => edge.stop())
  onLine('starting the edge')

  const gather = async () => {
    const added = kept ? undefined : await addPeople(baseUrl, administrator)
    const { watcherClient, ...others } = added ?? {}
    const people = kept ?? {
      ...(others as Omit<AddedPeople, 'watcherClient'>),
      setup: setup.signIn,
      ...place.firstSignIn(),
    }
    place.keep(people)
    running.people = people
    describe()
    const watcher = new Watcher({
      baseUrl,
      administrator,
      operator: watcherClient ?? (await signedIn(baseUrl, people.watcher)),
      signIn: people.watcher,
      onAlert: options.onAlert ?? (() => {}),
    })
    starting.add(() => watcher.close())
    await watcher.start()
    return { people, watcher }
  }
  const [{ people, watcher }] = await Promise.all([gather(), edge.start()])

  const deviceBrokerUrl = `mqtt://127.0.0.1:${devicePort}`
  const connecting = startDevices(deviceBrokerUrl, passwords)
  const devices = await within(DEVICES_TIMEOUT_MS, 'the devices reach the edge', connecting)
  starting.add(() => Promise.all([...devices.checkpoints, ...devices.sensors].map((each) => each.close())))
  if (options.hasAnomalies) starting.add(scheduleAnomalies(devices, onLine))

  const close = () => starting.closeAll()
  const isNewData = kept === undefined
  return {
    hub,
    edge,
    cameras,
    devices,
    watcher,
    people,
    baseUrl,
    deviceBrokerUrl,
    dataDir,
    before,
    isNewData,
    close,
  }
}

/** Our environment without settings of Patrolhub that somebody has set for something else. */
function environment(settings: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('PATROLHUB_') || PASSED_ON.has(name),
  )
  return { ...Object.fromEntries(inherited), ...settings }
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

async function answersReady(baseUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${baseUrl}/readyz`, { signal: AbortSignal.timeout(2000) })).ok
  } catch {
    return false
  }
}

async function hasCameras(administrator: HubClient, count: number): Promise<boolean> {
  const overview = await readOverview(administrator)
  return overview !== undefined && overview.edgesOnline > 0 && overview.camerasOnline >= count
}

async function within<T>(timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  const abort = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`It took more than ${timeoutMs / 1000} s until ${what}.`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    abort.abort()
    // The race is over: what the timer says no longer matters.
    late.catch(() => {})
  }
}
