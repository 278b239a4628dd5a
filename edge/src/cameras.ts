/**
 * All cameras of an edge with what they share: the detector's threads and the recording. A change of configuration
 * restarts the cameras that it changes; another detector restarts them all.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { AlertRecord, CameraHealth, ModelEntry } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CameraCapture } from './capture/camera-capture.ts'
import { requireFfmpeg } from './capture/ffmpeg-process.ts'
import type { CameraConfig, EdgeConfig, EdgeEnvironment } from './config.ts'
import { DEFAULT_CLASSES, DetectorPool } from './detect/detector-pool.ts'
import { findModel, type LoadedModelInfo, modelFolders, readModelCatalogue } from './detect/model-file.ts'
import type { EvidenceStore } from './evidence/evidence-store.ts'
import { Normalities } from './judge/normality/normalities.ts'
import { CameraPipeline } from './pipeline.ts'
import type { Recording, RecordingLimits } from './recording/recording.ts'
import { UNSURE_SCORE } from './track/tracker.ts'

type CamerasConfig = Pick<EdgeConfig, 'cameras' | 'detector' | 'recording'>

export interface CamerasOptions {
  environment: EdgeEnvironment
  dataDir: string
  recording: Recording
  evidence: EvidenceStore
  /** Resolves when the alert is durable. */
  onAlert: (record: AlertRecord) => Promise<void>
  log: Logger
}

interface Detection {
  model: LoadedModelInfo
  pool: DetectorPool
  /** From this score on a detection may begin a track. */
  sureScore: number
  /** Classes that the pool reports. */
  classes: ReadonlySet<string>
  /** How closely it can look. */
  details: ReadonlySet<number>
}

export class Cameras {
  /** Those that run, by id; kept up to date. */
  readonly captures: ReadonlyMap<string, CameraCapture>
  readonly #captures = new Map<string, CameraCapture>()
  readonly #options: CamerasOptions
  readonly #log: Logger
  readonly #pipelines = new Map<string, CameraPipeline>()
  readonly #lifetime = new AbortController()
  readonly #normalities: Normalities
  #config: CamerasConfig | undefined
  #detection: Detection | undefined

