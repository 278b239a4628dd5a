/** The same values as a `ValueMemory`'s, in ascending order: for quantiles. */
import { MEMORY_LENGTH } from './value-memory.ts'

export class SortedValues {
  readonly #values = new Float32Array(MEMORY_LENGTH)
  #length = 0

  /** Takes up `values` (at most `MEMORY_LENGTH`) in place of all that it has. */
  restore(values: Float32Array): void {
    this.#values.set(values.toSorted())
    this.#length = values.length
  }

  add(value: number): void {
    const at = this.#placeOf(value)
    this.#values.copyWithin(at + 1, at, this.#length)
    this.#values[at] = value
    this.#length += 1
  }

  /** Takes out one value that was added. */
  remove(value: number): void {
    const at = this.#placeOf(value)
    this.#values.copyWithin(at, at + 1, this.#length)
    this.#length -= 1
  }

  /** @param share 0 (least) to 1 (greatest). There is at least one value. */
  quantile(share: number): number {
    return this.#values[Math.min(this.#length - 1, Math.floor(this.#length * share))]!
  }

  /** Index of the first value that is not less. */
  #placeOf(value: number): number {
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#values[middle]! < value) low = middle + 1
      else high = middle
    }
    return low
  }
}
