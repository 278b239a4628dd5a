/**
 * Finds the weights: a logistic regression over evidence, of which one series shows much that is normal and little that
 * is not. Where exactly an anomaly shows is not known, only the stretch in which it does; so whole stretches are judged
 * by their oddest value (multiple-instance learning). Evidence never speaks against an anomaly: weights are not
 * negative, which also keeps the model sane on series unlike those it has learned from.
 */

import { MEASURE_COUNT } from '../../edge/src/signal/measures.ts'
import { ROW_LENGTH, SeriesModel } from '../../edge/src/signal/series-model.ts'
import { evidenceOf } from './evidence.ts'
import { Random } from './random.ts'
import { type LabelledSeries, makeSeries } from './series.ts'

export interface Weights {
  /** One for each measure. */
  weights: Float64Array
  bias: number
}

/** A stretch of a series: the evidence of the values in it that are the oddest in some respect. */
export interface Stretch {
  isAnomaly: boolean
  /** Rows of `MEASURE_COUNT`. */
  evidence: Float32Array
}

const SERIES = 600
const SEED = 11
const ROUNDS = 20
const BATCH = 64
const LEARNING_RATE = 0.005
const DECAY = 1e-2
/** Before, a series is too young to be like itself. */
const FIRST_CALM = 200
const DAY_MS = 86_400_000

export function makeStretches(seed: number, count: number): Stretch[] {
  const random = new Random(seed)
  return Array.from({ length: count }, () => stretchesOf(makeSeries(random))).flat()
}

/** Trains on the series of the seed; always the same weights. */
export function train(): Weights {
  const stretches = makeStretches(SEED, SERIES)
  return calibrate(stretches, fitWeights(stretches))
}

function stretchesOf({ atMs, values, anomalies }: LabelledSeries): Stretch[] {
  const length = values.length
  const evidence = new Float32Array(length * MEASURE_COUNT)
  const row = new Float32Array(ROW_LENGTH)
  const series = new SeriesModel()
  for (const [index, value] of values.entries()) {
    series.take(value, atMs[index]!, 0, row)
    evidenceOf(row, evidence, index * MEASURE_COUNT)
  }
  const stretches = anomalies.map(({ beginsAt, endsAt }) => stretch(evidence, beginsAt, endsAt + 1, true))
  const calm = Math.max(36, Math.min(144, Math.round(DAY_MS / (atMs[1]! - atMs[0]!) / 2)))
  const aftermath = Math.max(2 * calm, Math.floor((0.1 * length) / Math.max(1, anomalies.length)))
  for (let from = FIRST_CALM; from + calm < length; ) {
    const near = anomalies.find(({ beginsAt }) => from + calm >= beginsAt - 2 && from <= beginsAt + aftermath)
    if (near) from = near.beginsAt + aftermath + 1
    else {
      stretches.push(stretch(evidence, from, from + calm, false))
      from += calm
    }
  }
  return stretches
}

function stretch(evidence: Float32Array, from: number, to: number, isAnomaly: boolean): Stretch {
  const picked = new Set<number>()
  for (let place = 0; place < MEASURE_COUNT; place++) {
    let oddest = from
    for (let index = from; index < to; index++)
      if (evidence[index * MEASURE_COUNT + place]! > evidence[oddest * MEASURE_COUNT + place]!) oddest = index
    picked.add(oddest)
  }
  const rows = new Float32Array(picked.size * MEASURE_COUNT)
  for (const [place, index] of [...picked].entries())
    rows.set(evidence.subarray(index * MEASURE_COUNT, (index + 1) * MEASURE_COUNT), place * MEASURE_COUNT)
  return { isAnomaly, evidence: rows }
}

