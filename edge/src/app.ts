/** The edge as a whole: makes the parts, in this order, and joins them. `close` takes them down in reverse. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { AlertRecord, Hello, JournalRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { requireFfmpeg } from './capture/ffmpeg-process.ts'
import type { EdgeConfig, EdgeEnvironment } from './config.ts'
import { DEFAULT_CLASSES, DetectorPool } from './detect/detector-pool.ts'
import { findModel, type LoadedModelInfo, modelFolders, readModelCatalogue } from './detect/model-file.ts'
import type { EdgeError } from './errors.ts'
import { EvidenceStore } from './evidence/evidence-store.ts'
import { Health } from './health/health.ts'
import { Intake } from './intake/intake.ts'
import { Journal } from './journal/journal.ts'
import { CameraPipeline } from './pipeline.ts'
import { Recording } from './recording/recording.ts'
import { Relay } from './relay/relay.ts'
import { Forecaster } from './signal/forecaster.ts'
import { Signal } from './signal/signal.ts'
import { SOFTWARE } from './software.ts'
import { UNSURE_SCORE } from './track/tracker.ts'
import { Uplink } from './uplink/uplink.ts'

export interface EdgeAppOptions {
  config: EdgeConfig
  environment: EdgeEnvironment
  log: Logger
  /** Called when the edge cannot go on; the process should end. */
  onFailure: (error: EdgeError) => void
}

interface Detection {
  model: LoadedModelInfo
  pool: DetectorPool
  /** From this score on a detection may begin a track. */
  sureScore: number
}

