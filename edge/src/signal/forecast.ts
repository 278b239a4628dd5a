/**
 * What was to be expected of the next value: several simple forecasts, and how wrong each has lately been. The model
 * mixes them by that; here is kept how wide the band has to be so that `BAND_SHARE` of the values lie within.
 */
import type { StateBlock } from './state-block.ts'
import type { View } from './view.ts'

/** The last value; the means of about 12 and 100 values; the habits of the day and the week. */
export const FORECASTS = 5
const BAND_SHARE = 0.98
const MEMORY_VALUES = 50
/** Error of a forecast that there is not. */
const NONE = 1e30
const FIRST_WIDTH = 3
const LEAST_WIDTH = 1.5
const MOST_WIDTH = 20
const WIDTH_RATE = 0.05

export class Forecast {
  readonly #errors: Float64Array
  readonly #width: Float64Array
  readonly #forecasts = new Float64Array(FORECASTS)

  constructor(block: StateBlock) {
    this.#errors = block.doubles(FORECASTS)
    this.#width = block.doubles(1)
  }

  /** Half the width of the band, in spreads. */
  get width(): number {
    return this.#width[0]! || FIRST_WIDTH
  }

  /**
   * Writes the forecasts, as distances from `level`, and their errors to `row` from `at` on.
   * @param least the smallest error that means anything.
   */
  write(
    view: View,
    moment: { count: number; atMs: number; elapsedMs: number },
    least: number,
    row: Float32Array,
    at: number,
  ): void {
    const { count, atMs, elapsedMs } = moment
    const forecasts = this.#forecasts
    forecasts[0] = count > 0 ? view.memory.valueAt(1, count) : 0
    forecasts[1] = view.means[0]!
    forecasts[2] = view.means[2]!
    forecasts[3] = view.day.isKnown(atMs, elapsedMs) ? view.day.expected(atMs) : Number.NaN
    forecasts[4] = view.week.isKnown(atMs, elapsedMs) ? view.week.expected(atMs) : Number.NaN
    for (let index = 0; index < FORECASTS; index++) {
      const forecast = forecasts[index]!
      const isKnown = !Number.isNaN(forecast)
      row[at + index] = isKnown ? forecast - view.means[0]! : 0
      row[at + FORECASTS + index] = isKnown ? Math.max(this.#errors[index]!, least) : NONE
    }
  }

  /** Learns how wrong the forecasts were that were last written. */
  learn(value: number, count: number): void {
    for (let index = 0; index < FORECASTS; index++) {
      const forecast = this.#forecasts[index]!
      if (Number.isNaN(forecast)) continue
      const error = this.#errors[index]!
      const length = Math.min(MEMORY_VALUES, count + 1)
      // One odd value does not make the band useless for the next ones.
      const distance = Math.min(Math.abs(value - forecast), count < 8 || error === 0 ? Infinity : 5 * error)
      this.#errors[index] = error + (distance - error) / length
    }
  }

  /** Learns whether the band held the value: `distance` from its middle, in spreads. */
  learnWidth(distance: number): void {
    const rate = distance > this.width ? WIDTH_RATE * BAND_SHARE : -WIDTH_RATE * (1 - BAND_SHARE)
    this.#width[0] = Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, this.width * Math.exp(rate)))
  }
}
