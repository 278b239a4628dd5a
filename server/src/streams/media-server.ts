/**
 * The life of the media server: started with fresh secrets, watched, started again with growing pauses when it dies.
 * It listens on loopback on a free port. Another user of the machine would have to guess 128 bits of path and forge
 * a signature to publish or play there; nothing of it is ever told to a client.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { HubError } from '../errors.ts'
import type { MediaListening, MediaWorkerData } from './media-worker.ts'

/** Where one stream is published and played, for a minute from its making. */
export interface MediaAddress {
  host: string
  port: number
  path: string
}

const START_MS = 15_000
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 10_000
/** A server that lived for this long was a good one: the next pause is short again. */
const GOOD_AFTER_MS = 30_000
const SIGNATURE_SECONDS = 60
const MAX_HEAP_MB = 256

interface Running {
  worker: Worker
  port: number
  app: string
  secret: string
  startedAtMs: number
}

export class MediaServer {
  readonly #log: Logger
  #running: Running | undefined
  #starting: Worker | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = RETRY_MIN_MS
  #isClosed = false
  #restarts = 0

  constructor(options: { log: Logger }) {
    this.#log = options.log.child({ component: 'media-server' })
  }

  get restarts(): number {
    return this.#restarts
  }

  /** Resolves when it listens. Throws HUB_MEDIA. */
  async start(): Promise<void> {
    const app = randomBytes(16).toString('hex')
    const secret = randomBytes(32).toString('hex')
    const worker = new Worker(new URL('./media-worker.ts', import.meta.url), {
      workerData: { secret } satisfies MediaWorkerData,
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    })
    this.#starting = worker
    for (const output of [worker.stdout, worker.stderr]) {
      createInterface({ input: output }).on('line', (line) => {
        this.#log.debug({ line: line.replaceAll(app, '(secret)') }, 'media server says')
      })
    }
    // Without a listener an exception inside it would end the hub.
    worker.on('error', (err) => this.#log.error({ err }, 'the media server failed'))
    try {
      const port = await listening(worker)
      this.#running = { worker, port, app, secret, startedAtMs: performance.now() }
      this.#log.info({ port }, 'media server listens on loopback')
    } catch (error) {
      await worker.terminate()
      throw new HubError('HUB_MEDIA', `the media server did not start: ${(error as Error).message}`, {
        cause: error,
      })
    } finally {
      this.#starting = undefined
    }
    worker.once('exit', () => this.#died())
    if (this.#isClosed) await worker.terminate()
  }

  /** A path that nobody used before, so that every publisher begins with a clean stream. Throws HUB_MEDIA. */
  newAddress(): MediaAddress {
    if (!this.#running) throw new HubError('HUB_MEDIA', 'the media server does not run now')
    const { port, app, secret } = this.#running
    const streamPath = `/${app}/${randomBytes(16).toString('hex')}`
    const expiresAt = Math.floor(Date.now() / 1000) + SIGNATURE_SECONDS
    const hash = createHash('md5').update(`${streamPath}-${expiresAt}-${secret}`).digest('hex')
    return { host: '127.0.0.1', port, path: `${streamPath}.flv?sign=${expiresAt}-${hash}` }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    await Promise.all([this.#running?.worker.terminate(), this.#starting?.terminate()])
  }

  #died(): void {
    const livedMs = performance.now() - (this.#running?.startedAtMs ?? 0)
    this.#running = undefined
    if (this.#isClosed) return
    if (livedMs > GOOD_AFTER_MS) this.#retryMs = RETRY_MIN_MS
    this.#log.error({ livedMs: Math.round(livedMs) }, 'the media server died; it is started again')
    this.#startLater()
  }

  #startLater(): void {
    this.#retry = setTimeout(() => {
      this.#restarts += 1
      this.start().catch((err: unknown) => {
        if (this.#isClosed) return
        this.#log.error({ err }, 'the media server could not be started again')
        this.#startLater()
      })
    }, this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }
}

/** The port; rejects if the worker ends or stays silent instead. */
function listening(worker: Worker): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${START_MS} ms`)), START_MS)
  worker.once('message', ({ port }: MediaListening) => resolve(port))
  worker.once('error', reject)
  worker.once('exit', (code) => reject(new Error(`it ended with code ${code}`)))
  return promise.finally(() => clearTimeout(timer))
}
