/**
 * Learns one series while it comes, and writes for each value the row that the anomaly model judges it by: what is
 * measured of it, the worst that each measure has been in earlier episodes, and forecasts with their errors.
 *
 * There are two views of a series: the values as they are, and compressed around the median (area hyperbolic sine of
 * the distance in quartile ranges), in which a rare peak is as near to another as calm values are to each other.
 *
 * Any value may come: one that is not a number is taken as missing and leaves only a trace in `pause`; one that is
 * too large for a float is cut. Times may stand still or go back.
 */
import { Episodes } from './episodes.ts'
import { FORECASTS, Forecast } from './forecast.ts'
import { MEASURE_COUNT, SERIES_MEASURES, VIEW_MEASURES } from './measures.ts'
import { StateBlock } from './state-block.ts'
import { type Moment, View } from './view.ts'
import { levelOf, WORST, WorstEpisodes } from './worst-episodes.ts'

/** One row of the model's input: levels of the measures and of the worst episodes; forecasts; their errors. */
export const ROW_LENGTH = MEASURE_COUNT * (1 + WORST) + 2 * FORECASTS
export const WORST_AT = MEASURE_COUNT
export const FORECASTS_AT = MEASURE_COUNT * (1 + WORST)
export const ERRORS_AT = FORECASTS_AT + FORECASTS

const SERIES_AT = 2 * VIEW_MEASURES.length
const STANDSTILL_AT = SERIES_AT + SERIES_MEASURES.indexOf('standstill')
const ODDNESS_AT = SERIES_AT + SERIES_MEASURES.indexOf('oddness')
const NO_HIGH_AT = SERIES_AT + SERIES_MEASURES.indexOf('no-high')
const NO_LOW_AT = SERIES_AT + SERIES_MEASURES.indexOf('no-low')
const PAUSE_AT = SERIES_AT + SERIES_MEASURES.indexOf('pause')
const COMPRESSED_OFF_LEVEL_AT = VIEW_MEASURES.length + VIEW_MEASURES.indexOf('off-level')
const LARGEST = 1e15
const FIRST_STEP_MS = 1000
/** A pause is longer than this many steps. */
const PAUSE_STEPS = 1.8
/** A value may repeat as often by chance: whole numbers do, and speeds at the limit. */
const CHANCE_REPEATS = 2
const LEAST_LEVELS = new Float32Array(MEASURE_COUNT)
LEAST_LEVELS[STANDSTILL_AT] = levelOf(CHANCE_REPEATS + 1)

/** A distance from the level that this share of the values pass, and how fast it is learned. */
const RARE_SHARE = 0.02
const RARE_RATE = 0.002

/** Numbers in `#numbers`. */
const COUNT = 0
const FIRST_AT_MS = 1
const LAST_AT_MS = 2
const STEP_MS = 3
const SAME_VALUES = 4
const LAST_VALUE = 5
const SINCE_HIGH = 6
const SINCE_LOW = 7
const ODD_SHORT = 8
const ODD_LONG = 9
const RARE_DISTANCE = 10
const NUMBERS = 11

export class SeriesModel {
  readonly #block: StateBlock
  readonly #numbers: Float64Array
  readonly #plain: View
  readonly #compressed: View
  readonly #worst: WorstEpisodes
  readonly #measures = new Float32Array(MEASURE_COUNT)
  readonly forecast: Forecast
  readonly episodes: Episodes
  /** What the forecasts are distances from. */
  level = 0

  constructor(block: StateBlock = new StateBlock(STATE_BYTES)) {
    this.#block = block
    this.#numbers = block.doubles(NUMBERS)
    this.#plain = new View(block)
    this.#compressed = new View(block)
    this.#worst = new WorstEpisodes(block, LEAST_LEVELS)
    this.forecast = new Forecast(block)
    this.episodes = new Episodes(block)
  }

  /** Values that were learned. */
  get count(): number {
    return this.#numbers[COUNT]!
  }

  get stepMs(): number {
    return this.#numbers[STEP_MS]! || FIRST_STEP_MS
  }

  /** All that is remembered; the block itself, not a copy. */
  get state(): Uint8Array {
    return this.#block.bytes
  }