/** Adam (Kingma and Ba, 2015) on the logistic loss of each stretch's oddest value. */
export function fitWeights(stretches: readonly Stretch[]): Weights {
  const random = new Random(1)
  // The bias comes last.
  const numbers = new Float64Array(MEASURE_COUNT + 1).fill(0.05)
  numbers[MEASURE_COUNT] = -3
  const gradient = new Float64Array(numbers.length)
  const first = new Float64Array(numbers.length)
  const second = new Float64Array(numbers.length)
  const steps = ROUNDS * Math.floor(stretches.length / BATCH)
  for (let step = 1; step <= steps; step++) {
    gradient.fill(0)
    for (let sample = 0; sample < BATCH; sample++) addGradient(random.pick(stretches), numbers, gradient)
    const rate = LEARNING_RATE * (1 - (0.9 * step) / steps)
    const correction = Math.sqrt(1 - 0.999 ** step) / (1 - 0.9 ** step)
    for (let index = 0; index < numbers.length; index++) {
      const decay = index < MEASURE_COUNT ? DECAY * numbers[index]! : 0
      const slope = gradient[index]! / BATCH + decay
      first[index] = 0.9 * first[index]! + 0.1 * slope
      second[index] = 0.999 * second[index]! + 0.001 * slope * slope
      const moved = numbers[index]! - (rate * correction * first[index]!) / (Math.sqrt(second[index]!) + 1e-8)
      numbers[index] = index < MEASURE_COUNT ? Math.max(0, moved) : moved
    }
  }
  return { weights: numbers.slice(0, MEASURE_COUNT), bias: numbers[MEASURE_COUNT]! }
}

function addGradient({ evidence, isAnomaly }: Stretch, numbers: Float64Array, gradient: Float64Array): void {
  const { at, logOdds } = oddest(evidence, numbers, numbers[MEASURE_COUNT]!)
  const error = 1 / (1 + Math.exp(-logOdds)) - (isAnomaly ? 1 : 0)
  for (let place = 0; place < MEASURE_COUNT; place++) gradient[place]! += error * evidence[at + place]!
  gradient[MEASURE_COUNT]! += error
}

/** Where the row with the highest log-odds begins. */
function oddest(
  evidence: Float32Array,
  weights: Float64Array,
  bias: number,
): { at: number; logOdds: number } {
  let best = { at: 0, logOdds: Number.NEGATIVE_INFINITY }
  for (let at = 0; at < evidence.length; at += MEASURE_COUNT) {
    let logOdds = bias
    for (let place = 0; place < MEASURE_COUNT; place++) logOdds += weights[place]! * evidence[at + place]!
    if (logOdds > best.logOdds) best = { at, logOdds }
  }
  return best
}

/**
 * The weights times one factor, and a new bias, with which the score of a stretch is the share of anomalies among
 * stretches as odd, if there were as many with an anomaly as without (Platt, 1999): decay has made the weights too small
 * for that. Newton's method on two numbers.
 */
export function calibrate(stretches: readonly Stretch[], { weights, bias }: Weights): Weights {
  const samples = stretches.map(({ isAnomaly, evidence }) => ({
    isAnomaly,
    logOdds: oddest(evidence, weights, bias).logOdds,
  }))
  const anomalies = samples.filter(({ isAnomaly }) => isAnomaly).length
  let factor = 1
  let offset = 0
  for (let round = 0; round < 25; round++) {
    let [g0, g1, h00, h01, h11] = [0, 0, 1e-9, 0, 1e-9]
    for (const { isAnomaly, logOdds } of samples) {
      const share = 1 / (1 + Math.exp(-factor * logOdds - offset))
      const error = share - (isAnomaly ? 1 : 0)
      const weight = share * (1 - share)
      g0 += error * logOdds
      g1 += error
      h00 += weight * logOdds * logOdds
      h01 += weight * logOdds
      h11 += weight
    }
    const determinant = h00 * h11 - h01 * h01
    factor -= (h11 * g0 - h01 * g1) / determinant
    offset -= (h00 * g1 - h01 * g0) / determinant
  }
  const evenOdds = Math.log((samples.length - anomalies) / anomalies)
  return { weights: weights.map((weight) => factor * weight), bias: factor * bias + offset + evenOdds }
}

/** Share of pairs of a stretch with and one without an anomaly that the weights put in the right order. */
export function ranking(stretches: readonly Stretch[], { weights, bias }: Weights): number {
  const scored = stretches.map(({ isAnomaly, evidence }) => ({
    isAnomaly,
    most: oddest(evidence, weights, bias).logOdds,
  }))
  scored.sort((a, b) => a.most - b.most)
  let calm = 0
  let pairs = 0
  for (const { isAnomaly } of scored) {
    if (isAnomaly) pairs += calm
    else calm += 1
  }
  return pairs / (calm * (scored.length - calm))
}
