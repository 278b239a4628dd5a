/**
 * All that is remembered of one series, as one block of bytes: the parts of the detector take their numbers from it in
 * a fixed order, so that saving is copying the block and restoring is copying it back.
 */
export class StateBlock {
  readonly #bytes: Uint8Array<ArrayBuffer>
  #used = 0

  /** @param length of the block; 0 only counts what would be taken. */
  constructor(length: number) {
    this.#bytes = new Uint8Array(length)
  }

  /** Bytes taken so far. */
  get used(): number {
    return this.#used
  }

  /** The whole block, not a copy. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes
  }

  doubles(count: number): Float64Array {
    const at = this.#take(count * 8)
    return this.#isCounting ? new Float64Array(count) : new Float64Array(this.#bytes.buffer, at, count)
  }

  floats(count: number): Float32Array {
    const at = this.#take(count * 4)
    return this.#isCounting ? new Float32Array(count) : new Float32Array(this.#bytes.buffer, at, count)
  }

  get #isCounting(): boolean {
    return this.#bytes.length === 0
  }

  #take(length: number): number {
    const at = this.#used
    // Every part begins where a double may begin.
    this.#used += Math.ceil(length / 8) * 8
    return at
  }
}
