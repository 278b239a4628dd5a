/**
 * Series as checkpoints and sensors make them: habits of the day and the week, noise of several kinds, counts, slow
 * drift, steps to another level, and odd values. Everything comes from the seed.
 */
import type { Random } from './random.ts'

export interface Series {
  values: Float64Array
  /** 1 where a value is odd on purpose: not to be learned as normal. */
  isOdd: Uint8Array
  /** The smallest change that means anything, as the edge would know it. */
  resolution: number
}

type Shape = (index: number) => number

const WEEK_DAYS = [1, 1.02, 1, 1.03, 1.1, 0.85, 0.7]

/** `length` values of a series of a random kind. */
export function makeSeries(random: Random, length: number): Series {
  const series = random.chance(0.4) ? countSeries(random, length) : levelSeries(random, length)
  addOddities(random, series)
  return series
}

/** Vehicles: a rate with habits, counted in windows, shown as vehicles a minute. */
function countSeries(random: Random, length: number): Series {
  const windowMinutes = random.logBetween(2 / 60, 10)
  const perMinute = random.logBetween(0.3, 60)
  const shape = habit(random, random.between(0.1, 0.9))
  const values = new Float64Array(length)
  let rate = perMinute
  for (let index = 0; index < length; index++) {
    // A step to another level: a road is closed, a factory's shift ends.
    if (random.chance(0.002)) rate = perMinute * random.logBetween(0.3, 3)
    const mean = Math.max(0, rate * windowMinutes * (1 + shape(index)))
    // Vehicles come in groups: the variance is larger than that of independent arrivals.
    const burst = random.chance(0.3) ? random.between(0.6, 1.5) : 1
    values[index] = random.poisson(mean * burst) / windowMinutes
  }
  return { values, isOdd: new Uint8Array(length), resolution: 1 / windowMinutes }
}

/** A sensor: a level with habits, noise with memory, drift, rounding. */
function levelSeries(random: Random, length: number): Series {
  const level = random.chance(0.3) ? 0 : random.logBetween(0.01, 1000) * (random.chance(0.1) ? -1 : 1)
  const noise = random.logBetween(0.001, 10)
  const amplitude = random.chance(0.3) ? 0 : noise * random.logBetween(0.3, 30)
  const shape = habit(random, 1)
  const memory = random.chance(0.5) ? 0 : random.between(0.3, 0.97)
  const drift = random.chance(0.3) ? noise * random.logBetween(0.01, 0.5) : 0
  const step = random.chance(0.5) ? 0 : noise * random.logBetween(0.3, 3)
  const hasHeavyTails = random.chance(0.3)
  const values = new Float64Array(length)
  let base = level
  let correlated = 0
  for (let index = 0; index < length; index++) {
    if (random.chance(0.002)) base += noise * random.between(5, 30) * (random.chance(0.5) ? 1 : -1)
    base += drift * random.normal()
    const shock = random.normal() * (hasHeavyTails && random.chance(0.05) ? 3 : 1)
    correlated = memory * correlated + shock
    const value = base + amplitude * shape(index) + noise * correlated
    values[index] = step > 0 ? Math.round(value / step) * step : value
  }
  return { values, isOdd: new Uint8Array(length), resolution: step }
}

/** A day with one or two peaks and a weaker weekend, between about -amplitude and +amplitude. */
function habit(random: Random, amplitude: number): Shape {
  const day = random.logBetween(24, 3000)
  const phase = random.between(0, 2 * Math.PI)
  const second = random.between(0, 0.6)
  const secondPhase = random.between(0, 2 * Math.PI)
  const hasWeek = random.chance(0.6)
  return (index) => {
    const angle = (2 * Math.PI * index) / day + phase
    const wave = (Math.sin(angle) + second * Math.sin(2 * angle + secondPhase)) / (1 + second)
    const weekday = hasWeek ? WEEK_DAYS[Math.floor(index / day) % 7]! : 1
    return amplitude * wave * weekday
  }
}

/** Single odd values and short runs of them, so that the model learns not to be led astray by its own past. */
function addOddities(random: Random, { values, isOdd }: Series): void {
  const spread = typicalStep(values)
  for (let index = 0; index < values.length; index++) {
    if (!random.chance(0.004)) continue
    const run = random.chance(0.7) ? 1 : random.integer(2, 5)
    const offset = spread * random.logBetween(6, 60) * (random.chance(0.7) ? 1 : -1)
    for (let at = index; at < Math.min(values.length, index + run); at++) {
      values[at]! += offset
      isOdd[at] = 1
    }
    index += run
  }
}

/** Mean absolute difference of neighbours. */
export function typicalStep(values: Float64Array): number {
  let sum = 0
  for (let index = 1; index < values.length; index++) sum += Math.abs(values[index]! - values[index - 1]!)
  return sum / Math.max(1, values.length - 1) || 1
}
