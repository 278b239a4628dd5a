/** The edge as a whole: makes the parts, in this order, and joins them. `close` takes them down in reverse. */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Hello, JournalRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { Cameras, recordingLimits } from './cameras.ts'
import type { EdgeConfig, EdgeEnvironment } from './config.ts'
import { findModel, type LoadedModelInfo, modelFolders, readModelCatalogue } from './detect/model-file.ts'
import { EdgeError } from './errors.ts'
import { EvidenceStore } from './evidence/evidence-store.ts'
import { Box } from './health/box.ts'
import { Health } from './health/health.ts'
import { History } from './history/history.ts'
import { Intake } from './intake/intake.ts'
import { Journal } from './journal/journal.ts'
import { Recording } from './recording/recording.ts'
import { Relay } from './relay/relay.ts'
import { SettingsKeeper, type SettingsKeeperOptions } from './settings/settings-keeper.ts'
import { Scorer } from './signal/scorer.ts'
import { Signal } from './signal/signal.ts'
import { StateFile } from './signal/state-file.ts'
import { SOFTWARE } from './software.ts'
import { Traffic } from './traffic/traffic.ts'
import { Uplink } from './uplink/uplink.ts'
import { WatchList } from './watch/watch-list.ts'
import { WatchListFetcher } from './watch/watch-list-fetcher.ts'

export interface EdgeAppOptions {
  config: EdgeConfig
  environment: EdgeEnvironment
  log: Logger
  /** Where the hub's settings are kept; without it they are not taken. */
  settings?: Pick<SettingsKeeperOptions, 'file' | 'configWith' | 'trialMs'>
  /** Called when the edge cannot go on; the process should end. */
  onFailure: (error: EdgeError) => void
}

/** What is read once, when the edge starts. */
const FIXED = ['edgeId', 'name', 'region', 'dataDir', 'logLevel', 'hub', 'journal'] as const
/** What the device listener and the models over its numbers depend on. */
const DEVICE_SETTINGS = ['intake', 'checkpoints', 'sensors', 'mappings', 'plates'] as const

interface Devices {
  signal: Signal
  traffic: Traffic
  intake: Intake
}

