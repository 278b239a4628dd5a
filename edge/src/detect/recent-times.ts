const KEPT = 101

/** The last durations, for a median that follows a change within seconds and never grows. */
export class RecentTimes {
  readonly #times: number[] = []
  #next = 0

  add(ms: number): void {
    this.#times[this.#next] = ms
    this.#next = (this.#next + 1) % KEPT
  }

  /** 0 when there is none. */
  median(): number {
    if (this.#times.length === 0) return 0
    return this.#times.toSorted((a, b) => a - b)[this.#times.length >> 1]!
  }
}
