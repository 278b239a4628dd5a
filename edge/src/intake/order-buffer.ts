/**
 * Puts the values of one device into the order of their times: each waits for a while for an older one. Pure, told the
 * time. Bounded: when it is full, the oldest values go on before their time. What comes too late to be put in its
 * place is not given out any more; it is counted, and stored all the same.
 */
export class OrderBuffer<T extends { atMs: number }> {
  readonly #windowMs: number
  readonly #maxItems: number
  /** By `atMs`, equal ones in the order in which they came. */
  #items: { value: T; dueMs: number }[] = []
  #releasedUpToMs = Number.NEGATIVE_INFINITY
  /** Values that came after a younger one had been given out. */
  missed = 0

  constructor(windowMs: number, maxItems = 10_000) {
    this.#windowMs = windowMs
    this.#maxItems = maxItems
  }

  get isEmpty(): boolean {
    return this.#items.length === 0
  }

  /** @param nowMs monotonic clock */
  add(values: readonly T[], nowMs: number): void {
    for (const value of values) {
      if (value.atMs < this.#releasedUpToMs) {
        this.missed += 1
        continue
      }
      let place = this.#items.length
      while (place > 0 && this.#items[place - 1]!.value.atMs > value.atMs) place -= 1
      this.#items.splice(place, 0, { value, dueMs: nowMs + this.#windowMs })
    }
  }

  /** What has waited long enough, and everything older than it, oldest first. */
  take(nowMs: number): T[] {
    let count = Math.max(0, this.#items.length - this.#maxItems)
    for (let index = count; index < this.#items.length; index++) {
      if (this.#items[index]!.dueMs <= nowMs) count = index + 1
    }
    return this.#release(count)
  }

  /** Everything, oldest first. */
  flush(): T[] {
    return this.#release(this.#items.length)
  }

  #release(count: number): T[] {
    if (count === 0) return []
    const released = this.#items.splice(0, count).map(({ value }) => value)
    this.#releasedUpToMs = released.at(-1)!.atMs
    return released
  }
}
