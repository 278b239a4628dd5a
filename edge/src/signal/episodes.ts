/**
 * One alarm an episode: after an oddness has been reported, only a greater one is news, and the less so the shorter ago
 * that was. Strengths are log-odds of the score, from `FAINT` on.
 */
import type { StateBlock } from './state-block.ts'

/** Scores with log-odds below this are no news at all. */
const FAINT = -0.95
const DAY_MS = 86_400_000
/** An episode is over after a day, or after this many values. */
const LEAST_VALUES = 72
const MOST_VALUES = 288
/** It is no longer than this share of the series: what is young is not silenced for most of its life. */
const MOST_SHARE = 1 / 3
/** Right after a report, the next has to be stronger by this. */
const MARGIN = 1.75
/** Taken off the strength of what the very first value would report, less and less up to the length of an episode. */
const CAUTION = 0.5

export class Episodes {
  /** Strength of the last report, and the number of its value. */
  readonly #last: Float64Array

  constructor(block: StateBlock) {
    this.#last = block.doubles(2)
  }

  /** The score if it is news, else 0; lower while the series is so young that much of what it does is new. */
  admit(score: number, count: number, stepMs: number): number {
    const usual = Math.min(MOST_VALUES, Math.max(LEAST_VALUES, DAY_MS / stepMs))
    const logOdds = Math.log(score / (1 - score)) - CAUTION * Math.max(0, 1 - count / usual)
    const strength = logOdds - FAINT
    if (!(strength > 0)) return 0
    const length = Math.max(1, Math.min(usual, MOST_SHARE * count))
    const age = (count - this.#last[1]!) / length
    const needed = age >= 1 ? 0 : (this.#last[0]! + MARGIN) * (1 - age)
    if (strength <= needed) return 0
    this.#last[0] = Math.min(strength, 1e6)
    this.#last[1] = count
    return count < usual ? 1 / (1 + Math.exp(-logOdds)) : score
  }
}
