/**
 * One camera from picture to alert: capture, detect, track, judge. Frames of one camera are judged in the order of
 * their capture. Whatever happens to one frame or one alert is counted and logged, and the next frame goes on.
 */
import { randomUUID } from 'node:crypto'
import type { AlertRecord, CameraHealth, CameraState, ModelRef, NormBox } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { pause } from './backoff.ts'
import { CameraCapture, type CameraCaptureOptions } from './capture/camera-capture.ts'
import type { Frame, StillMoment } from './capture/frame.ts'
import type { CameraConfig } from './config.ts'
import type { Detection } from './detect/detection.ts'
import type { Detector } from './detect/detector.ts'
import type { EvidenceStore } from './evidence/evidence-store.ts'
import { Judge } from './judge/judge.ts'
import type { Normality } from './judge/normality/normality.ts'
import type { CameraRing } from './recording/camera-ring.ts'
import { MovingCells } from './track/moving-cells.ts'
import type { Track } from './track/track.ts'
import { Tracker, type TrackerOptions } from './track/tracker.ts'

const REPORT_EVERY_MS = 60_000
/** How long after its limit a lost signal may be told of. */
const SIGNAL_EVERY_MS = 1000
const CLOSE_MS = 3000
/** No frame is this late: further back, the clock was set. */
const CLOCK_STEP_MS = 5000
/** Rates are not counted over less. */
const MIN_RATE_SECONDS = 1
/** A frame that shows nothing new is given to the detector all the same after this time: it sees what pixels do not. */
const DETECT_EVERY_MS = 10_000
/** Whoever has been followed for less than this may be moving. */
const YOUNG_TRACK_MS = 2000
/** Part of its own height by which an object has moved within `YOUNG_TRACK_MS`, to count as moving. */
const MOVED_HEIGHTS = 0.1

export interface CameraPipelineOptions {
  camera: CameraConfig
  pool: Detector
  model: ModelRef
  evidence: EvidenceStore
  /** Records the camera, so that alerts can have clips. */
  ring?: CameraRing | undefined
  /** What the camera has learned, and the model that judges by it; for a camera with the rule `unusual`. */
  normality?: { scene: Normality; model: ModelRef } | undefined
  /** Resolves when the alert is durable; its evidence is asked for afterwards. */
  onAlert: (record: AlertRecord) => Promise<void>
  log: Logger
  timings?: CameraCaptureOptions['timings']
  /** By default that of ByteTrack for a detector whose sure detections score 0.4 and more. */
  tracker?: Partial<TrackerOptions>
}

/** What the camera showed when an alert was decided. */
interface Moment {
  /** False when there was no picture to decide it. */
  isPicture: boolean
  /** The recorded stream; empty if there is none. */
  streamId: string
  /** Stream clock. */
  streamMs: number
}

export class CameraPipeline {
  readonly capture: CameraCapture
  readonly #options: CameraPipelineOptions
  readonly #log: Logger
  readonly #tracker: Tracker
  readonly #moving = new MovingCells()
  readonly #judge: Judge
  readonly #inFlight = new Set<Promise<void>>()
  #lastJudgedAtMs = Number.NEGATIVE_INFINITY
  /** What was found in the last frame that a detector has seen, and its shape. */
  #seen: { detections: Detection[]; aspect: number; atMs: number } | undefined
  #counted = { atMs: performance.now(), seen: 0, decoded: 0, rates: {} as Partial<CameraHealth> }
  #failures = 0
  #lateFrames = 0
  #alerts = 0
  #report: NodeJS.Timeout | undefined
  #signalWatch: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(options: CameraPipelineOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'pipeline', deviceId: options.camera.cameraId })
    this.#tracker = new Tracker(options.tracker)
    this.#judge = new Judge(options.camera, options.model)
    this.capture = new CameraCapture({
      camera: options.camera,
      format: options.pool.formatOf(options.camera.detail),
      log: options.log,
      ...(options.timings ? { timings: options.timings } : {}),
    })
    if (options.ring) this.capture.record(options.ring)
    this.capture.onFrame((frame) => this.#follow(this.#analyse(frame)))
    this.capture.onStill((moment) => this.#follow(this.#goOn(moment)))
    this.capture.onState(({ state, why }) => this.#follow(this.#judgeSignal(state, why)))
  }

  /** Alerts raised since the start. */
  get alerts(): number {
    return this.#alerts
  }

  start(signal: AbortSignal): void {
    this.capture.start(signal)
    this.#report = setInterval(() => this.#reportFailures(), REPORT_EVERY_MS)
    this.#signalWatch = setInterval(() => {
      const { state, why } = this.capture.state
      this.#follow(this.#judgeSignal(state, why))
    }, SIGNAL_EVERY_MS)
  }

