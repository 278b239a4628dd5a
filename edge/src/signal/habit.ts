/** What a series usually does at a time of the day, or of the week: one level for each bin of that time. */
import type { StateBlock } from './state-block.ts'

/** How fast the habit as a whole follows the series to another level. */
const SHIFT_RATE = 0.02

export class Habit {
  readonly #bins: number
  readonly #periodMs: number
  readonly #rounds: number
  readonly #levels: Float32Array
  readonly #counts: Float32Array
  readonly #shift: Float64Array

  /** @param rounds a bin's level is about the mean of this many periods. */
  constructor(block: StateBlock, options: { bins: number; periodMs: number; rounds: number }) {
    this.#bins = options.bins
    this.#periodMs = options.periodMs
    this.#rounds = options.rounds
    this.#levels = block.floats(options.bins)
    this.#counts = block.floats(options.bins)
    this.#shift = block.doubles(1)
  }

  /** True once a whole period has been seen. */
  isKnown(atMs: number, elapsedMs: number): boolean {
    return elapsedMs > this.#periodMs && this.#counts[this.#binOf(atMs)]! > 0
  }

  expected(atMs: number): number {
    return this.#levels[this.#binOf(atMs)]! + this.#shift[0]!
  }

  /**
   * How far the value is from what is usual now or in the bin before or after, for habits are not punctual; 0 while the
   * habit is not known. Learns the value.
   * @param stepMs the usual time between two values.
   */
  take(value: number, atMs: number, elapsedMs: number, stepMs: number): number {
    const bin = this.#binOf(atMs)
    const levels = this.#levels
    const counts = this.#counts
    const shift = this.#shift[0]!
    let least = 0
    if (this.isKnown(atMs, elapsedMs)) {
      least = Infinity
      for (let offset = -1; offset <= 1; offset++) {
        const near = (bin + offset + this.#bins) % this.#bins
        if (counts[near]! > 0) least = Math.min(least, Math.abs(value - levels[near]! - shift))
      }
      this.#shift[0] = shift + SHIFT_RATE * (value - levels[bin]! - shift)
    }
    const perBin = Math.max(1, this.#periodMs / this.#bins / stepMs)
    counts[bin] = Math.min(counts[bin]! + 1, this.#rounds * perBin)
    levels[bin]! += (value - levels[bin]!) / counts[bin]!
    return least
  }

  #binOf(atMs: number): number {
    const share = (atMs / this.#periodMs) % 1
    return Math.min(this.#bins - 1, Math.floor((share < 0 ? share + 1 : share) * this.#bins))
  }
}
