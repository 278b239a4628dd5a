/**
 * Keeps one camera's stream alive: starts a run, watches it, says how the camera is, and tries again with growing,
 * jittered pauses. States:
 *   connecting  no attempt has come to an end yet
 *   online      frames arrive
 *   degraded    frames arrive, but something is missing, or data arrives that gives no picture: `why` says what
 *   offline     no stream; `why` says the reason of the last attempt, also while the next one runs
 */
import type { CameraState } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { Backoff } from '../backoff.ts'
import type { CameraConfig } from '../config.ts'
import { RecentTimes } from '../detect/recent-times.ts'
import { redact } from '../redact.ts'
import { ArrivalClock } from './arrival-clock.ts'
import type { Container } from './capture-command.ts'
import { CaptureRun, type CaptureRunEnd } from './capture-run.ts'
import type { CompressedClip, CompressedUnit, PictureSink } from './compressed.ts'
import { FlvFeed } from './flv-feed.ts'
import type { Frame, FrameFormat, StillMoment } from './frame.ts'
import type { RawFrame } from './frame-assembler.ts'
import { HevcFlv } from './hevc-flv.ts'
import { SelectiveDecoder } from './selective-decoder.ts'
import { Transcoder } from './transcoder.ts'
import { TsFeed } from './ts-feed.ts'

export interface CaptureState {
  state: CameraState
  /** Empty when online. */
  why: string
}

export interface CaptureTimings {
  /** No data for this long means that the stream has stalled: it is started anew. */
  stallMs: number
  /** The first frame has to come within this time. */
  connectMs: number
  retryMinMs: number
  retryMaxMs: number
}

const DEFAULT_TIMINGS: CaptureTimings = {
  stallMs: 8000,
  connectMs: 20_000,
  retryMinMs: 500,
  retryMaxMs: 30_000,
}
/** It is looked so often whether the stream still runs, in the time after which it counts as stalled. */
const WATCHES_A_STALL = 8
const STOPPING = 'the edge is stopping'

export interface CameraCaptureOptions {
  camera: CameraConfig
  format: FrameFormat
  log: Logger
  transport?: 'tcp' | 'udp'
  timings?: Partial<CaptureTimings>
}

const CONTAINER_BY_CODEC: Readonly<Record<string, Container>> = { h264: 'flv', hevc: 'mpegts' }

export class CameraCapture {
  readonly camera: CameraConfig
  readonly #flv = new FlvFeed()
  /** H.265 for players that can play it, and as H.264 for those that cannot. */
  readonly #hevcFlv = new FlvFeed()
  readonly #hevc = new HevcFlv()
  readonly #transcoder: Transcoder
  readonly #ts = new TsFeed()
  readonly #options: CameraCaptureOptions
  readonly #timings: CaptureTimings
  readonly #log: Logger
  readonly #frameListeners = new Set<(frame: Frame) => void>()
  readonly #stillListeners = new Set<(moment: StillMoment) => void>()
  readonly #stateListeners = new Set<(state: CaptureState) => void>()
  readonly #decodeTimes = new RecentTimes()
  readonly #stopping = new AbortController()
  #state: CaptureState = { state: 'connecting', why: 'not started' }
  #loop: Promise<void> | undefined
  #run: CaptureRun | undefined
  #container: Container = 'flv'
  #sink: PictureSink | undefined
  /** Decodes what is needed; absent where the capture's own ffmpeg decodes everything. */
  #selective: SelectiveDecoder | undefined
  #picturesSeen = 0
  #picturesDecoded = 0
  #skipsFirstGroup = false
  #clock = new ArrivalClock()
  #lastDataAtMs = 0
  #lastFrameMonotonicMs = 0
  #lastFrameAtMs: number | undefined
  #framesCaptured = 0
  #framesOfRun = 0
  #runs = 0

  constructor(options: CameraCaptureOptions) {
    this.camera = options.camera
    this.#options = options
    this.#timings = { ...DEFAULT_TIMINGS, ...options.timings }
    this.#log = options.log.child({ component: 'capture', deviceId: options.camera.cameraId })
    const tap: PictureSink = {
      take: (unit, container, head) => this.#takePicture(unit, container, head),
      end: () => this.#endPictures(),
    }
    this.#flv.record(tap)
    this.#ts.record(tap)
    this.#transcoder = new Transcoder({ log: this.#log })
  }

