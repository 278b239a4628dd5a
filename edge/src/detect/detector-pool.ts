/**
 * Shares a few detection threads among all cameras. Frames come in at each camera's own pace; a camera has at most
 * one frame waiting and one with a thread, and the cameras that wait are served in turn, so that a fast camera takes
 * nothing from a slow one. Boxes of one camera are returned in the order of its frames.
 */
import { isMarkedAsUntransferable } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { Frame, FrameFormat } from '../capture/frame.ts'
import { EdgeError } from '../errors.ts'
import type { Detection } from './detection.ts'
import { decoderOf } from './detection-session.ts'
import { type AnalyseOutcome, DetectionThread } from './detection-thread.ts'
import type { Detector, DetectorStats } from './detector.ts'
import type { LoadedModelInfo } from './model-file.ts'
import { RecentTimes } from './recent-times.ts'
import type { FrameSize } from './worker-messages.ts'

/** What moves on a street. Detectors report many other things, mostly wrongly. */
export const DEFAULT_CLASSES: readonly string[] = ['person', 'bicycle', 'car', 'motorcycle', 'bus', 'truck']

export interface DetectorPoolOptions {
  model: LoadedModelInfo
  /** Size of the analysed frames, in multiples of the decoder's step; by default the catalogue's. */
  inputSize?: FrameSize | undefined
  /** How many times that size frames may be, for cameras that are looked at more closely; always 1 as well. */
  details?: readonly number[] | undefined
  /** Threads, one core each. */
  workers: number
  /** 0..1; by default the decoder's. */
  scoreThreshold?: number | undefined
  classes?: readonly string[] | undefined
  /** What the model runs on; the processor unless set. */
  device?: 'cpu' | 'cuda' | undefined
  log: Logger
  /** Another worker file, for tests that inject faults. */
  workerFile?: URL | undefined
}

interface WaitingFrame {
  frame: Frame
  resolve: (detections: Detection[] | undefined) => void
  reject: (error: EdgeError) => void
}

interface CameraCounts {
  analysed: number
  dropped: number
  failed: number
  inferenceTimes: RecentTimes
}

export class DetectorPool implements Detector {
  readonly frameFormat: FrameFormat
  /** A score below which false boxes outnumber true ones with this model. */
  readonly usualScore: number
  readonly #threads: DetectionThread[]
  readonly #step: number
  readonly #sizes: readonly FrameSize[]
  /** The newest frame of each camera that no thread has taken, in the order in which the cameras are served. */
  readonly #waiting = new Map<string, WaitingFrame>()
  readonly #busyCameras = new Set<string>()
  readonly #counts = new Map<string, CameraCounts>()
  #isClosed = false

  /** Throws EDGE_MODEL_CATALOGUE or EDGE_MODEL_SHAPE when the model cannot take frames of this size. */
  constructor(options: DetectorPoolOptions) {
    const { model, log, workerFile } = options
    const decoder = decoderOf(model.entry)
    const { widthPx, heightPx, channels } = model.entry.input
    const size = options.inputSize ?? (widthPx && heightPx ? { widthPx, heightPx } : undefined)
    if (!size || !channels)
      throw new EdgeError(
        'EDGE_MODEL_CATALOGUE',
        `${model.entry.id}: widthPx, heightPx or channels is missing`,
      )
    const step = model.entry.input.sizeMultiple ?? decoder.sizeMultiple
    if (!isMultiple(size.widthPx, step) || !isMultiple(size.heightPx, step))
      throw new EdgeError(
        'EDGE_MODEL_SHAPE',
        `${model.path} takes frames in multiples of ${step} pixels, not ${size.widthPx}x${size.heightPx}`,
      )
    const classes = options.classes ?? DEFAULT_CLASSES
    const unknown = classes.filter((name) => !model.entry.classes.includes(name))
    if (unknown.length > 0)
      throw new EdgeError(
        'EDGE_MODEL_CATALOGUE',
        `${model.entry.id} does not know the classes ${unknown.join(', ')}`,
      )
    this.frameFormat = { ...size, channels, padding: decoder.padding }
    this.usualScore = decoder.scoreThreshold
    this.#step = step
    const sizes = [1, ...(options.details ?? [])].map((detail) => this.formatOf(detail))
    this.#sizes = sizes
      .map(({ widthPx, heightPx }) => ({ widthPx, heightPx }))
      .filter(({ widthPx }, index) => sizes.findIndex((other) => other.widthPx === widthPx) === index)
    const settings = {
      model,
      sizes: this.#sizes,
      scoreThreshold: options.scoreThreshold ?? decoder.scoreThreshold,
      classes,
      device: options.device,
    }
    this.#threads = Array.from(
      { length: options.workers },
      () => new DetectionThread({ settings, log, workerFile, onRoom: () => this.#serveNext() }),
    )
  }

  /**
   * Loads the model in every thread. Rejects with the model's error (EDGE_MODEL_HASH, EDGE_MODEL_SHAPE, …) and leaves
   * nothing running. Aborting the signal closes the pool.
   */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => void this.close(), { once: true })
    const results = await Promise.allSettled(this.#threads.map((thread) => thread.start()))
    const failure = results.find((result) => result.status === 'rejected')
    if (!failure) return
    await this.close()
    throw failure.reason
  }

