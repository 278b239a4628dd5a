/** Fetches the watch list when the hub says that there is another one; tries until it has it. */
import { jsonParser, WatchListForEdge } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { Backoff } from '../backoff.ts'
import { askHub, type HubAccess } from '../hub-http.ts'
import type { WatchList } from './watch-list.ts'

const TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 30_000

const parseList = jsonParser(WatchListForEdge)

export class WatchListFetcher {
  readonly #hub: HubAccess
  readonly #list: WatchList
  readonly #log: Logger
  readonly #closing = new AbortController()
  #offered = ''
  #work: Promise<void> | undefined

  constructor(options: { hub: HubAccess; list: WatchList; log: Logger }) {
    this.#hub = options.hub
    this.#list = options.list
    this.#log = options.log.child({ component: 'watch' })
  }

  /** Returns at once. */
  offer(sha256: string): void {
    if (this.#closing.signal.aborted) return
    this.#offered = sha256
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#work
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    const backoff = new Backoff({ minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS })
    while (!signal.aborted && this.#list.sha256 !== this.#offered) {
      try {
        const list = await this.#fetch()
        await this.#list.replace(list)
        // What it gives is newer than what it offered, and the offer of it is on its way.
        this.#offered = list.sha256
      } catch (err) {
        if (signal.aborted) return
        this.#log.warn({ err }, 'the watch list could not be fetched, trying on')
        await backoff.wait(signal)
      }
    }
  }

  async #fetch(): Promise<WatchListForEdge> {
    const { status, body } = await askHub(this.#hub, {
      method: 'GET',
      path: '/api/edge/watch-list',
      headers: {},
      idleMs: TIMEOUT_MS,
      signal: this.#closing.signal,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    })
    const parsed = status === 200 ? parseList(body) : undefined
    if (!parsed?.ok) throw new Error(`the hub answered ${status} ${body.slice(0, 200)}`.trim())
    return parsed.value
  }
}
