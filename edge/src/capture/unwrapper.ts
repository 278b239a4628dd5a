/** Makes a counter that wraps at `modulus` run on: the value nearest to the one before. */
export class Unwrapper {
  readonly #modulus: number
  #last = 0

  constructor(modulus: number) {
    this.#modulus = modulus
  }

  next(value: number): number {
    const turns = Math.round((this.#last - value) / this.#modulus)
    this.#last = value + turns * this.#modulus
    return this.#last
  }
}