export class EdgeApp {
  readonly #options: EdgeAppOptions
  #config: EdgeConfig
  readonly #log: Logger
  readonly #lifetime = new AbortController()
  /** What has been started, oldest first. */
  readonly #started: { name: string; close: () => void | Promise<void> }[] = []
  #intakePort = 0
  #makeDevices: ((config: EdgeConfig) => Devices) | undefined
  #devices: Devices | undefined
  /** That of the devices that run; after a start that failed there is none. */
  #devicesConfig: EdgeConfig | undefined
  #cameras: Cameras | undefined
  #uplink: Uplink | undefined
  #health: Health | undefined
  #applying: Promise<unknown> = Promise.resolve()
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: EdgeAppOptions) {
    this.#options = options
    this.#config = options.config
    this.#log = options.log
  }

  /** Port of the device listener, once started. */
  get intakePort(): number {
    return this.#intakePort
  }

  /** Port of the HTTP side of GA/T 1400, once started; 0 without one. */
  get viidPort(): number {
    return this.#devices?.intake.viidPort ?? 0
  }

  /** @throws EdgeError with the reason why the edge cannot run; nothing is left running then. */
  async start(): Promise<void> {
    this.#starting = this.#startParts()
    try {
      await this.#starting
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Takes down what was started, the newest first. Idempotent; one part that fails does not keep the others open. */
  close(): Promise<void> {
    this.#closing ??= this.#closeParts()
    return this.#closing
  }

  async #startParts(): Promise<void> {
    const config = this.#config
    const log = (component: string) => this.#log.child({ component })

    // First, because it also keeps a second edge off the data folder.
    const journal = new Journal({
      dataDir: config.dataDir,
      maxBytes: config.journal.maxMegabytes * 1024 ** 2,
      maxAgeMs: config.journal.maxDays * 86_400_000,
      log: log('journal'),
    })
    await this.#add('journal', journal, () => journal.start())
    journal.on('failed', (error) => this.#options.onFailure(error))
    const append = (records: JournalRecord[]) => journal.appendAll(records)

    const scorer = await Scorer.open(await this.#findSignalModel())
    await this.#add('scorer', scorer)
    const states = StateFile.open(config.dataDir, log('signal'))
    await this.#add('signal states', states)

    const hub = {
      hubUrl: config.hub.url,
      edgeId: config.edgeId,
      token: config.hub.token,
      ...(config.hub.ca === undefined ? {} : { ca: config.hub.ca }),
    }
    const { recording: limits } = config
    const recording = new Recording({ dataDir: config.dataDir, log: this.#log })
    await this.#add('recording', recording, () => recording.start(recordingLimits(config)))
    const evidence = new EvidenceStore({
      ...hub,
      dataDir: config.dataDir,
      log: this.#log,
      announce: async (record) => void (await journal.append(record)),
      clips: {
        ringOf: (cameraId) => recording.ringOf(cameraId),
        beforeMs: limits.clipBeforeSeconds * 1000,
        afterMs: limits.clipAfterSeconds * 1000,
      },
    })
    await this.#add('evidence', evidence, () => evidence.start(this.#lifetime.signal))

    const watchList = new WatchList({ dataDir: config.dataDir, log: this.#log })
    await watchList.start()
    const watchListFetcher = new WatchListFetcher({ hub, list: watchList, log: this.#log })
    await this.#add('watch list', watchListFetcher)
    this.#makeDevices = (wanted) => {
      const { checkpoints, sensors, mappings } = wanted
      let intake: Intake | undefined
      const signal = new Signal({
        checkpoints,
        sensors,
        scorer,
        states,
        append: async (found) => {
          const { records, pictures } = intake?.withPictures(found) ?? { records: found, pictures: [] }
          await append(records)
          for (const picture of pictures) evidence.keepPicture(picture)
        },
        isConnected: (deviceId) => intake?.isConnected(deviceId) ?? false,
        log: log('signal'),
      })
      const traffic = new Traffic({ checkpoints, states, log: log('traffic') })
      const devices = new Intake({
        ...wanted.intake,
        checkpoints,
        sensors,
        mappings,
        plates: wanted.plates,
        dataDir: wanted.dataDir,
        secret: wanted.hub.token,
        append,
        onTaken: (checkpoint, passages) => [
          ...watchList.hits(checkpoint, passages),
          ...traffic.judge(checkpoint, passages),
        ],
        keepPicture: (picture) => evidence.keepPicture(picture),
        onPassages: (checkpoint, passages) => signal.passages(checkpoint, passages),
        onReadings: (sensor, readings) => signal.readings(sensor, readings),
        log: log('intake'),
      })
      intake = devices
      return { signal, traffic, intake }
    }
    await this.#add('devices', { close: () => this.#endDevices() }, () => this.#startDevices(config))

    const cameras = new Cameras({
      environment: this.#options.environment,
      dataDir: config.dataDir,
      recording,
      evidence,
      onAlert: async (record) => void (await journal.append(record)),
      log: this.#log,
    })
    this.#cameras = cameras
    await this.#add('cameras', cameras, async () => void (await cameras.apply(config)))
    const relay = new Relay({ ...hub, cameras: cameras.captures, log: this.#log })
    await this.#add('relay', relay)
    const { dataDir } = config
    const ringOf = (cameraId: string) => recording.ringOf(cameraId)
    const history = new History({ ...hub, dataDir, ringOf, log: this.#log })
    await this.#add('history', history, () => history.start())

    const { settings } = this.#options
    const keeper = settings
      ? new SettingsKeeper({
          ...settings,
          hub,
          apply: (wanted) => this.apply(wanted),
          onReport: () => this.#uplink?.sayHello(),
          log: this.#log,
        })
      : undefined
    if (keeper) await this.#add('settings', keeper)
    const uplink = new Uplink({
      edgeId: config.edgeId,
      token: config.hub.token,
      mqttUrl: config.hub.mqttUrl,
      ...(config.hub.ca === undefined ? {} : { ca: config.hub.ca }),
      journal,
      describe: () => ({
        ...describeEdge(this.#config, cameras.model),
        ...(keeper?.report ? { settings: keeper.report } : {}),
      }),
      onRelay: (command) => relay.handle(command),
      onHistory: (command) => history.handle(command),
      onSettings: ({ version }) => keeper?.offer(version),
      onWatchList: ({ sha256 }) => watchListFetcher.offer(sha256),
      log: log('uplink'),
    })
    this.#uplink = uplink
    await this.#add('uplink', uplink, () => uplink.start())

    const box = new Box(config.dataDir)
    const health = new Health({
      everySeconds: config.healthSeconds,
      box: () => box.health(),
      hubClock: () => uplink.hubClock,
      recordingLosses: () => recording.losses,
      evidencePending: () => evidence.stats().pending,
      cameras: () => cameras.health(),
      journalRecords: () => journal.stats().records,
      refusedMessages: () =>
        (this.#devices?.intake.stats().refusedMessages ?? 0) + uplink.stats().refusedMessages,
      devices: () => this.#devices?.intake.health() ?? [],
      append: (record) => journal.append(record),
      log: log('health'),
    })
    this.#health = health
    await this.#add('health', health, () => health.start())
  }

  /**
   * Goes over to another configuration and touches only what differs; answers what was touched.
   * @throws EdgeError EDGE_RESTART_NEEDED, and nothing has changed; or the reason why a part does not start, and the
   * former configuration is in force again.
   */
  apply(next: EdgeConfig): Promise<string[]> {
    const done = this.#applying.then(() => this.#applyOrGoBack(next))
    this.#applying = done.catch(() => undefined)
    return done
  }

  async #applyOrGoBack(next: EdgeConfig): Promise<string[]> {
    const before = this.#config
    const fixed = FIXED.filter((name) => !isDeepStrictEqual(before[name], next[name]))
    if (fixed.length > 0) {
      const message = `${fixed.join(', ')} can only change with a restart of the edge`
      throw new EdgeError('EDGE_RESTART_NEEDED', message)
    }
    try {
      return await this.#goOverTo(next)
    } catch (error) {
      this.#log.error({ err: error }, 'a configuration does not start, going back to the former one')
      await this.#goOverTo(before).catch((err: unknown) => {
        this.#log.error({ err }, 'the former configuration does not start any more')
        this.#options.onFailure(error as EdgeError)
      })
      throw error
    }
  }

  async #goOverTo(next: EdgeConfig): Promise<string[]> {
    const touched: string[] = []
    if (DEVICE_SETTINGS.some((name) => !isDeepStrictEqual(this.#devicesConfig?.[name], next[name]))) {
      await this.#endDevices()
      await this.#startDevices(next)
      touched.push('devices')
    }
    touched.push(...((await this.#cameras?.apply(next)) ?? []))
    this.#health?.setInterval(next.healthSeconds)
    this.#config = next
    this.#uplink?.sayHello()
    return touched
  }

  async #startDevices(config: EdgeConfig): Promise<void> {
    const devices = this.#makeDevices!(config)
    this.#devices = devices
    this.#devicesConfig = config
    await devices.signal.start()
    devices.traffic.start()
    await devices.intake.start()
    this.#intakePort = devices.intake.port
  }

  async #endDevices(): Promise<void> {
    const devices = this.#devices
    this.#devices = undefined
    this.#devicesConfig = undefined
    await devices?.intake.close()
    await devices?.signal.close()
    devices?.traffic.close()
  }

  /** Starts a part and remembers to close it, also when its start fails half-way. */
  async #add(
    name: string,
    part: { close: () => void | Promise<void> },
    start?: () => void | Promise<void>,
  ): Promise<void> {
    this.#started.push({ name, close: () => part.close() })
    await start?.()
    if (this.#closing) throw new Error('the edge was stopped while it started')
  }

  async #closeParts(): Promise<void> {
    // A start that fails reports its own error.
    if (this.#starting) await this.#starting.catch(() => undefined)
    for (const { name, close } of this.#started.splice(0).reverse()) {
      try {
        await close()
      } catch (err) {
        this.#log.error({ err, part: name }, 'a part could not be closed')
      }
    }
    this.#lifetime.abort()
  }

  async #findSignalModel(): Promise<LoadedModelInfo> {
    const repositoryRoot = join(import.meta.dirname, '..', '..')
    const catalogue = await readModelCatalogue(join(repositoryRoot, 'models', 'catalogue.json'))
    const folders = [
      ...this.#config.detector.modelFolders,
      ...modelFolders({ repositoryRoot, ...this.#options.environment }),
    ]
    return findModel({ wanted: 'auto', catalogue, folders, task: 'signal' })
  }
}

/** What the hub is told: names and places, never addresses or credentials. */
function describeEdge(
  config: EdgeConfig,
  detection: LoadedModelInfo | undefined,
): Omit<Hello, 'epoch' | 'atMs' | 'streams'> {
  return {
    software: SOFTWARE,
    region: config.region,
    ...(detection ? { detector: { id: detection.entry.id, sha256: detection.entry.sha256 } } : {}),
    cameras: config.cameras.map(({ cameraId, sensitivity, ...rest }) => ({
      cameraId,
      sensitivity,
      ...place(rest),
    })),
    checkpoints: config.checkpoints.map(({ checkpointId, lanes, ...rest }) => ({
      checkpointId,
      lanes,
      ...place(rest),
    })),
    sensors: config.sensors.map(({ sensorId, quantity, unit, ...rest }) => ({
      sensorId,
      quantity,
      unit,
      ...place(rest),
    })),
  }
}

function place({
  name,
  region,
  latitude,
  longitude,
}: {
  name: string
  region: string
  latitude?: number
  longitude?: number
}) {
  return {
    name,
    region,
    ...(latitude === undefined ? {} : { latitude }),
    ...(longitude === undefined ? {} : { longitude }),
  }
}
