/**
 * Counts attempts by key in windows of fixed length. Pure: the clock is passed in. The memory is bounded: past
 * `maxKeys` the key that was counted longest ago is forgotten.
 */
export interface AttemptLimit {
  /** Attempts a key has within a window. */
  attempts: number
  windowMs: number
  maxKeys: number
}

interface Window {
  count: number
  endsAtMs: number
}

export class AttemptLimiter {
  readonly #limit: AttemptLimit
  /** In the order of the last count, oldest first. */
  readonly #windows = new Map<string, Window>()

  constructor(limit: AttemptLimit) {
    this.#limit = limit
  }

  /** Milliseconds until the key has an attempt again; 0 if it has one now. Counts nothing. */
  waitMs(key: string, nowMs: number): number {
    const window = this.#windows.get(key)
    if (!window || window.endsAtMs <= nowMs || window.count < this.#limit.attempts) return 0
    return window.endsAtMs - nowMs
  }

  /** Counts an attempt, before its outcome is known, so that many at once cannot slip through. */
  count(key: string, nowMs: number): void {
    const known = this.#windows.get(key)
    this.#windows.delete(key)
    const window =
      known && known.endsAtMs > nowMs ? known : { count: 0, endsAtMs: nowMs + this.#limit.windowMs }
    window.count++
    this.#windows.set(key, window)
    if (this.#windows.size > this.#limit.maxKeys) this.#windows.delete(this.#windows.keys().next().value!)
  }

  /** Takes one attempt back: it turned out well. */
  forgive(key: string): void {
    const window = this.#windows.get(key)
    if (window && window.count > 0) window.count--
  }

  /** Number of keys held; never more than `maxKeys`. */
  get size(): number {
    return this.#windows.size
  }
}
