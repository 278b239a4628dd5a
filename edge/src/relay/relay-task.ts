/** One camera's way to the hub, from the command that starts it to its end. */
import type { Logger } from 'pino'
import { Backoff, pause } from '../backoff.ts'
import type { FlvFeed } from '../capture/flv-feed.ts'
import { type HubAccess, hubRequest } from '../hub-http.ts'

export interface RelayTaskOptions {
  hub: HubAccess
  /** Asked for at every attempt: a camera may have gone over to another codec. */
  feed: () => FlvFeed
  publishPath: string
  /** It ends by itself after this time unless it is extended. */
  forMs: number
  log: Logger
  retryMinMs: number
  retryMaxMs: number
  /** A hub that takes nothing for this long is gone, although nobody has closed the connection. */
  idleMs: number
}

/** A connection that lived for this long was a good one: the next pause is short again. */
const GOOD_AFTER_MS = 5000
const PICTURE_POLL_MS = 100

export class RelayTask {
  readonly ended: Promise<void>
  readonly #options: RelayTaskOptions
  readonly #stopping = new AbortController()
  readonly #resolveEnded: () => void
  #timer: NodeJS.Timeout | undefined
  #why = ''

  constructor(options: RelayTaskOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#resolveEnded = resolve
  }

  start(): void {
    this.#setTimer(this.#options.forMs)
    void this.#keepSending().finally(() => {
      clearTimeout(this.#timer)
      this.#options.log.info({ why: this.#why }, 'relay ended')
      this.#resolveEnded()
    })
  }

  /** Moves the end; false if this task goes elsewhere or is over. */
  extend(publishPath: string, forMs: number): boolean {
    if (this.#stopping.signal.aborted || publishPath !== this.#options.publishPath) return false
    this.#setTimer(forMs)
    return true
  }

  stop(why: string): void {
    if (this.#stopping.signal.aborted) return
    this.#why = why
    this.#stopping.abort()
  }

  #setTimer(forMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.stop('its time is over'), forMs)
  }

  async #keepSending(): Promise<void> {
    const { log, retryMinMs, retryMaxMs } = this.#options
    const { signal } = this.#stopping
    const backoff = new Backoff({ minMs: retryMinMs, maxMs: retryMaxMs })
    let isFirst = true
    while (!signal.aborted) {
      if (!this.#options.feed().hasPicture) {
        // The camera is away: the hub is told nothing until there is something to see.
        await pause(PICTURE_POLL_MS, signal)
        continue
      }
      const startedMs = performance.now()
      if (isFirst) log.info({ path: this.#options.publishPath }, 'relay started')
      isFirst = false
      const why = await this.#sendOnce()
      if (signal.aborted) return
      log.warn({ why }, 'relay interrupted')
      if (performance.now() - startedMs > GOOD_AFTER_MS) backoff.reset()
      await backoff.wait(signal)
    }
  }

  /** One POST, for as long as it lives; gives the reason of its end. Never rejects. */
  async #sendOnce(): Promise<string> {
    const { hub, publishPath } = this.#options
    const feed = this.#options.feed()
    const { signal } = this.#stopping
    const request = hubRequest(hub, {
      method: 'POST',
      path: publishPath,
      headers: { 'content-type': 'video/x-flv', 'transfer-encoding': 'chunked' },
      idleMs: this.#options.idleMs,
    })
    // A picture is worth nothing when it waits for the next one.
    request.setNoDelay(true)
    const { promise, resolve } = Promise.withResolvers<string>()
    request.on('error', (error) => resolve(`the connection to the hub failed: ${error.message}`))
    request.on('response', (response) => {
      response.resume()
      resolve(`the hub answered ${response.statusCode}`)
    })
    request.on('close', () => resolve('the hub closed the connection'))
    const subscription = feed.subscribe(request, (why) => resolve(`the camera's stream ended: ${why}`))
    const stop = (): void => resolve('stopped')
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    const why = await promise
    signal.removeEventListener('abort', stop)
    subscription.close()
    await finish(request)
    return why
  }
}

const FINISH_MS = 1000

/** Ends the body in order, so that the hub sees an end and no accident; cuts the connection if that takes long. */
async function finish(request: ReturnType<typeof hubRequest>): Promise<void> {
  if (request.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  request.once('close', resolve)
  const timer = setTimeout(() => request.destroy(), FINISH_MS)
  request.end()
  await promise
  clearTimeout(timer)
}
