/**
 * Owns one worker thread with a detection model. A thread that ends unasked is started again, later each time it ends
 * without having analysed anything; the frame it held is reported as failed.
 */
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { EdgeError } from '../errors.ts'
import type { Detection } from './detection.ts'
import type { AnalyseRequest, DetectionWorkerData, WorkerReply, WorkerRequest } from './worker-messages.ts'

const WORKER_FILE = new URL('./detection-worker.ts', import.meta.url)
const RESTART_FIRST_MS = 250
const RESTART_LONGEST_MS = 30_000
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
  onFree: () => void
  /** Another worker file, for tests that inject faults. */
  workerFile?: URL | undefined
}

export class DetectionThread {
  readonly #options: DetectionThreadOptions
  #worker: Worker | undefined
  #state: 'starting' | 'free' | 'busy' | 'down' | 'closed' = 'down'
  #started = Promise.withResolvers<void>()
  #answer: ((outcome: AnalyseOutcome) => void) | undefined
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

  get isFree(): boolean {
    return this.#state === 'free'
  }

  /** Only while `isFree`. The memory of `request.pixels` moves to the thread and comes back with the outcome. */
  analyse(request: AnalyseRequest): Promise<AnalyseOutcome> {
    if (this.#state !== 'free') throw new Error(`the detection thread is ${this.#state}`)
    this.#state = 'busy'
    const { promise, resolve } = Promise.withResolvers<AnalyseOutcome>()
    this.#answer = resolve
    this.#worker!.postMessage(request, [request.pixels.buffer])
    return promise
  }

  /** Waits for the inference that runs, at most CLOSE_DEADLINE_MS. */
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
        this.#becomeFree()
        break
      case 'refused':
        this.#options.log.error({ code: reply.code, reason: reply.message }, 'detection model refused')
        // The thread ends by itself now; `#onExit` decides whether it starts again.
        this.#started.reject(new EdgeError(reply.code, reply.message))
        break
      case 'analysed':
        this.#endsSinceSuccess = 0
        this.#settle({ ok: true, ...reply })
        this.#becomeFree()
        break
      case 'failed': {
        const error = new EdgeError('EDGE_DETECTION_FAILED', `the detection model failed: ${reply.message}`)
        this.#settle({ ok: false, error, pixels: reply.pixels })
        this.#becomeFree()
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
    this.#settle({ ok: false, error })
    this.#started.reject(error)
    if (this.#state === 'closed') return
    this.#state = 'down'
    const delayMs = Math.min(RESTART_LONGEST_MS, RESTART_FIRST_MS * 2 ** this.#endsSinceSuccess)
    this.#endsSinceSuccess++
    this.#options.log.warn({ err: error, delayMs }, 'detection thread starts again')
    this.#restartTimer = setTimeout(() => this.#spawn(), delayMs)
  }

  #becomeFree(): void {
    if (this.#state === 'closed') return
    this.#state = 'free'
    this.#options.onFree()
  }

  #settle(outcome: AnalyseOutcome): void {
    const answer = this.#answer
    this.#answer = undefined
    answer?.(outcome)
  }
}
