/** When the next recorded picture is due: at the speed that was asked for, some ahead, with the holes left out. Pure. */

/** What a player has in hand. */
const AHEAD_MS = 1500
/** A longer way to the next picture is a hole in the recording. */
const HOLE_MS = 2000

export class Pace {
  readonly #speed: number
  readonly #startedMs: number
  #lastAtMs: number | undefined
  #playedMs = 0

  /** `nowMs`: monotonic, as below. */
  constructor(speed: number, nowMs: number) {
    this.#speed = speed
    this.#startedMs = nowMs
  }

  /** How long to wait before the picture of this wall clock is sent, ms; 0 for none. Call once for each, in order. */
  waitMs(atMs: number, nowMs: number): number {
    const stepMs = atMs - (this.#lastAtMs ?? atMs)
    if (stepMs < HOLE_MS) this.#playedMs += stepMs
    this.#lastAtMs = atMs
    const dueMs = this.#startedMs + (this.#playedMs - AHEAD_MS * this.#speed) / this.#speed
    return Math.max(0, dueMs - nowMs)
  }
}