  /** The camera's stream for players and the relay, as the camera codes it (masked: H.264). */
  get flv(): FlvFeed {
    return this.#container === 'mpegts' ? this.#hevcFlv : this.#flv
  }

  /** How that stream is coded; `undefined` while it is not known, and for what cannot be sent. */
  get codec(): 'h264' | 'h265' | undefined {
    if (this.#picturesSeen === 0) return undefined
    return this.#container === 'mpegts' ? 'h265' : this.#container === 'flv' ? 'h264' : undefined
  }

  /** The ffmpeg that converts H.265 for players, while one does. */
  get transcoderPid(): number | undefined {
    return this.#transcoder.pid
  }

  /** The stream in H.264: `useH264` keeps it coming where it has to be converted. */
  get h264(): FlvFeed {
    return this.#container === 'mpegts' ? this.#transcoder.feed : this.#flv
  }

  /** Converts H.265 from now on, until the answer is called; without H.265 it costs nothing. */
  useH264(): () => void {
    return this.#transcoder.use(this.#ts.current)
  }

  get state(): CaptureState {
    return this.#state
  }

  get framesCaptured(): number {
    return this.#framesCaptured
  }

  /** Connections tried since the start. */
  get runs(): number {
    return this.#runs
  }

  /** Capture time of the newest frame, wall clock. */
  get lastFrameAtMs(): number | undefined {
    return this.#lastFrameAtMs
  }

  /** The ffmpeg that holds the connection now. */
  get pid(): number | undefined {
    return this.#run?.pid
  }

  /** The ffmpeg that decodes, if that is another one. */
  get decoderPid(): number | undefined {
    return this.#selective?.pid
  }

  /** Coded pictures that came since the start, how many of them were decoded, and how many came too fast for that. */
  get pictures(): { seen: number; decoded: number; dropped: number } {
    const dropped = this.#selective?.droppedPictures ?? 0
    return { seen: this.#picturesSeen, decoded: this.#picturesDecoded, dropped }
  }

  /** Why every picture is decoded; empty while only those are that are needed. */
  get decodesAllBecause(): string {
    if (this.camera.decode === 'full') return 'it is set so'
    if (this.camera.masks.length > 0) return 'a privacy mask is drawn into every picture'
    if (this.#container === 'none') return 'its codec is passed on by no container'
    return this.#selective?.why ?? ''
  }

  /** Median time from the arrival of a coded picture to its frame, ms. */
  get decodeMsP50(): number {
    return this.#decodeTimes.median()
  }

  /** Something moves that is hard to see: everything is decoded for the next seconds. */
  keepAwake(): void {
    this.#selective?.keepAwake()
  }

  /** Every frame, in order. A listener that wants to keep up has to drop by itself. */
  onFrame(listener: (frame: Frame) => void): void {
    this.#frameListeners.add(listener)
  }

  /** As often as frames would come, while none is decoded because nothing moves. */
  onStill(listener: (moment: StillMoment) => void): void {
    this.#stillListeners.add(listener)
  }

  onState(listener: (state: CaptureState) => void): void {
    this.#stateListeners.add(listener)
  }

  /** Gives every coded picture to the sink, untouched. At most one sink; to be called before the start. */
  record(sink: PictureSink): void {
    this.#sink = sink
  }

  /** What is needed to decode the picture of a frame at full resolution; `undefined` when it is not held any more. */
  clipUpTo(streamMs: number): CompressedClip | undefined {
    return this.#container === 'mpegts' ? this.#ts.clipUpTo(streamMs) : this.#flv.clipUpTo(streamMs)
  }

  /** Begins and returns at once; ends when the signal aborts or at `close()`. */
  start(signal: AbortSignal): void {
    if (this.#loop) return
    signal.addEventListener('abort', () => void this.close(), { once: true })
    if (signal.aborted) this.#stopping.abort()
    this.#setState('connecting', 'the first connection is being made')
    this.#loop = this.#keepRunning()
  }

  /** Resolves when the camera's ffmpeg is gone. Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#run?.stop(STOPPING)
    await this.#loop
  }

  async #keepRunning(): Promise<void> {
    const { signal } = this.#stopping
    const backoff = new Backoff({ minMs: this.#timings.retryMinMs, maxMs: this.#timings.retryMaxMs })
    while (!signal.aborted) {
      const end = await this.#runOnce()
      this.#flv.reset(end.why)
      this.#ts.reset()
      this.#hevcFlv.reset(end.why)
      this.#hevc.reset()
      this.#transcoder.end(end.why)
      if (signal.aborted) break
      if (this.#adapt(end)) continue
      if (this.#framesOfRun > 0) backoff.reset()
      this.#setState('offline', end.why)
      this.#log.debug({ ffmpeg: end.lines }, 'the last lines of ffmpeg')
      await backoff.wait(signal)
    }
    await this.#selective?.close()
    await this.#transcoder.close(STOPPING)
    this.#setState('offline', STOPPING)
  }

  async #runOnce(): Promise<CaptureRunEnd> {
    this.#runs += 1
    this.#framesOfRun = 0
    this.#clock = new ArrivalClock()
    this.#lastDataAtMs = performance.now()
    this.#lastFrameMonotonicMs = this.#lastDataAtMs
    await this.#selective?.close()
    const isSelective = this.camera.decode === 'needed' && this.camera.masks.length === 0
    this.#selective = isSelective && this.#container !== 'none' ? this.#newSelective() : undefined
    const run = new CaptureRun({
      url: this.camera.url,
      analysisFps: this.camera.analysisFps,
      format: this.#options.format,
      transport: this.#options.transport ?? 'tcp',
      container: this.#container,
      skipsFirstGroup: this.#skipsFirstGroup,
      masks: this.camera.masks,
      ioTimeoutMs: this.#timings.stallMs,
      onFrame: this.#selective ? undefined : (frame) => this.#takeFrame(frame, false),
      onCodec: (codec) => {
        if (this.#containerOf(codec) !== this.#container) void run.stop(`the camera sends ${codec} now`)
      },
      onCompressed: (chunk, arrivedAtMs) => this.#takeCompressed(chunk, arrivedAtMs),
    })
    this.#run = run
    const watch = setInterval(() => this.#watch(run), this.#timings.stallMs / WATCHES_A_STALL)
    try {
      return await run.run()
    } catch (error) {
      // Only this machine's own resources (a temporary folder, a socket) fail in this way.
      return {
        why: `capture cannot start: ${redact((error as Error).message)}`,
        lines: [],
        codec: '',
        isFirstTimeMissing: false,
      }
    } finally {
      clearInterval(watch)
      this.#run = undefined
    }
  }

  /** Learns from a run how this camera has to be read; true if that was the cause of its end: then the next is due. */
  #adapt(end: CaptureRunEnd): boolean {
    const mustSkip = end.isFirstTimeMissing && !this.#skipsFirstGroup && this.#framesOfRun <= 1
    if (mustSkip) this.#skipsFirstGroup = true
    return this.#chooseContainer(end) || mustSkip
  }

  #chooseContainer(end: CaptureRunEnd): boolean {
    if (end.codec === '') return false
    const container = this.#containerOf(end.codec)
    const why = container === 'none' ? `live viewing is not possible: FLV cannot carry ${end.codec}` : ''
    this.#flv.setUnavailable(why)
    if (container === this.#container) return false
    this.#log.info({ codec: end.codec, container }, 'the codec decides how the compressed stream is carried')
    this.#container = container
    return true
  }

  /** A masked stream is coded here, as H.264 whatever the camera sends. */
  #containerOf(codec: string): Container {
    return this.camera.masks.length > 0 ? 'flv' : (CONTAINER_BY_CODEC[codec] ?? 'none')
  }

  #takeCompressed(chunk: Buffer, arrivedAtMs: number): void {
    this.#lastDataAtMs = performance.now()
    const feed = this.#container === 'mpegts' ? this.#ts : this.#flv
    for (const ptsMs of feed.push(chunk)) this.#clock.record(ptsMs, arrivedAtMs)
  }

  #newSelective(): SelectiveDecoder {
    return new SelectiveDecoder({
      format: this.#options.format,
      analysisFps: this.camera.analysisFps,
      log: this.#log,
      onFrame: (frame, isStill) => this.#takeFrame(frame, isStill),
      onStill: (streamMs) => {
        const capturedAtMs = this.#clock.arrivalOf(streamMs) ?? Date.now()
        for (const listener of this.#stillListeners) listener({ capturedAtMs, streamMs })
      },
      onFailure: (why) => void this.#run?.stop(`the pictures cannot be decoded: ${why}`),
    })
  }

  #takePicture(unit: CompressedUnit, container: CompressedClip['container'], head: readonly Buffer[]): void {
    this.#sink?.take(unit, container, head)
    if (container === 'mpegts') this.#sendHevc(unit)
    this.#picturesSeen += 1
    this.#picturesDecoded += this.#selective ? this.#selective.take(unit, container, head) : 1
  }