  formatOf(detail: number): FrameFormat {
    const { widthPx, heightPx } = this.frameFormat
    const multiple = (sizePx: number) => Math.round((sizePx * detail) / this.#step) * this.#step
    return { ...this.frameFormat, widthPx: multiple(widthPx), heightPx: multiple(heightPx) }
  }

  async submit(frame: Frame): Promise<Detection[] | undefined> {
    this.#checkFrame(frame)
    if (this.#isClosed) return undefined
    const { promise, resolve, reject } = Promise.withResolvers<Detection[] | undefined>()
    const replaced = this.#waiting.get(frame.cameraId)
    // Setting an existing key keeps its place, so a camera does not lose its turn to its own newer frame.
    this.#waiting.set(frame.cameraId, { frame, resolve, reject })
    if (replaced) {
      this.#countsOf(frame.cameraId).dropped++
      replaced.resolve(undefined)
    }
    this.#serveNext()
    return promise
  }

  stats(cameraId: string): DetectorStats {
    const counts = this.#counts.get(cameraId)
    if (!counts) return { analysed: 0, dropped: 0, failed: 0, inferenceMsP50: 0 }
    const { inferenceTimes, ...rest } = counts
    return { ...rest, inferenceMsP50: inferenceTimes.median() }
  }

  /** Frames that wait are answered with `undefined`; those with a thread are finished. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { resolve } of this.#waiting.values()) resolve(undefined)
    this.#waiting.clear()
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }

  #serveNext(): void {
    for (let thread = this.#freest(); thread; thread = this.#freest()) {
      const next = this.#takeNext()
      if (!next) return
      void this.#analyse(thread, next)
    }
  }

  /** The thread that will come soonest to a frame given to it now, if one can take any. */
  #freest(): DetectionThread | undefined {
    let freest: DetectionThread | undefined
    for (const thread of this.#threads)
      if (thread.hasRoom && (!freest || thread.held < freest.held)) freest = thread
    return freest
  }

  /** The longest-waiting camera that has no frame with a thread. */
  #takeNext(): WaitingFrame | undefined {
    for (const [cameraId, waiting] of this.#waiting) {
      if (this.#busyCameras.has(cameraId)) continue
      this.#waiting.delete(cameraId)
      return waiting
    }
    return undefined
  }

  async #analyse(thread: DetectionThread, { frame, resolve, reject }: WaitingFrame): Promise<void> {
    const { cameraId, widthPx, heightPx, pictureWidthPx, pictureHeightPx } = frame
    const counts = this.#countsOf(cameraId)
    this.#busyCameras.add(cameraId)
    const pixels = transferable(frame.data)
    frame.data = new Uint8Array(0)
    const outcome: AnalyseOutcome = await thread.analyse({
      kind: 'analyse',
      cameraId,
      pixels,
      widthPx,
      heightPx,
      pictureWidthPx,
      pictureHeightPx,
    })
    this.#busyCameras.delete(cameraId)
    if (outcome.pixels) frame.data = outcome.pixels
    if (outcome.ok) {
      counts.analysed++
      counts.inferenceTimes.add(outcome.inferenceMs)
      resolve(outcome.detections)
    } else if (this.#isClosed) {
      resolve(undefined)
    } else {
      counts.failed++
      reject(outcome.error)
    }
    this.#serveNext()
  }

  #countsOf(cameraId: string): CameraCounts {
    let counts = this.#counts.get(cameraId)
    if (!counts) {
      counts = { analysed: 0, dropped: 0, failed: 0, inferenceTimes: new RecentTimes() }
      this.#counts.set(cameraId, counts)
    }
    return counts
  }

  #checkFrame(frame: Frame): void {
    const { widthPx, heightPx } = frame
    const fits =
      this.#sizes.some((size) => size.widthPx === widthPx && size.heightPx === heightPx) &&
      frame.data.length === widthPx * heightPx * 3 &&
      frame.pictureWidthPx > 0 &&
      frame.pictureWidthPx <= widthPx &&
      frame.pictureHeightPx > 0 &&
      frame.pictureHeightPx <= heightPx
    if (!fits)
      throw new EdgeError(
        'EDGE_FRAME_FORMAT',
        `camera ${frame.cameraId}: frame ${frame.widthPx}x${frame.heightPx} with a picture of ` +
          `${frame.pictureWidthPx}x${frame.pictureHeightPx} in ${frame.data.length} bytes; ` +
          `the detector takes ${this.#sizes.map((size) => `${size.widthPx}x${size.heightPx} in ${size.widthPx * size.heightPx * 3} bytes`).join(', ')}`,
      )
  }
}

/** The same pixels in memory of their own that can be moved to another thread; copied only when they share theirs. */
function transferable(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = data
  const isWhole = data.byteOffset === 0 && data.byteLength === buffer.byteLength
  if (isWhole && buffer instanceof ArrayBuffer && !isMarkedAsUntransferable(buffer))
    return new Uint8Array(buffer)
  return new Uint8Array(data)
}

function isMultiple(value: number, step: number): boolean {
  return value > 0 && value % step === 0
}
