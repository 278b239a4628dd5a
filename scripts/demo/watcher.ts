/** Watches the hub as its users do: alerts by the socket of an operator, counts by the overview of an administrator. */
import type { Alert, Overview } from '@patrolhub/protocol'
import { HubClient } from './hub-client.ts'
import type { SignIn } from './people.ts'

export interface Latency {
  p50: number | null
  p95: number | null
}

/** Alerts whose latency is kept; a demo that runs for days does not grow. */
const MAX_LATENCIES = 100_000
const SIGN_IN_AGAIN_MS = 2000

export class Watcher {
  readonly #baseUrl: string
  readonly #signIns: { watcher: SignIn; setup: SignIn }
  readonly #latenciesMs: number[] = []
  readonly #onAlert: (alert: Alert, latencyMs: number) => void
  #operator: HubClient
  #administrator: HubClient
  #again: NodeJS.Timeout | undefined
  #isClosed = false
  /** Alerts that arrived by the socket. */
  alerts = 0
  cameraAlerts = 0

  constructor(options: {
    baseUrl: string
    signIns: { watcher: SignIn; setup: SignIn }
    onAlert: (alert: Alert, latencyMs: number) => void
  }) {
    this.#baseUrl = options.baseUrl
    this.#signIns = options.signIns
    this.#onAlert = options.onAlert
    this.#operator = new HubClient(options.baseUrl)
    this.#administrator = new HubClient(options.baseUrl)
  }

  /** The signed-in administrator of the demo. */
  get administrator(): HubClient {
    return this.#administrator
  }

  async start(): Promise<void> {
    const { setup } = this.#signIns
    await this.#administrator.signIn(setup.username, setup.password)
    await this.#watch()
  }

  /** Counts of the hub; `undefined` while it does not answer. */
  async overview(): Promise<Overview | undefined> {
    try {
      return await this.#administrator.get<Overview>('/api/overview')
    } catch {
      return undefined
    }
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
    this.#administrator.close()
  }

  async #watch(): Promise<void> {
    const { watcher } = this.#signIns
    await this.#operator.signIn(watcher.username, watcher.password)
    const socket = this.#operator.connect()
    socket.on('alert', (alert) => this.#take(alert))
    socket.on('signedOut', () => this.#watchAgain())
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
  }

  /** A session ends after some hours: the demo signs in again as a person would. */
  #watchAgain(): void {
    this.#operator.close()
    if (this.#isClosed) return
    this.#operator = new HubClient(this.#baseUrl)
    this.#again = setTimeout(() => {
      this.#watch().catch(() => this.#watchAgain())
    }, SIGN_IN_AGAIN_MS)
  }

  #take(alert: Alert): void {
    const latencyMs = Date.now() - alert.atMs
    this.alerts += 1
    if (alert.deviceKind === 'camera') {
      this.cameraAlerts += 1
      if (this.#latenciesMs.length < MAX_LATENCIES) this.#latenciesMs.push(latencyMs)
    }
    this.#onAlert(alert, latencyMs)
  }
}

/** Nearest rank; `null` without values. */
export function percentile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}