  #sendHevc(unit: CompressedUnit): void {
    for (const tag of this.#hevc.tagsOf(unit)) this.#hevcFlv.take(tag)
    this.#transcoder.take(unit)
  }

  #endPictures(): void {
    this.#sink?.end()
    this.#selective?.end()
  }

  #takeFrame(raw: RawFrame, isStill: boolean): void {
    const { widthPx, heightPx } = this.#options.format
    this.#lastDataAtMs = performance.now()
    this.#lastFrameMonotonicMs = this.#lastDataAtMs
    this.#framesCaptured += 1
    this.#framesOfRun += 1
    // A picture is passed on compressed about when it is decoded: if that has not come yet, this is its time.
    const capturedAtMs = this.#clock.arrivalOf(raw.streamMs) ?? Date.now()
    this.#decodeTimes.add(Math.max(0, Date.now() - capturedAtMs))
    this.#lastFrameAtMs = capturedAtMs
    this.#judgeState()
    const { cameraId } = this.camera
    const frame: Frame = { cameraId, capturedAtMs, widthPx, heightPx, isStill, ...raw }
    for (const listener of this.#frameListeners) listener(frame)
  }

  #watch(run: CaptureRun): void {
    const nowMs = performance.now()
    const silentMs = nowMs - this.#lastDataAtMs
    const framelessMs = nowMs - this.#lastFrameMonotonicMs
    const isWaitingForFirst = this.#framesOfRun === 0
    if (!isWaitingForFirst && silentMs > this.#timings.stallMs) {
      void run.stop(`the stream stalled: nothing came for ${Math.round(this.#timings.stallMs / 1000)} s`)
    } else if (framelessMs > Math.max(this.#timings.connectMs, this.#frameGapMs)) {
      void run.stop(`no picture could be decoded for ${Math.round(this.#timings.connectMs / 1000)} s`)
    } else if (!isWaitingForFirst) {
      this.#judgeState()
    }
  }

  /** More than this between two frames is unusual. */
  get #frameGapMs(): number {
    return Math.max(3000 / this.camera.analysisFps, 2.5 * (this.#selective?.keyIntervalMs ?? 0))
  }

  /** State of a run that has given frames. */
  #judgeState(): void {
    const nowMs = performance.now()
    const framelessMs = nowMs - this.#lastFrameMonotonicMs
    const lateMs = Math.max(this.#timings.stallMs / 2, this.#frameGapMs)
    if (framelessMs > lateMs) {
      const errors = (this.#run?.decodeErrors ?? 0) + (this.#selective?.decodeErrors ?? 0)
      const isDamaged = nowMs - this.#lastDataAtMs < lateMs && errors > 0
      this.#setState('degraded', isDamaged ? 'the pictures arrive damaged' : 'no new picture arrives')
    } else if (this.flv.unavailable) this.#setState('degraded', this.flv.unavailable)
    else this.#setState('online', '')
  }

  #setState(state: CameraState, why: string): void {
    if (this.#state.state === state && this.#state.why === why) return
    const before = this.#state.state
    this.#state = { state, why: why.slice(0, 300) }
    if (before !== state) {
      if ((state === 'offline' || state === 'degraded') && why !== STOPPING)
        this.#log.warn({ state, why }, 'camera state changed')
      else this.#log.info({ state }, 'camera state changed')
    }
    for (const listener of this.#stateListeners) listener(this.#state)
  }
}