export class EdgeApp {
  readonly #options: EdgeAppOptions
  readonly #config: EdgeConfig
  readonly #log: Logger
  readonly #lifetime = new AbortController()
  /** What has been started, oldest first. */
  readonly #started: { name: string; close: () => void | Promise<void> }[] = []
  #intakePort = 0
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
      log: log('journal'),
    })
    await this.#add('journal', journal, () => journal.start())
    journal.on('failed', (error) => this.#options.onFailure(error))
    const append = (records: JournalRecord[]) => journal.appendAll(records)

    if (config.cameras.length > 0) await requireFfmpeg()
    const models = await this.#findModels()
    const forecaster = await Forecaster.open(models.signal)
    await this.#add('forecaster', forecaster)
    const detection = await this.#startDetection(models.detection)

    const hub = {
      hubUrl: config.hub.url,
      edgeId: config.edgeId,
      token: config.hub.token,
      ...(config.hub.ca === undefined ? {} : { ca: config.hub.ca }),
    }
    const { recording: limits } = config
    const recorded = config.cameras.filter(({ recording: { isOn } }) => isOn)
    const recording = new Recording({
      dataDir: config.dataDir,
      maxBytes: limits.maxMegabytes * 1024 ** 2,
      cameras: new Map(
        recorded.map(({ cameraId, recording: { maxMegabytes } }) => [
          cameraId,
          { maxBytes: maxMegabytes * 1024 ** 2, maxAgeMs: limits.maxMinutes * 60_000 },
        ]),
      ),
      log: this.#log,
    })
    await this.#add('recording', recording, () => recording.start())
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

    const { checkpoints, sensors } = config
    let intake: Intake | undefined
    const signal = new Signal({
      checkpoints,
      sensors,
      forecaster,
      append,
      isConnected: (deviceId) => intake?.isConnected(deviceId) ?? false,
      log: log('signal'),
    })
    await this.#add('signal', signal, () => signal.start())
    const devices = new Intake({
      ...config.intake,
      checkpoints,
      sensors,
      plates: config.plates,
      append,
      onPassages: (checkpoint, passages) => signal.passages(checkpoint, passages),
      onReadings: (sensor, readings) => signal.readings(sensor, readings),
      log: log('intake'),
    })
    intake = devices
    await this.#add('intake', devices, () => devices.start())
    this.#intakePort = devices.port

    const pipelines = detection ? this.#makePipelines(detection, { evidence, recording, journal }) : []
    // Closed together: a camera that does not answer takes its time to let go.
    const close = async () => void (await Promise.all(pipelines.map((pipeline) => pipeline.close())))
    await this.#add('cameras', { close }, () => {
      for (const pipeline of pipelines) pipeline.start(this.#lifetime.signal)
    })
    const cameras = new Map(pipelines.map(({ capture }) => [capture.camera.cameraId, capture]))
    const relay = new Relay({ ...hub, cameras, log: this.#log })
    await this.#add('relay', relay)

    const uplink = new Uplink({
      edgeId: config.edgeId,
      token: config.hub.token,
      mqttUrl: config.hub.mqttUrl,
      ...(config.hub.ca === undefined ? {} : { ca: config.hub.ca }),
      journal,
      describe: () => describeEdge(config, detection?.model),
      onRelay: (command) => relay.handle(command),
      log: log('uplink'),
    })
    await this.#add('uplink', uplink, () => uplink.start())

    const health = new Health({
      everySeconds: config.healthSeconds,
      cameras: () => pipelines.map((pipeline) => pipeline.health()),
      journalRecords: () => journal.stats().records,
      refusedMessages: () => devices.stats().refusedMessages + uplink.stats().refusedMessages,
      append: (record) => journal.append(record),
      log: log('health'),
    })
    await this.#add('health', health, () => health.start())
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

  async #findModels(): Promise<{ signal: LoadedModelInfo; detection: LoadedModelInfo | undefined }> {
    const repositoryRoot = join(import.meta.dirname, '..', '..')
    const { detector, cameras } = this.#config
    const catalogue = await readModelCatalogue(join(repositoryRoot, 'models', 'catalogue.json'))
    const folders = [
      ...detector.modelFolders,
      ...modelFolders({ repositoryRoot, ...this.#options.environment }),
    ]
    const signal = await findModel({ wanted: 'auto', catalogue, folders, task: 'signal' })
    if (cameras.length === 0) return { signal, detection: undefined }
    const detection = await findModel({ wanted: detector.model, catalogue, folders, task: 'detection' })
    return { signal, detection }
  }

  async #startDetection(model: LoadedModelInfo | undefined): Promise<Detection | undefined> {
    if (!model) return undefined
    const { detector, cameras } = this.#config
    const { inputWidthPx, inputHeightPx } = detector
    const wanted = cameras.flatMap(({ rules }) =>
      rules.flatMap((rule) => ('classes' in rule ? rule.classes : [])),
    )
    const pool = new DetectorPool({
      model,
      inputSize:
        inputWidthPx && inputHeightPx ? { widthPx: inputWidthPx, heightPx: inputHeightPx } : undefined,
      workers: detector.workers ?? Math.max(1, availableParallelism() - 1),
      // Weak boxes too: they keep a known object in sight, and the tracker begins none with them.
      scoreThreshold: Math.min(UNSURE_SCORE, detector.scoreThreshold ?? UNSURE_SCORE),
      classes: [...new Set([...DEFAULT_CLASSES, ...wanted])],
      log: this.#log.child({ component: 'detect' }),
    })
    await this.#add('detector', pool, () => pool.start(this.#lifetime.signal))
    this.#log.info({ model: model.entry.id, path: model.path, format: pool.frameFormat }, 'detector ready')
    return { model, pool, sureScore: detector.scoreThreshold ?? pool.usualScore }
  }

  #makePipelines(
    { model, pool, sureScore }: Detection,
    { evidence, recording, journal }: { evidence: EvidenceStore; recording: Recording; journal: Journal },
  ): CameraPipeline[] {
    const onAlert = async (record: AlertRecord) => void (await journal.append(record))
    const { id, sha256 } = model.entry
    return this.#config.cameras.map(
      (camera) =>
        new CameraPipeline({
          camera,
          pool,
          model: { id, sha256 },
          tracker: { sureScore },
          evidence,
          ring: recording.ringOf(camera.cameraId),
          onAlert,
          log: this.#log,
        }),
    )
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
