/** Remembers when each coded picture arrived, so that a decoded frame can say when it was seen. */

/** Longer than any picture stays inside a decoder; at 30 pictures a second this is 17 s. */
const MAX_ARRIVALS = 512

export class ArrivalClock {
  readonly #ptsMs: number[] = []
  readonly #arrivedAtMs: number[] = []

  record(ptsMs: number, arrivedAtMs: number): void {
    this.#ptsMs.push(ptsMs)
    this.#arrivedAtMs.push(arrivedAtMs)
    if (this.#ptsMs.length > 2 * MAX_ARRIVALS) {
      this.#ptsMs.splice(0, MAX_ARRIVALS)
      this.#arrivedAtMs.splice(0, MAX_ARRIVALS)
    }
  }

  /** Wall clock of the arrival of the picture shown at `ptsMs` (within 2 ms, for containers that round). */
  arrivalOf(ptsMs: number): number | undefined {
    for (let index = this.#ptsMs.length - 1; index >= 0; index -= 1) {
      if (Math.abs(this.#ptsMs[index]! - ptsMs) <= 2) return this.#arrivedAtMs[index]
    }
    return undefined
  }
}
