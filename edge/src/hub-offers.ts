/**
 * What the hub offers by MQTT and the edge fetches over HTTP: the newest offer counts, whatever came before it is
 * forgotten, and a failure is tried again with growing pauses until it is done.
 */
import type { Logger } from 'pino'
import { Backoff } from './backoff.ts'

export interface HubOffersOptions<Mark> {
  /** True if nothing has to be done about what is offered under this mark. */
  isDone: (mark: Mark) => boolean
  /**
   * Fetches what is offered now and deals with it; answers the mark that it came with, which may be newer than the one
   * that was offered. Rejects to be called again later.
   */
  take: (signal: AbortSignal) => Promise<Mark>
  /** Logged when it fails. */
  failure: string
  log: Logger
  retryMinMs: number
  retryMaxMs: number
}

export class HubOffers<Mark> {
  readonly #options: HubOffersOptions<Mark>
  readonly #closing = new AbortController()
  #offered: { mark: Mark } | undefined
  #work: Promise<void> | undefined

  constructor(options: HubOffersOptions<Mark>) {
    this.#options = options
  }

  /** Returns at once. */
  offer(mark: Mark): void {
    if (this.#closing.signal.aborted) return
    this.#offered = { mark }
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#work
  }

  async #run(): Promise<void> {
    const { isDone, take, failure, log, retryMinMs, retryMaxMs } = this.#options
    const { signal } = this.#closing
    const backoff = new Backoff({ minMs: retryMinMs, maxMs: retryMaxMs })
    while (!signal.aborted && this.#offered) {
      const offered = this.#offered
      if (isDone(offered.mark)) {
        if (this.#offered === offered) this.#offered = undefined
        continue
      }
      try {
        const mark = await take(signal)
        // Another one than was offered: the offer of it is on its way.
        if (this.#offered === offered || this.#offered?.mark === mark) this.#offered = undefined
      } catch (err) {
        if (signal.aborted) return
        log.warn({ err, offered: offered.mark }, failure)
        await backoff.wait(signal)
      }
    }
  }
}
