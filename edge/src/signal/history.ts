/**
 * The recent values of one series, and the form in which the model sees them. Training uses this same code, so that the
 * model meets at the edge what it has learned from.
 */

/** Values that the model looks back on. */
export const HISTORY_LENGTH = 32
/** One row of the model's input: `HISTORY_LENGTH` values, as many flags, and the value to be judged. */
export const ROW_LENGTH = 2 * HISTORY_LENGTH + 1

/** Normalised values are clipped here: how far a value is out matters no more beyond this. */
const CLIP = 8

/** What a row was normalised with: `value = level + scale * normalised`. */
export interface Normalisation {
  level: number
  scale: number
}

/** A ring of the newest values; costs 8 bytes a value. */
export class History {
  readonly #values = new Float64Array(HISTORY_LENGTH)
  #count = 0

  /** Values ever added. */
  get count(): number {
    return this.#count
  }

  add(value: number): void {
    this.#values[this.#count % HISTORY_LENGTH] = value
    this.#count += 1
  }

  /** Oldest first, at most `HISTORY_LENGTH`. */
  values(): number[] {
    const length = Math.min(this.#count, HISTORY_LENGTH)
    return Array.from(
      { length },
      (_, index) => this.#values[(this.#count - length + index) % HISTORY_LENGTH]!,
    )
  }
}

/**
 * Writes the row for `value` after `recent` (oldest first, at most `HISTORY_LENGTH`) to `row`: the recent values
 * normalised by median and spread, right-aligned, 0 where there is none; flags that say where there is one; the value.
 *
 * The scale is the larger of the median absolute deviation (times 1.4826, a normal distribution's standard deviation)
 * and half the mean absolute deviation (times 1.2533, likewise), which also sees the rare steps of a series that mostly
 * stands still; and at least `resolution`, the smallest change that means anything, and 0.2 % of the level.
 */
export function writeRow(
  row: Float32Array,
  recent: readonly number[],
  value: number,
  resolution: number,
): Normalisation {
  const { level, scale } = normalisation(recent, resolution)
  const missing = HISTORY_LENGTH - recent.length
  for (let index = 0; index < HISTORY_LENGTH; index++) {
    const isKnown = index >= missing
    row[index] = isKnown ? clip((recent[index - missing]! - level) / scale) : 0
    row[HISTORY_LENGTH + index] = isKnown ? 1 : 0
  }
  row[2 * HISTORY_LENGTH] = (value - level) / scale
  return { level, scale }
}

export function normalisation(recent: readonly number[], resolution: number): Normalisation {
  const level = median(recent)
  const deviations = recent.map((value) => Math.abs(value - level))
  const meanDeviation =
    deviations.reduce((sum, deviation) => sum + deviation, 0) / Math.max(1, deviations.length)
  const floor = Math.max(resolution, Math.abs(level) * 0.002, 1e-6)
  return { level, scale: Math.max(1.4826 * median(deviations), 0.5 * 1.2533 * meanDeviation, floor) }
}

function median(values: readonly number[]): number {
  if (values.length === 0) return 0
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function clip(value: number): number {
  return Math.max(-CLIP, Math.min(CLIP, value))
}
