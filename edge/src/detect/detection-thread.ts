/**
 * Owns one worker thread with a detection model. A thread of a quick model is given the next frame while it analyses
 * one, so that it does not wait for an answer to travel. A thread that ends unasked is started again, later each time
 * it ends without having analysed anything; the frames it held are reported as failed.
 */
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { EdgeError } from '../errors.ts'
import type { Detection } from './detection.ts'
import type { AnalyseRequest, DetectionWorkerData, WorkerReply, WorkerRequest } from './worker-messages.ts'

const WORKER_FILE = new URL('./detection-worker.ts', import.meta.url)
const RESTART_FIRST_MS = 250
const RESTART_LONGEST_MS = 30_000
/**
 * A model this quick or quicker is given the next frame ahead. With a slower one there is nothing to gain, and a frame
 * that waits with the pool can still be replaced by a newer one.
 */
const QUICK_MS = 30
/** Far longer than a model takes to load or run. */
const CLOSE_DEADLINE_MS = 10_000

export type AnalyseOutcome =
  | { ok: true; detections: Detection[]; inferenceMs: number; pixels: Uint8Array<ArrayBuffer> }
  /** `pixels` is missing when the thread took them with it. */
  | { ok: false; error: EdgeError; pixels?: Uint8Array<ArrayBuffer> }

export interface DetectionThreadOptions {
  settings: DetectionWorkerData
  log: Logger
  /** Called whenever the thread becomes able to take a request. */
  onRoom: () => void
  /** Another worker file, for tests that inject faults. */
  workerFile?: URL | undefined
}

export class DetectionThread {
  readonly #options: DetectionThreadOptions
  #worker: Worker | undefined
  #state: 'starting' | 'ready' | 'down' | 'closed' = 'down'
  #started = Promise.withResolvers<void>()
  /** Of the frames that the thread holds, in the order in which they were given to it. */
  #answers: ((outcome: AnalyseOutcome) => void)[] = []
  /** Infinite until the thread has analysed a frame. */
  #lastInferenceMs = Number.POSITIVE_INFINITY
  #endsSinceSuccess = 0
  #closing: Promise<void> | undefined
  #restartTimer: NodeJS.Timeout | undefined

  constructor(options: DetectionThreadOptions) {
    this.#options = options
  }

  /** Resolves when the model is loaded. Rejects with the worker's EDGE_MODEL_… error, or EDGE_DETECTION_FAILED. */
  start(): Promise<void> {
    this.#spawn()
    return this.#started.promise
  }

  /** Frames that the thread analyses or has been given ahead. */
  get held(): number {
    return this.#answers.length
  }

  get hasRoom(): boolean {
    return this.#state === 'ready' && this.held < (this.#lastInferenceMs <= QUICK_MS ? 2 : 1)
  }

  /** Only while `hasRoom`. The memory of `request.pixels` moves to the thread and comes back with the outcome. */
  analyse(request: AnalyseRequest): Promise<AnalyseOutcome> {
    if (!this.hasRoom) throw new Error(`the detection thread is ${this.#state} and holds ${this.held} frames`)
    const { promise, resolve } = Promise.withResolvers<AnalyseOutcome>()
    this.#answers.push(resolve)
    this.#worker!.postMessage(request, [request.pixels.buffer])
    return promise
  }

  /** Waits for the frames that the thread holds, at most CLOSE_DEADLINE_MS. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#state = 'closed'
    clearTimeout(this.#restartTimer)
    const worker = this.#worker
    if (!worker) return
    // Not `once` of node:events, which rejects when the thread fails at its end.
    const hasEnded = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage({ kind: 'close' } satisfies WorkerRequest)
    const deadline = setTimeout(() => void worker.terminate(), CLOSE_DEADLINE_MS)
    await hasEnded
    clearTimeout(deadline)
  }

  #spawn(): void {
    this.#state = 'starting'
    this.#lastInferenceMs = Number.POSITIVE_INFINITY
    const worker = new Worker(this.#options.workerFile ?? WORKER_FILE, {
      name: 'detection',
      workerData: this.#options.settings,
      // The parent's flags (a debugger's port, a test runner's loader) are not for this thread.
      execArgv: [],
    })
    this.#worker = worker
    let reason: unknown
    worker.on('message', (reply: WorkerReply) => this.#onReply(reply))
    worker.on('messageerror', (error) => {
      reason = error
      void worker.terminate()
    })
    worker.on('error', (error) => {
      reason = error
    })
    worker.on('exit', (exitCode) => this.#onExit(exitCode, reason))
  }

  #onReply(reply: WorkerReply): void {
    switch (reply.kind) {
      case 'ready':
        this.#started.resolve()
        if (this.#state === 'starting') this.#state = 'ready'
        this.#tellRoom()
        break
      case 'refused':
        this.#options.log.error({ code: reply.code, reason: reply.message }, 'detection model refused')
        // The thread ends by itself now; `#onExit` decides whether it starts again.
        this.#started.reject(new EdgeError(reply.code, reply.message))
        break
      case 'analysed':
        this.#endsSinceSuccess = 0
        this.#lastInferenceMs = reply.inferenceMs
        this.#settle({ ok: true, ...reply })
        this.#tellRoom()
        break
      case 'failed': {
        const error = new EdgeError('EDGE_DETECTION_FAILED', `the detection model failed: ${reply.message}`)
        this.#settle({ ok: false, error, pixels: reply.pixels })
        this.#tellRoom()
        break
      }
    }
  }

  #onExit(exitCode: number, cause: unknown): void {
    this.#worker = undefined
    const what = cause instanceof Error ? cause.message : `exit code ${exitCode}`
    const error = new EdgeError('EDGE_DETECTION_FAILED', `the detection thread ended unasked (${what})`, {
      cause,
    })
    while (this.held > 0) this.#settle({ ok: false, error })
    this.#started.reject(error)
    if (this.#state === 'closed') return
    this.#state = 'down'
    const delayMs = Math.min(RESTART_LONGEST_MS, RESTART_FIRST_MS * 2 ** this.#endsSinceSuccess)
    this.#endsSinceSuccess++
    this.#options.log.warn({ err: error, delayMs }, 'detection thread starts again')
    this.#restartTimer = setTimeout(() => this.#spawn(), delayMs)
  }

  #tellRoom(): void {
    if (this.hasRoom) this.#options.onRoom()
  }

  /** Answers the oldest frame that the thread holds. */
  #settle(outcome: AnalyseOutcome): void {
    this.#answers.shift()?.(outcome)
  }
}