  /** Takes up a saved state. False, and nothing is changed, if it is none of this version. */
  restore(state: Uint8Array): boolean {
    if (state.length !== this.#block.bytes.length) return false
    this.#block.bytes.set(state)
    this.#plain.memory.restore(this.count)
    this.#compressed.memory.restore(this.count)
    return true
  }

  /** Writes the row for a value and learns it. `row` has `ROW_LENGTH` numbers; all of them are written. */
  take(raw: number, atMs: number, resolution: number, row: Float32Array): void {
    row.fill(0)
    const measures = this.#measures.fill(0)
    const numbers = this.#numbers
    const count = numbers[COUNT]!
    measures[PAUSE_AT] = this.#pause(atMs, count)
    if (!Number.isNaN(raw)) {
      const value = Math.fround(Math.min(LARGEST, Math.max(-LARGEST, raw)))
      this.#learnTime(atMs, count)
      this.#measure(value, atMs, count, resolution, row)
    } else this.#writeForecast(atMs, count, resolution, row)
    for (let index = 0; index < MEASURE_COUNT; index++) measures[index] = levelOf(measures[index]!)
    row.set(measures)
    this.#worst.write(measures, count, row, WORST_AT)
    this.#worst.learn(measures, count)
    if (!Number.isNaN(raw)) numbers[COUNT] = count + 1
  }

  #measure(value: number, atMs: number, count: number, resolution: number, row: Float32Array): void {
    const measures = this.#measures
    const { memory } = this.#plain
    this.#writeForecast(atMs, count, resolution, row)
    this.#plain.remember(value, count)
    const median = memory.quantile(0.5)
    const size = Math.abs(median)
    const spread = Math.max(
      (memory.quantile(0.75) - memory.quantile(0.25)) / 1.349,
      0.01 * (memory.quantile(0.95) - memory.quantile(0.05)),
      size * 1e-3,
      resolution,
      1e-9,
    )
    const moment: Moment = {
      count,
      atMs,
      elapsedMs: atMs - this.#numbers[FIRST_AT_MS]!,
      stepMs: this.stepMs,
      leastSpread: size * 1e-6 + resolution + 1e-12,
    }
    this.#plain.take(value, moment, measures, 0)
    const compressed = Math.fround(Math.asinh((value - median) / spread))
    this.#compressed.remember(compressed, count)
    this.#compressed.take(compressed, { ...moment, leastSpread: 1e-6 }, measures, VIEW_MEASURES.length)
    this.#measureSeries(value, median, count)
    this.forecast.learn(value, count)
  }

  #writeForecast(atMs: number, count: number, resolution: number, row: Float32Array): void {
    const least = Math.max(resolution / 2, Math.abs(this.#plain.means[0]!) * 1e-4, 1e-9)
    const moment = { count, atMs, elapsedMs: atMs - this.#numbers[FIRST_AT_MS]! }
    this.level = this.#plain.means[0]!
    this.forecast.write(this.#plain, moment, least, row, FORECASTS_AT)
  }

  #measureSeries(value: number, median: number, count: number): void {
    const numbers = this.#numbers
    const measures = this.#measures
    numbers[SAME_VALUES] = count > 0 && value === numbers[LAST_VALUE] ? numbers[SAME_VALUES]! + 1 : 0
    numbers[LAST_VALUE] = value
    if (numbers[SAME_VALUES]! > CHANCE_REPEATS) measures[STANDSTILL_AT] = numbers[SAME_VALUES]!
    // How odd the values are, each by itself: over the last hours against the last days.
    const distance = measures[COMPRESSED_OFF_LEVEL_AT]!
    const rare = numbers[RARE_DISTANCE]!
    const oddness = rare > 0 ? Math.min(3, distance / rare) : 0
    const rate = Math.max(1.5 / (count + 1), RARE_RATE)
    const change =
      distance > rare ? Math.min(0.7, (rate * (1 - RARE_SHARE)) / RARE_SHARE) : -Math.min(0.7, rate)
    numbers[RARE_DISTANCE] = rare > 0 ? Math.max(1e-9, rare * Math.exp(change)) : distance
    numbers[ODD_SHORT]! += (oddness - numbers[ODD_SHORT]!) / Math.min(24, count + 1)
    measures[ODDNESS_AT] = Math.abs(numbers[ODD_SHORT]! - numbers[ODD_LONG]!)
    numbers[ODD_LONG]! += (oddness - numbers[ODD_LONG]!) / Math.min(600, count + 1)
    const high = this.#plain.memory.quantile(0.95)
    const low = this.#plain.memory.quantile(0.05)
    numbers[SINCE_HIGH] = high > median && value >= high ? 0 : numbers[SINCE_HIGH]! + 1
    numbers[SINCE_LOW] = low < median && value <= low ? 0 : numbers[SINCE_LOW]! + 1
    measures[NO_HIGH_AT] = numbers[SINCE_HIGH]!
    measures[NO_LOW_AT] = numbers[SINCE_LOW]!
  }

  /** Steps since the last value, if they are too many. */
  #pause(atMs: number, count: number): number {
    if (count < 2) return 0
    const steps = (atMs - this.#numbers[LAST_AT_MS]!) / this.stepMs
    return steps > PAUSE_STEPS ? Math.min(steps, 1e6) : 0
  }

  #learnTime(atMs: number, count: number): void {
    const numbers = this.#numbers
    const passedMs = atMs - numbers[LAST_AT_MS]!
    if (count === 0 || atMs < numbers[FIRST_AT_MS]!) numbers[FIRST_AT_MS] = atMs
    if (count > 0 && passedMs > 0) {
      const stepMs = this.stepMs
      numbers[STEP_MS] =
        numbers[STEP_MS] === 0
          ? passedMs
          : stepMs + (Math.min(passedMs, 3 * stepMs) - stepMs) / Math.min(50, count)
    }
    numbers[LAST_AT_MS] = atMs
  }
}

/** Bytes of a saved state. */
export const STATE_BYTES = countBytes()

function countBytes(): number {
  const counting = new StateBlock(0)
  new SeriesModel(counting)
  return counting.used
}