  /** Stops the camera and waits for the frames that are being analysed. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#report)
    clearInterval(this.#signalWatch)
    this.#isClosing = true
    await this.capture.close()
    // A detector that hangs must not keep the edge from stopping.
    const done = new AbortController()
    await Promise.race([Promise.all(this.#inFlight), pause(CLOSE_MS, done.signal)])
    done.abort()
    this.#reportFailures()
  }

  health(): CameraHealth {
    const { cameraId } = this.#options.camera
    const { analysed, dropped, inferenceMsP50 } = this.#options.pool.stats(cameraId)
    const { lastFrameAtMs, decodesAllBecause, decodeMsP50, pictures, codec } = this.capture
    return {
      cameraId,
      ...this.capture.state,
      framesAnalysed: analysed,
      framesDropped: dropped + this.#lateFrames + pictures.dropped,
      inferenceMsP50,
      decodeMsP50,
      ...this.#pictureRates(pictures),
      ...(decodesAllBecause === '' ? {} : { decodesAllBecause }),
      ...(lastFrameAtMs === undefined ? {} : { lastFrameAtMs }),
      ...(codec === undefined ? {} : { codec }),
    }
  }

  /** Since the last call; nothing when that is too short ago to say, or no picture came. */
  #pictureRates({ seen, decoded }: { seen: number; decoded: number }): Partial<CameraHealth> {
    const before = this.#counted
    const atMs = performance.now()
    const seconds = (atMs - before.atMs) / 1000
    const pictures = seen - before.seen
    if (seconds < MIN_RATE_SECONDS) return before.rates
    const rates: Partial<CameraHealth> =
      pictures === 0
        ? {}
        : {
            picturesPerSecond: Math.round((10 * pictures) / seconds) / 10,
            decodedShare: Math.min(1, Math.round((100 * (decoded - before.decoded)) / pictures) / 100),
          }
    this.#counted = { atMs, seen, decoded, rates }
    return rates
  }

  #follow(work: Promise<void>): void {
    const followed: Promise<void> = work
      .catch((err: unknown) => {
        if (this.#failures === 0) this.#log.error({ err }, 'a frame could not be analysed')
        this.#failures += 1
      })
      .finally(() => this.#inFlight.delete(followed))
    this.#inFlight.add(followed)
  }

  async #analyse(frame: Frame): Promise<void> {
    const { pool, camera } = this.#options
    const { capturedAtMs, streamMs } = frame
    const streamId = this.#options.ring?.position.streamId ?? ''
    const moment: Moment = { isPicture: true, streamId, streamMs }
    if (camera.rules.length === 0) return
    // Before the detector borrows the pixels.
    const luma = this.#judge.lumaOf(frame)
    const ofPicture = this.#judge.observePicture(frame, luma)
    for (const alert of ofPicture) {
      if (alert.rule === 'moved-camera') this.#options.normality?.scene.forget()
      await this.#raise(alert, moment)
    }
    if (!this.#judge.needsTracks) return
    const isMovingIn = this.#moving.observe(frame)
    const known = frame.isStill ? this.#known(capturedAtMs) : undefined
    const detections = known ?? (await pool.submit(frame))
    if (!detections) return
    // A detector may answer out of order, and a track cannot go back in time; but when this machine's clock was set
    // back, the tracker begins anew.
    const behindMs = this.#lastJudgedAtMs - capturedAtMs
    if (behindMs >= 0 && behindMs < CLOCK_STEP_MS) {
      this.#lateFrames += 1
      return
    }
    const aspect = frame.pictureWidthPx / frame.pictureHeightPx
    if (!known) this.#seen = { detections, aspect, atMs: capturedAtMs }
    const { tracks, alerts } = this.#judgeTracks({ detections, aspect }, capturedAtMs, isMovingIn)
    if (!known && tracks.some((track) => isMoving(track, capturedAtMs))) this.capture.keepAwake()
    if (luma) alerts.push(...this.#judge.observeStill(luma, tracks, capturedAtMs))
    alerts.push(...(await this.#judgeNormality(tracks, capturedAtMs, aspect)))
    for (const alert of alerts) await this.#raise(alert, moment)
  }

  /** Nothing moves: what was seen last is seen still, and rules that count time go on. */
  async #goOn({ capturedAtMs, streamMs }: StillMoment): Promise<void> {
    // A frame that is being analysed may know better.
    if (!this.#seen || this.#inFlight.size > 0 || capturedAtMs <= this.#lastJudgedAtMs) return
    const streamId = this.#options.ring?.position.streamId ?? ''
    const { alerts } = this.#judgeTracks(this.#seen, capturedAtMs)
    for (const alert of alerts) await this.#raise(alert, { isPicture: true, streamId, streamMs })
  }

  /** What the last frame showed, if that is recent enough to stand for one that shows nothing new. */
  #known(atMs: number): Detection[] | undefined {
    const ageMs = atMs - (this.#seen?.atMs ?? Number.NEGATIVE_INFINITY)
    return ageMs >= 0 && ageMs < DETECT_EVERY_MS ? this.#seen?.detections : undefined
  }

  #judgeTracks(
    { detections, aspect }: { detections: readonly Detection[]; aspect: number },
    atMs: number,
    isMovingIn?: (box: NormBox) => boolean,
  ): { tracks: Track[]; alerts: AlertRecord[] } {
    this.#lastJudgedAtMs = atMs
    const tracks = this.#tracker.update(detections, atMs, isMovingIn)
    return { tracks, alerts: this.#judge.observe(tracks, atMs, aspect) }
  }

  async #judgeNormality(tracks: readonly Track[], atMs: number, aspect: number): Promise<AlertRecord[]> {
    const { normality } = this.#options
    if (!normality) return []
    const mayAlert = this.#judge.mayTellUnusual(atMs)
    const finding = await normality.scene.observe({ tracks, atMs, aspect }, mayAlert)
    return finding ? this.#judge.tellUnusual(finding, normality.model, tracks, atMs) : []
  }

  /** A camera that is closed on purpose has lost nothing. */
  async #judgeSignal(state: CameraState, why: string): Promise<void> {
    if (this.#isClosing) return
    const { streamId, ptsMs } = this.#options.ring?.position ?? { streamId: '', ptsMs: 0 }
    for (const alert of this.#judge.observeSignal(state, why, Date.now())) {
      await this.#raise(alert, { isPicture: false, streamId, streamMs: ptsMs })
    }
  }

  async #raise(found: AlertRecord, moment: Moment): Promise<void> {
    const { evidence, onAlert } = this.#options
    const { alertId, atMs } = found
    const { isPicture, streamId, streamMs } = moment
    // Which of them exist in the end is said by their own records.
    const snapshot = isPicture ? randomUUID() : undefined
    const marked = isPicture && found.objects.length > 0 ? randomUUID() : undefined
    const clip = streamId === '' ? undefined : randomUUID()
    const evidenceIds = [snapshot, marked, clip].filter((id) => id !== undefined)
    const alert = { ...found, evidenceIds }
    this.#alerts += 1
    await onAlert(alert)
    this.#log.info({ alertId, rule: alert.rule }, 'alert raised')
    if (snapshot !== undefined) {
      evidence.requestSnapshot({
        evidenceId: snapshot,
        alertId,
        atMs,
        camera: this.capture,
        streamMs,
        ...(marked === undefined ? {} : { marked: { evidenceId: marked, marks: alert.objects } }),
      })
    }
    const { cameraId } = this.#options.camera
    if (clip !== undefined)
      evidence.requestClip({ evidenceId: clip, alertId, cameraId, atMs, streamId, streamMs })
  }

  #reportFailures(): void {
    if (this.#failures > 0) this.#log.error({ failures: this.#failures }, 'frames could not be analysed')
    this.#failures = 0
  }
}

/** True for an object that came a moment ago or has moved since: pixels alone may not show it. */
function isMoving({ firstSeenAtMs, boxNorm, path, pathAtMs }: Track, atMs: number): boolean {
  if (atMs - firstSeenAtMs < YOUNG_TRACK_MS) return true
  const height = boxNorm[3] - boxNorm[1]
  const [x, y] = path.at(-1)!
  const before = pathAtMs.findIndex((each) => atMs - each < YOUNG_TRACK_MS)
  const [oldX, oldY] = path[before]!
  return Math.hypot(x - oldX, y - oldY) > MOVED_HEIGHTS * height
}
