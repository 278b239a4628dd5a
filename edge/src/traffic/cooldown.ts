/** Keeps alerts of one kind apart and counts what happens in between. */
export class Cooldown {
  readonly #coolDownMs: number
  #toldAtMs = Number.NEGATIVE_INFINITY
  #since = 0

  constructor(seconds: number) {
    this.#coolDownMs = seconds * 1000
  }

  /** How many there have been since the last alert, this one included, if there is to be an alert now; else 0. */
  admit(atMs: number, isUrgent = false): number {
    this.#since += 1
    // Devices report a little out of order, and a clock that was set back must not silence it.
    if (!isUrgent && Math.abs(atMs - this.#toldAtMs) < this.#coolDownMs) return 0
    this.#toldAtMs = atMs
    const count = this.#since
    this.#since = 0
    return count
  }
}