  constructor(options: CamerasOptions) {
    this.#options = options
    this.#log = options.log
    this.captures = this.#captures
    const { dataDir, log } = options
    this.#normalities = new Normalities({
      dataDir,
      log,
      findModel: () => this.#findModel('normality', 'auto'),
    })
  }

  /** The detection model; `undefined` without cameras. */
  get model(): LoadedModelInfo | undefined {
    return this.#detection?.model
  }

  health(): CameraHealth[] {
    return [...this.#pipelines.values()].map((pipeline) => pipeline.health())
  }

  /**
   * Starts the cameras, or goes over to another configuration; answers the ids of those that were started or ended.
   * Throws EdgeError when the model or ffmpeg is missing: apply the former configuration then.
   */
  async apply(config: CamerasConfig): Promise<string[]> {
    const before = this.#config
    const isDetectorNew = !before || !this.#detection || this.#needsOtherDetector(before, config)
    const touched = new Set<string>()
    for (const camera of before?.cameras ?? []) {
      const now = config.cameras.find(({ cameraId }) => cameraId === camera.cameraId)
      if (isDetectorNew || !isDeepStrictEqual(camera, now)) touched.add(camera.cameraId)
    }
    // Ended together: a camera that does not answer takes its time to let go.
    await Promise.all([...touched].map((cameraId) => this.#end(cameraId)))
    this.#config = config
    await this.#options.recording.apply(recordingLimits(config))
    if (isDetectorNew) await this.#replaceDetection(config)
    for (const camera of config.cameras) {
      if (this.#pipelines.has(camera.cameraId)) continue
      await this.#begin(camera)
      touched.add(camera.cameraId)
    }
    return [...touched]
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pipelines.keys()].map((cameraId) => this.#end(cameraId)))
    this.#lifetime.abort()
    await this.#normalities.close()
    await this.#detection?.pool.close()
    this.#detection = undefined
  }

  #needsOtherDetector(before: CamerasConfig, config: CamerasConfig): boolean {
    const { classes, details } = this.#detection!
    return (
      !isDeepStrictEqual(before.detector, config.detector) ||
      wantedClasses(config.cameras).some((name) => !classes.has(name)) ||
      config.cameras.some(({ detail }) => !details.has(detail))
    )
  }

  async #replaceDetection(config: CamerasConfig): Promise<void> {
    await this.#detection?.pool.close()
    this.#detection = undefined
    if (config.cameras.length === 0) return
    await requireFfmpeg()
    const { detector } = config
    const { inputWidthPx, inputHeightPx } = detector
    const model = await this.#findModel('detection', detector.model)
    const classes = [...new Set([...DEFAULT_CLASSES, ...wantedClasses(config.cameras)])]
    const details = new Set(config.cameras.map(({ detail }) => detail))
    const pool = new DetectorPool({
      model,
      details: [...details],
      inputSize:
        inputWidthPx && inputHeightPx ? { widthPx: inputWidthPx, heightPx: inputHeightPx } : undefined,
      workers: detector.workers ?? Math.max(1, availableParallelism() - 1),
      // Weak boxes too: they keep a known object in sight, and the tracker begins none with them.
      scoreThreshold: Math.min(UNSURE_SCORE, detector.scoreThreshold ?? UNSURE_SCORE),
      classes,
      device: detector.device,
      log: this.#log.child({ component: 'detect' }),
    })
    try {
      await pool.start(this.#lifetime.signal)
    } catch (error) {
      await pool.close()
      throw error
    }
    const sureScore = detector.scoreThreshold ?? pool.usualScore
    this.#detection = { model, pool, sureScore, classes: new Set(classes), details }
    this.#log.info({ model: model.entry.id, path: model.path, format: pool.frameFormat }, 'detector ready')
  }

  async #findModel(task: ModelEntry['task'], wanted: string): Promise<LoadedModelInfo> {
    const repositoryRoot = join(import.meta.dirname, '..', '..')
    const catalogue = await readModelCatalogue(join(repositoryRoot, 'models', 'catalogue.json'))
    const folders = [
      ...(this.#config?.detector.modelFolders ?? []),
      ...modelFolders({ repositoryRoot, ...this.#options.environment }),
    ]
    return findModel({ wanted, catalogue, folders, task })
  }

  async #begin(camera: CameraConfig): Promise<void> {
    const { model, pool, sureScore } = this.#detection!
    const { evidence, recording, onAlert, log } = this.#options
    const { id, sha256 } = model.entry
    const pipeline = new CameraPipeline({
      camera,
      pool,
      model: { id, sha256 },
      tracker: { sureScore },
      evidence,
      ring: recording.ringOf(camera.cameraId),
      normality: await this.#normalities.of(camera),
      onAlert,
      log,
    })
    this.#pipelines.set(camera.cameraId, pipeline)
    this.#captures.set(camera.cameraId, pipeline.capture)
    pipeline.start(this.#lifetime.signal)
  }

  async #end(cameraId: string): Promise<void> {
    const pipeline = this.#pipelines.get(cameraId)
    this.#pipelines.delete(cameraId)
    this.#captures.delete(cameraId)
    await pipeline?.close()
  }
}

function wantedClasses(cameras: readonly CameraConfig[]): string[] {
  return cameras.flatMap(({ rules }) => rules.flatMap((rule) => ('classes' in rule ? rule.classes : [])))
}

const MEGABYTE = 1024 ** 2

/** What the recording is to hold. */
export function recordingLimits({ cameras, recording }: CamerasConfig): RecordingLimits {
  const recorded = cameras.filter(({ recording: { isOn } }) => isOn)
  return {
    maxBytes: recording.maxMegabytes * MEGABYTE,
    cameras: new Map(
      recorded.map(({ cameraId, recording: { maxMegabytes } }) => [
        cameraId,
        { maxBytes: maxMegabytes * MEGABYTE, maxAgeMs: recording.maxMinutes * 60_000 },
      ]),
    ),
  }
}
