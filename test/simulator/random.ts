/** Numbers that look random and are the same for the same seed, so that a simulation can be repeated. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 up to but not including 1 (mulberry32: a 32-bit counter through a mixing function). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next()
  }

  /** Bell-shaped, by the sum of six: enough for speeds and noise. */
  normal(mean: number, spread: number): number {
    let sum = 0
    for (let i = 0; i < 6; i += 1) sum += this.next()
    return mean + (sum - 3) * Math.SQRT2 * spread
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!
  }
}
