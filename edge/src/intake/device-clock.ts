/**
 * How far a device's clock is off the edge's, from the times that its messages bear and the times at which they came.
 * Pure. A message is never here before it was sent, so the shortest way of a minute is the clock's offset and the line's
 * least delay; the median of the last minutes outlives one minute in which a device emptied its memory or jumped.
 */
import type { RecordTiming } from '@patrolhub/protocol'

export interface ClockLimits {
  lateSeconds: number
  futureSeconds: number
}

const MINUTE_MS = 60_000
const MINUTES = 15
/** Fewer say nothing that one odd minute could not have said. */
const LEAST_MINUTES = 3

export class DeviceClock {
  readonly #limits: ClockLimits
  /** Shortest time from the instant to the arrival, for each of the last minutes in which something came. */
  #minutes: { minute: number; leastMs: number }[] = []
  #offsetMs: number | undefined

  constructor(limits: ClockLimits) {
    this.#limits = limits
  }

  /** The device's clock less the edge's, ms: positive if it is ahead. `undefined` until three minutes have been seen. */
  get offsetMs(): number | undefined {
    return this.#offsetMs
  }

  /** Takes note of one value and says whether its time is to be trusted. */
  observe(atMs: number, arrivedAtMs: number): RecordTiming | undefined {
    const delayMs = arrivedAtMs - atMs
    this.#note(Math.floor(arrivedAtMs / MINUTE_MS), delayMs)
    if (-delayMs > this.#limits.futureSeconds * 1000) return 'future'
    // A clock that is behind makes nothing late; one that is ahead hides how late it is.
    if (delayMs + (this.#offsetMs ?? 0) > this.#limits.lateSeconds * 1000) return 'late'
    return undefined
  }

  #note(minute: number, delayMs: number): void {
    const newest = this.#minutes.at(-1)
    if (newest?.minute === minute) {
      newest.leastMs = Math.min(newest.leastMs, delayMs)
      return
    }
    // The minute before is whole now.
    const delays = this.#minutes.map(({ leastMs }) => leastMs).sort((a, b) => a - b)
    this.#offsetMs = delays.length < LEAST_MINUTES ? undefined : -delays[delays.length >> 1]!
    this.#minutes.push({ minute, leastMs: delayMs })
    if (this.#minutes.length > MINUTES) this.#minutes.shift()
  }
}
