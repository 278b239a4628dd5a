/**
 * Keeps a live player as near to the newest picture as its network allows. In front of the picture shown lie pictures
 * that wait (the reserve). The smallest reserve of the last half second is what could be done without: if it is more
 * than the goal, play a little faster until it is gone, or jump when it is much. Each time the player runs dry the goal
 * grows, and it shrinks again while nothing goes wrong. Pure: it neither reads a clock nor touches the player.
 */

export interface LiveEdgeStep {
  /** Playback rate, from 1 to `MAX_RATE`. */
  rate: number
  /** Go to so many seconds before the end of what has come. */
  jumpToReserveS?: number
}

/** Pictures come in pairs (mpegts.js holds one back): less than their length cannot be the reserve. */
const MIN_GOAL_S = 0.02
const MAX_GOAL_S = 1
/** A goal that failed grows by this much and a quarter of itself. */
const GROWTH_S = 0.03
/** So long without running dry, and the goal shrinks by a fifth. */
const CALM_MS = 20_000
const WINDOW_MS = 500
/** A jump shows at once what a faster playing would take seconds for; it costs decoding from the key frame on. */
const JUMP_S = 0.5
const MAX_RATE = 1.5
/** Rates so near to 1 that they are not worth changing. */
const SLACK_S = 0.01

export class LiveEdge {
  #goalS = MIN_GOAL_S
  #calmSinceMs = 0
  #samples: { atMs: number; reserveS: number }[] = []
  #sinceMs: number | undefined

  /** The reserve that is aimed at, s. */
  get goalS(): number {
    return this.#goalS
  }

  /** The player ran dry. */
  ranDry(nowMs: number): void {
    this.#goalS = Math.min(MAX_GOAL_S, this.#goalS * 1.25 + GROWTH_S)
    this.#calmSinceMs = nowMs
    this.#forget(nowMs)
  }

  /** What to do with so many seconds in front of the picture shown. `nowMs`: monotonic. */
  look(nowMs: number, reserveS: number): LiveEdgeStep {
    this.#sinceMs ??= nowMs
    if (nowMs - this.#calmSinceMs > CALM_MS) {
      this.#goalS = Math.max(MIN_GOAL_S, this.#goalS * 0.8)
      this.#calmSinceMs = nowMs
    }
    if (reserveS > this.#goalS + JUMP_S) {
      this.#forget(nowMs)
      return { rate: 1, jumpToReserveS: this.#goalS + 0.1 }
    }
    this.#samples.push({ atMs: nowMs, reserveS })
    while (this.#samples[0]!.atMs < nowMs - WINDOW_MS) this.#samples.shift()
    // Too short a look does not know the smallest reserve yet.
    if (nowMs - this.#sinceMs < WINDOW_MS) return { rate: 1 }
    const spareS = Math.min(...this.#samples.map((sample) => sample.reserveS)) - this.#goalS
    return { rate: spareS > SLACK_S ? Math.min(MAX_RATE, 1 + spareS * 2) : 1 }
  }

  #forget(nowMs: number): void {
    this.#samples = []
    this.#sinceMs = nowMs
  }
}
