/** Makes the data, trains, calibrates and evaluates. Everything follows from `SEED`. */
import { HISTORY_LENGTH, ROW_LENGTH, writeRow } from '../../edge/src/signal/history.ts'
import { type Forecast, type Layer, lossOf, makeNetwork, Trainer } from './network.ts'
import { Random } from './random.ts'
import { makeSeries, typicalStep } from './series.ts'

const SEED = 20221001
const SIZES = [2 * HISTORY_LENGTH, 24, 16, 2]
const STEPS = 4000
const BATCH = 128
const SERIES_LENGTH = 400
const LEARNING_RATE = 3e-3
/** Share of ordinary values that may lie beyond 4 spreads. */
const CALIBRATION_SHARE = 0.002

export interface Sample {
  row: Float32Array
  /** Typical difference of neighbours, in the normalised unit: the yardstick for odd values in the evaluation. */
  step: number
}

/** One sample a call, without end, from ever new series. Its last value is an ordinary one. */
export function* makeSamples(random: Random): Generator<Sample> {
  for (;;) {
    const series = makeSeries(random, SERIES_LENGTH)
    const step = typicalStep(series.values)
    for (let draw = 0; draw < 8; draw++) {
      const end = random.integer(8, SERIES_LENGTH - 1)
      if (series.isOdd[end]) continue
      // Also short histories: a series that has just begun.
      const length = Math.min(end, random.chance(0.2) ? random.integer(8, HISTORY_LENGTH) : HISTORY_LENGTH)
      const recent = Array.from(series.values.subarray(end - length, end))
      const row = new Float32Array(ROW_LENGTH)
      const { scale } = writeRow(row, recent, series.values[end]!, series.resolution)
      yield { row, step: step / scale }
    }
  }
}

/** Says what to expect of a row, not looking at its last number. */
export type Predict = (row: Float32Array) => Forecast

const judgedValue = (row: Float32Array) => row[2 * HISTORY_LENGTH]!

/** A target far outside says nothing about how far outside; it must not swamp the others. */
const targetOf = (row: Float32Array) => Math.max(-12, Math.min(12, judgedValue(row)))

export function train(onProgress: (step: number, loss: number) => void): Layer[] {
  const layers = makeNetwork(SIZES, new Random(SEED))
  const trainer = new Trainer(layers)
  const samples = makeSamples(new Random(SEED + 1))
  let average = 0
  for (let step = 1; step <= STEPS; step++) {
    let loss = 0
    for (let index = 0; index < BATCH; index++) {
      const { row } = samples.next().value as Sample
      loss += trainer.add(row, targetOf(row)) / BATCH
    }
    // Falls along a cosine to nothing.
    trainer.step(BATCH, (LEARNING_RATE * (1 + Math.cos((Math.PI * step) / STEPS))) / 2)
    average = step === 1 ? loss : 0.99 * average + 0.01 * loss
    if (step % 500 === 0) onProgress(step, average)
  }
  return layers
}

function take(seed: number, count: number): Sample[] {
  const samples = makeSamples(new Random(seed))
  return Array.from({ length: count }, () => samples.next().value as Sample)
}

/** The factor on the spread by which `CALIBRATION_SHARE` of ordinary values lie beyond 4 spreads. */
export function calibrate(predict: Predict): number {
  const distances = take(SEED + 2, 20_000)
    .map(({ row }) => {
      const { mean, spread } = predict(row)
      return Math.abs(judgedValue(row) - mean) / spread
    })
    .sort((a, b) => a - b)
  const quantile = distances[Math.floor(distances.length * (1 - CALIBRATION_SHARE))]!
  // Three digits are plenty, and the same whatever the last bits.
  return Math.round((quantile / 4) * 1000) / 1000
}

export interface Evaluation {
  name: string
  loss: number
  /** Share of ordinary values with a score of at least 0.5 and 0.7. */
  falseAt50: number
  falseAt70: number
  /** Share of values moved by 8 and 16 typical steps that get a score of at least 0.7. */
  foundAt8Steps: number
  foundAt16Steps: number
}

/** On series that were neither trained nor calibrated on, after the same calibration for all. */
export function evaluate(name: string, uncalibrated: Predict): Evaluation {
  const factor = calibrate(uncalibrated)
  const predict: Predict = (row) => {
    const { mean, spread } = uncalibrated(row)
    return { mean, spread: spread * factor }
  }
  const samples = take(SEED + 3, 20_000)
  const random = new Random(SEED + 4)
  const counts = { loss: 0, falseAt50: 0, falseAt70: 0, foundAt8Steps: 0, foundAt16Steps: 0 }
  const scoreOf = (value: number, { mean, spread }: Forecast) => {
    const z = (value - mean) / spread
    return (z * z) / (z * z + 16)
  }
  for (const { row, step } of samples) {
    const predicted = predict(row)
    const value = judgedValue(row)
    const score = scoreOf(value, predicted)
    const sign = random.chance(0.5) ? 1 : -1
    counts.loss += lossOf((targetOf(row) - predicted.mean) / predicted.spread, predicted.spread)
    if (score >= 0.5) counts.falseAt50 += 1
    if (score >= 0.7) counts.falseAt70 += 1
    if (scoreOf(value + sign * 8 * step, predicted) >= 0.7) counts.foundAt8Steps += 1
    if (scoreOf(value + sign * 16 * step, predicted) >= 0.7) counts.foundAt16Steps += 1
  }
  const share = (count: number) => Math.round((count / samples.length) * 10_000) / 10_000
  return {
    name,
    loss: share(counts.loss),
    falseAt50: share(counts.falseAt50),
    falseAt70: share(counts.falseAt70),
    foundAt8Steps: share(counts.foundAt8Steps),
    foundAt16Steps: share(counts.foundAt16Steps),
  }
}
