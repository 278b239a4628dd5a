/**
 * One clock for the players of a camera, whatever its publishers' clocks do. A publisher that comes back, or a camera
 * whose clock jumps, goes on one picture after the last one: players neither stall in a hole nor go back. Pure.
 */

/** Distance that is put where the real one is not known, ms. */
const STEP_MS = 40
/** Audio and video come interleaved, and pictures out of order: that much backwards is no jump. */
const MAX_BACK_MS = 1000
const MAX_FORWARD_MS = 10_000

export class Timeline {
  #offsetMs: number | undefined
  #lastMs = -STEP_MS

  /** A new publisher begins: its times say nothing about the last one's. */
  restart(): void {
    this.#offsetMs = undefined
  }

  /** Time of a picture or of sound on the players' clock, ms, never negative. `sourceMs`: as published. */
  next(sourceMs: number): number {
    const nowMs = this.#offsetMs === undefined ? Number.NaN : sourceMs + this.#offsetMs
    const isContinuous = nowMs >= this.#lastMs - MAX_BACK_MS && nowMs <= this.#lastMs + MAX_FORWARD_MS
    if (!isContinuous) this.#offsetMs = this.#lastMs + STEP_MS - sourceMs
    const timeMs = Math.max(0, sourceMs + this.#offsetMs!)
    this.#lastMs = Math.max(this.#lastMs, timeMs)
    return timeMs
  }

  /** Time for a tag that is no picture and no sound. */
  get currentMs(): number {
    return Math.max(0, this.#lastMs)
  }
}
