/**
 * Measures one view of a series (its values as they are, or compressed): how far the newest value, and the course that
 * ends with it, is from the level, the spread, the habits and all courses that the series has had. Every measure is 0
 * or more, in the unit of the view; what counts as much is not said here but by `WorstEpisodes`.
 */
import { Habit } from './habit.ts'
import { VIEW_MEASURES } from './measures.ts'
import type { StateBlock } from './state-block.ts'
import { ValueMemory } from './value-memory.ts'

const DAY_MS = 86_400_000
/** Values over which the means and the squared deviations are taken. */
const MEANS = [12, 36, 100, 300, 1000] as const
const SPREADS = [12, 36, 300] as const
/** The mean over as many values, for each. */
const SPREAD_MEANS = [0, 1, 3] as const
/** Values before a measure says anything. */
const LEVEL_VALUES = 24
const RANGE_VALUES = 12
const SPREAD_VALUES = 36

const AT = Object.fromEntries(VIEW_MEASURES.map((name, index) => [name, index])) as Record<
  (typeof VIEW_MEASURES)[number],
  number
>

/** What is known of the moment, the same for both views. */
export interface Moment {
  /** Values before this one. */
  count: number
  atMs: number
  /** Since the first value. */
  elapsedMs: number
  /** Usual time between two values. */
  stepMs: number
  /** Spreads below this are the same to the reader. */
  leastSpread: number
}

export class View {
  readonly memory: ValueMemory
  readonly day: Habit
  readonly week: Habit
  readonly means: Float64Array
  readonly #variances: Float64Array
  /** Least and greatest value; least and greatest logarithm of the short and of the middle spread. */
  readonly #ranges: Float64Array

  constructor(block: StateBlock) {
    this.memory = new ValueMemory(block)
    this.day = new Habit(block, { bins: 96, periodMs: DAY_MS, rounds: 12 })
    this.week = new Habit(block, { bins: 168, periodMs: 7 * DAY_MS, rounds: 6 })
    this.means = block.doubles(MEANS.length)
    this.#variances = block.doubles(SPREADS.length)
    this.#ranges = block.doubles(6)
  }

  /** Compares `value` with the courses that it had before, and adds it to its memory; `take` says what was found. */
  remember(value: number, count: number): void {
    this.memory.search(value, count)
    this.memory.add(value, count)
  }

  /** Writes the measures of `value`, which was remembered last, to `row` from `at` on, and learns the value. */
  take(value: number, moment: Moment, row: Float32Array, at: number): void {
    const { count, atMs, elapsedMs, stepMs } = moment
    const { memory, means } = this
    const { nearest } = memory
    row[at + AT['new-value']] = nearest.one
    row[at + AT['new-pair']] = nearest.two
    row[at + AT['new-four']] = nearest.four
    row[at + AT['new-course']] = nearest.wide
    if (count > 0) {
      row[at + AT.step] = Math.abs(value - memory.valueAt(1, count))
      row[at + AT['off-level']] = Math.abs(value - means[0]!)
    }
    this.#learnSpreads(value, count)
    for (let index = 0; index < MEANS.length; index++)
      means[index]! += (value - means[index]!) / Math.min(MEANS[index]!, count + 1)
    if (count >= LEVEL_VALUES) {
      row[at + AT['level-short']] = Math.abs(means[0]! - means[2]!)
      row[at + AT['level-middle']] = Math.abs(means[1]! - means[3]!)
      row[at + AT['level-long']] = Math.abs(means[2]! - means[4]!)
    }
    const isWide = this.#ranges[0]! < this.#ranges[1]!
    const beyond = this.#beyondRange(0, value, count)
    if (count >= RANGE_VALUES && isWide) row[at + AT.extreme] = beyond
    const least = 1e-3 * Math.sqrt(this.#variances[2]!) + moment.leastSpread
    if (count >= SPREAD_VALUES) {
      row[at + AT['spread-short']] = this.#beyondRange(2, this.#logSpread(0, least), count - SPREAD_VALUES)
      row[at + AT['spread-middle']] = this.#beyondRange(4, this.#logSpread(1, least), count - SPREAD_VALUES)
    }
    row[at + AT['off-day']] = this.day.take(value, atMs, elapsedMs, stepMs)
    row[at + AT['off-week']] = this.week.take(value, atMs, elapsedMs, stepMs)
  }

  #learnSpreads(value: number, count: number): void {
    for (let index = 0; index < SPREADS.length; index++) {
      const deviation = value - this.means[SPREAD_MEANS[index]!]!
      const length = Math.min(SPREADS[index]!, count + 1)
      this.#variances[index]! += (deviation * deviation - this.#variances[index]!) / length
    }
  }

  #logSpread(index: number, least: number): number {
    return Math.log(Math.sqrt(this.#variances[index]!) + least)
  }

  /**
   * How far `value` is beyond all earlier ones: for values in ranges, for logarithms of spreads as they are. The range
   * at `place` then holds it.
   */
  #beyondRange(place: number, value: number, count: number): number {
    const ranges = this.#ranges
    if (count === 0) {
      ranges[place] = ranges[place + 1] = value
      return 0
    }
    const [low, high] = [ranges[place]!, ranges[place + 1]!]
    const beyond = Math.max(0, value - high, low - value)
    ranges[place] = Math.min(low, value)
    ranges[place + 1] = Math.max(high, value)
    return place === 0 && high > low ? beyond / (high - low) : beyond
  }
}
