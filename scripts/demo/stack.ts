/**
 * The whole system on one machine, started from code: hub and edge as the processes that they are in production,
 * simulated cameras, checkpoints and sensors in this process, people and credentials made through the hub itself.
 * `npm run demo` and the system tests both start it here.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Alert, Overview } from '@patrolhub/protocol'
import { type DemoCamera, startCameras } from './cameras.ts'
import { type DemoDevices, makePasswords, scheduleAnomalies, startDevices } from './devices.ts'
import { tokenFile, writeEdgeFile } from './edge-file.ts'
import { GuardLink } from './guard-link.ts'
import { Part } from './part.ts'
import { makePeople, type People } from './people.ts'
import { reservePort } from './ports.ts'
import { CITY } from './scenes.ts'
import { Watcher } from './watcher.ts'

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

  const { people, isNew } = await place.people(async () => {
    onLine('creating the edge credential, users and a team')
    const made = await makePeople(baseUrl, { mainFile: HUB_MAIN, cwd: REPOSITORY, env: hubEnv })
    writeFileSync(tokenFile(dataDir), made.edgeToken, { mode: 0o600 })
    const administrator = place.firstSignIn()
    return { ...made.people, ...(administrator ? { administrator } : {}) }
  })
  running.people = people
  if (!isNew) onLine('going on with the data and the people of the last time')

  const watcher = new Watcher({ baseUrl, signIns: people, onAlert: options.onAlert ?? (() => {}) })
  starting.add(() => watcher.close())
  await watcher.start()
  const before = isNew ? undefined : await watcher.overview()

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
    isReady: () => hasCameras(watcher, cameras.length),
  })
  running.edge = edge
  starting.add(() => edge.stop())
  onLine('starting the edge')
  await edge.start()

  const deviceBrokerUrl = `mqtt://127.0.0.1:${devicePort}`
  const connecting = startDevices(deviceBrokerUrl, passwords)
  const devices = await within(DEVICES_TIMEOUT_MS, 'the devices reach the edge', connecting)
  starting.add(() => Promise.all([...devices.checkpoints, ...devices.sensors].map((each) => each.close())))
  if (options.hasAnomalies) starting.add(scheduleAnomalies(devices, onLine))

  const close = () => starting.closeAll()
  const isNewData = isNew
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

/** The demo's folder: data, logs, and a description of what runs. */
class Place {
  readonly #folder: string
  readonly #isKept: boolean

  constructor(folder: string, isKept: boolean) {
    this.#folder = folder
    refuseIfRunning(folder)
    this.#isKept = isKept && existsSync(this.#peopleFile)
    if (!this.#isKept) clear(folder)
    mkdirSync(join(folder, 'logs'), { recursive: true, mode: 0o700 })
    // It holds sign-ins and tokens.
    chmodSync(folder, 0o700)
  }

  log(part: string): string {
    return join(this.#folder, 'logs', `${part}.log`)
  }

  get #peopleFile(): string {
    return join(this.#folder, 'people.json')
  }

  /** The people of a kept folder, else those that `make` makes. */
  async people(make: () => Promise<People>): Promise<{ people: People; isNew: boolean }> {
    if (this.#isKept)
      return { people: JSON.parse(readFileSync(this.#peopleFile, 'utf8')) as People, isNew: false }
    const people = await make()
    writeFileSync(this.#peopleFile, JSON.stringify(people), { mode: 0o600 })
    return { people, isNew: true }
  }

  /** What the hub printed once, at its first start. */
  firstSignIn(): People['administrator'] {
    const match = /First sign-in: (\S+) \/ (\S+)/.exec(readFileSync(this.log('hub'), 'utf8'))
    return match ? { username: match[1]!, password: match[2]! } : undefined
  }

  /** Nothing runs any more. */
  forget(): void {
    rmSync(runningFile(this.#folder), { force: true })
  }

  /** For tests and for people who want to look: `demo.json`, as long as the demo runs. */
  describe(what: object): void {
    writeFileSync(runningFile(this.#folder), `${JSON.stringify(what, null, 2)}\n`, { mode: 0o600 })
  }
}

const runningFile = (folder: string) => join(folder, 'demo.json')

/** @throws Error if a demo runs on this folder: two would write over each other's data. */
function refuseIfRunning(folder: string): void {
  if (!existsSync(runningFile(folder))) return
  const { pids } = JSON.parse(readFileSync(runningFile(folder), 'utf8')) as { pids: { demo: number } }
  try {
    process.kill(pids.demo, 0)
  } catch {
    // It was killed: what it left may be taken.
    return
  }
  throw new Error(`A demo is running on ${folder} already (process ${pids.demo}).`)
}

/** Removes what an earlier demo left, and refuses to empty a folder that is something else. */
function clear(folder: string): void {
  if (!existsSync(folder)) return
  const isOurs = ['people.json', 'demo.json', 'logs'].some((name) => existsSync(join(folder, name)))
  if (!isOurs) throw new Error(`${folder} exists and holds no data of a demo; it is left alone.`)
  rmSync(folder, { recursive: true })
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

async function hasCameras(watcher: Watcher, count: number): Promise<boolean> {
  const overview = await watcher.overview()
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
