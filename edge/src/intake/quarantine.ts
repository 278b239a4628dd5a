/**
 * What devices sent and could not be used: counted, the newest kept for an engineer to look at, reported to
 * the log once an interval. Both stores are bounded; the oldest message makes room.
 */
import type { Logger } from 'pino'
import type { Refusal } from './fields.ts'

export interface QuarantinedMessage extends Refusal {
  deviceId: string
  atMs: number
  topic: string
  /** The beginning of the message, as text. */
  excerpt: string
}

const MAX_MESSAGES = 100
const EXCERPT_BYTES = 2048
const REPORT_EVERY_MS = 60_000

export class Quarantine {
  readonly #log: Logger
  readonly #messages: QuarantinedMessage[] = []
  #total = 0
  #sinceReport = new Map<string, { count: number; last: Refusal }>()
  #timer: NodeJS.Timeout | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** Messages and items refused since the start. */
  get total(): number {
    return this.#total
  }

  /** `deviceId` must be one of the configured devices: what waits for the next report is bounded by their number. */
  add(message: Omit<QuarantinedMessage, 'excerpt'>, payload: Uint8Array): void {
    const { deviceId, field, reason } = message
    this.#total += 1
    const excerpt = Buffer.from(payload.subarray(0, EXCERPT_BYTES)).toString('utf8')
    this.#messages.push({ ...message, excerpt })
    if (this.#messages.length > MAX_MESSAGES) this.#messages.shift()
    const before = this.#sinceReport.get(deviceId)
    this.#sinceReport.set(deviceId, { count: (before?.count ?? 0) + 1, last: { field, reason } })
    // The first refusal is told at once, the following ones together.
    this.#timer ??= this.#report()
  }

  /** Newest last. */
  messages(): readonly QuarantinedMessage[] {
    return this.#messages
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #report(): NodeJS.Timeout {
    for (const [deviceId, { count, last }] of this.#sinceReport) {
      this.#log.warn({ deviceId, count, ...last }, 'messages of a device were refused')
    }
    this.#sinceReport = new Map()
    const timer = setTimeout(() => {
      this.#timer = this.#sinceReport.size > 0 ? this.#report() : undefined
    }, REPORT_EVERY_MS)
    return timer.unref()
  }
}
