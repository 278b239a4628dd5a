/** Fetches the watch list when the hub says that there is another one; tries until it has it. */
import { jsonParser, WatchListForEdge } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { askHub, type HubAccess } from '../hub-http.ts'
import { HubOffers } from '../hub-offers.ts'
import type { WatchList } from './watch-list.ts'

const TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 30_000

const parseList = jsonParser(WatchListForEdge)

export class WatchListFetcher {
  readonly #hub: HubAccess
  readonly #offers: HubOffers<string>

  constructor({ hub, list, log }: { hub: HubAccess; list: WatchList; log: Logger }) {
    this.#hub = hub
    this.#offers = new HubOffers({
      isDone: (sha256) => list.sha256 === sha256,
      take: async (signal) => {
        const fetched = await this.#fetch(signal)
        await list.replace(fetched)
        return fetched.sha256
      },
      failure: 'the watch list could not be fetched, trying on',
      log: log.child({ component: 'watch' }),
      retryMinMs: RETRY_MIN_MS,
      retryMaxMs: RETRY_MAX_MS,
    })
  }

  /** Returns at once. */
  offer(sha256: string): void {
    this.#offers.offer(sha256)
  }

  close(): Promise<void> {
    return this.#offers.close()
  }

  async #fetch(signal: AbortSignal): Promise<WatchListForEdge> {
    const { status, body } = await askHub(this.#hub, {
      method: 'GET',
      path: '/api/edge/watch-list',
      headers: {},
      idleMs: TIMEOUT_MS,
      signal,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    })
    const parsed = status === 200 ? parseList(body) : undefined
    if (!parsed?.ok) throw new Error(`the hub answered ${status} ${body.slice(0, 200)}`.trim())
    return parsed.value
  }
}
