/** Counts vehicles and averages speeds of one checkpoint in windows of fixed length. Pure: it is told the time. */
export interface FlowWindow {
  /** End of the window. */
  atMs: number
  vehicles: number
  vehiclesPerMinute: number
  /** `undefined` if no speed was measured. */
  meanSpeedKmh: number | undefined
}

export class FlowCounter {
  readonly #windowMs: number
  #endsAtMs: number
  #vehicles = 0
  #speedSum = 0
  #speeds = 0

  constructor(windowSeconds: number, nowMs: number) {
    this.#windowMs = windowSeconds * 1000
    this.#endsAtMs = nowMs + this.#windowMs
  }

  /** True when the window has ended, or when the clock was set back to before its beginning. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.#endsAtMs || nowMs < this.#endsAtMs - this.#windowMs
  }

  add(speedKmh: number | undefined): void {
    this.#vehicles += 1
    if (speedKmh === undefined) return
    this.#speedSum += speedKmh
    this.#speeds += 1
  }

  /**
   * The window that has ended by now, if any; the next one has begun. If the process slept over several windows, they
   * are not made up: what came in the meantime belongs to none of them. Likewise if the clock was set back.
   */
  close(nowMs: number): FlowWindow | undefined {
    if (!this.isOver(nowMs)) return undefined
    const hasJumped = Math.abs(nowMs - this.#endsAtMs) >= this.#windowMs
    const window: FlowWindow = {
      atMs: Math.round(this.#endsAtMs),
      vehicles: this.#vehicles,
      vehiclesPerMinute: (this.#vehicles * 60_000) / this.#windowMs,
      meanSpeedKmh: this.#speeds > 0 ? this.#speedSum / this.#speeds : undefined,
    }
    this.#vehicles = 0
    this.#speedSum = 0
    this.#speeds = 0
    this.#endsAtMs = hasJumped ? nowMs + this.#windowMs : this.#endsAtMs + this.#windowMs
    return hasJumped ? undefined : window
  }
}
