/**
 * For each measure of a series, the `WORST` highest values that it has reached in different episodes: what the series
 * has done before, and is therefore no news. They fade, slowly.
 */
import type { StateBlock } from './state-block.ts'

export const WORST = 10
/** Values that belong to one episode. */
const EPISODE_VALUES = 48
const FADING = 1e-4
/** The first values of a series are all news. */
const FIRST_COUNT = 10
/**
 * Where fewer episodes than `WORST` have been: a series that is young may yet show what is usual, so nothing is news
 * beside the missing ones; later they count as episodes a little less bad than the value, or as bad as anything is.
 */
const YOUNG_VALUES = 100
const NONE = 1000
const A_LITTLE_LESS = 0.16
/** Added to logarithms, so that 0 can stand for what there is not. */
const LEVEL_OFFSET = 40
const LEAST_MEASURE = 1e-15

/** What has faded to this fades no more. */
const LEAST_LEVEL = 1

/** Measures are compared by their ratios, so they are kept as logarithms: 0 for nothing, else more than 0. */
export function levelOf(measure: number): number {
  return measure > 0 ? Math.log(Math.max(measure, LEAST_MEASURE)) + LEVEL_OFFSET : 0
}

export class WorstEpisodes {
  readonly #least: Float32Array
  /** Levels: `WORST` for each measure, the highest first; 0 where there is none. */
  readonly #worst: Float32Array
  /** For each measure, the number of the value at which its last episode began, and that episode's place. */
  readonly #began: Float64Array
  readonly #place: Float64Array

  /**
   * @param least for each measure the level that missing episodes have, so that a long one is worse than a short one
   * even if it is the first; 0 where that is not known beforehand.
   */
  constructor(block: StateBlock, least: Float32Array) {
    const measures = least.length
    this.#least = least
    this.#worst = block.floats(measures * WORST)
    this.#began = block.doubles(measures)
    this.#place = block.doubles(measures)
  }

  /**
   * Writes them in the form of the model's input, to judge `levels` by. An episode that goes on is not compared with
   * itself: what grows slowly would never be far beyond what it was a moment ago.
   */
  write(levels: Float32Array, count: number, row: Float32Array, at: number): void {
    const worst = this.#worst
    for (let measure = 0; measure < this.#least.length; measure++) {
      const first = measure * WORST
      const own = this.#isGoingOn(measure, count) ? this.#place[measure]! : WORST
      const level = levels[measure]!
      const known = this.#least[measure]! || level - A_LITTLE_LESS
      const missing = count < YOUNG_VALUES || level === 0 ? NONE : known
      let to = at + first
      for (let place = 0; place < WORST; place++)
        if (place !== own) row[to++] = worst[first + place]! || missing
      if (own < WORST) row[to] = missing
    }
  }

  /** @param count values before this one. */
  learn(levels: Float32Array, count: number): void {
    const worst = this.#worst
    for (let index = 0; index < worst.length; index++)
      if (worst[index]! > 0) worst[index] = Math.max(LEAST_LEVEL, worst[index]! - FADING)
    if (count < FIRST_COUNT) return
    for (let measure = 0; measure < this.#least.length; measure++) {
      const level = levels[measure]!
      if (level > 0) this.#enter(measure, level, count)
    }
  }

  /** Whether the value after `count` values still belongs to the last episode of the measure. */
  #isGoingOn(measure: number, count: number): boolean {
    const began = this.#began[measure]!
    return began > 0 && count - began < Math.min(EPISODE_VALUES, Math.ceil(count / 8))
  }

  #enter(measure: number, level: number, count: number): void {
    const worst = this.#worst
    const first = measure * WORST
    const isSame = this.#isGoingOn(measure, count)
    let place = isSame ? this.#place[measure]! : WORST - 1
    if (level <= worst[first + place]!) return
    if (!isSame) this.#began[measure] = count
    while (place > 0 && level > worst[first + place - 1]!) {
      worst[first + place] = worst[first + place - 1]!
      place -= 1
    }
    worst[first + place] = level
    this.#place[measure] = place
  }
}
