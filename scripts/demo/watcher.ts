/** Watches the hub as its users do: alerts by the socket of an operator, counts by the overview of an administrator. */
import type { Alert, Overview } from '@patrolhub/protocol'
import type { HubClient } from './hub-client.ts'
import { type SignIn, signedIn } from './people.ts'

export interface Latency {
  p50: number | null
  p95: number | null
}

/** Alerts whose latency is kept; a demo that runs for days does not grow. */
const MAX_LATENCIES = 100_000
const SIGN_IN_AGAIN_MS = 2000

export interface WatcherOptions {
  baseUrl: string
  /** Signed in as an administrator. */
  administrator: HubClient
  /** Signed in as an operator; `signIn` is for when that session ends. */
  operator: HubClient
  signIn: SignIn
  onAlert: (alert: Alert, latencyMs: number) => void
}

export class Watcher {
  readonly #options: WatcherOptions
  readonly #latenciesMs: number[] = []
  #operator: HubClient
  #again: NodeJS.Timeout | undefined
  #isClosed = false
  /** Alerts that arrived by the socket. */
  alerts = 0
  cameraAlerts = 0

  constructor(options: WatcherOptions) {
    this.#options = options
    this.#operator = options.operator
  }

  /** The signed-in administrator of the demo. */
  get administrator(): HubClient {
    return this.#options.administrator
  }

  /** Resolves when the socket of events is open. */
  async start(): Promise<void> {
    const socket = this.#operator.connect()
    socket.on('changes', ({ events }) => {
      for (const { event, payload } of events) if (event === 'alert') this.#take(payload)
    })
    socket.on('signedOut', () => this.#signInAgain())
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
  }

  overview(): Promise<Overview | undefined> {
    return readOverview(this.administrator)
  }

  /** From the moment that decided a camera's alert to its event on the operator's socket, ms. */
  latency(): Latency {
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b)
    return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95) }
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#again)
    this.#operator.close()
  }

  /** A session ends after some hours: the demo signs in again as a person would. */
  #signInAgain(): void {
    this.#operator.close()
    if (this.#isClosed) return
    this.#again = setTimeout(async () => {
      try {
        this.#operator = await signedIn(this.#options.baseUrl, this.#options.signIn)
        await this.start()
      } catch {
        // The hub may be away: again and again until it is back.
        this.#signInAgain()
      }
    }, SIGN_IN_AGAIN_MS)
  }

  #take(alert: Alert): void {
    const latencyMs = Date.now() - alert.atMs
    this.alerts += 1
    if (alert.deviceKind === 'camera') {
      this.cameraAlerts += 1
      if (this.#latenciesMs.length < MAX_LATENCIES) this.#latenciesMs.push(latencyMs)
    }
    this.#options.onAlert(alert, latencyMs)
  }
}

/** Counts of the hub; `undefined` while it does not answer. */
export async function readOverview(administrator: HubClient): Promise<Overview | undefined> {
  try {
    return await administrator.get<Overview>('/api/overview')
  } catch {
    return undefined
  }
}

/** Nearest rank; `null` without values. */
export function percentile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}
