import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { MEASURE_COUNT } from '../../edge/src/signal/measures.ts'
import { ROW_LENGTH, SeriesModel } from '../../edge/src/signal/series-model.ts'
import { evidenceOf } from '../signal-novelty/evidence.ts'
import { encodeModel } from '../signal-novelty/graph.ts'
import { Random } from '../signal-novelty/random.ts'
import { makeSeries } from '../signal-novelty/series.ts'
import {
  calibrate,
  fitWeights,
  makeStretches,
  ranking,
  type Stretch,
  train,
} from '../signal-novelty/training.ts'

const MODELS = join(import.meta.dirname, '..')
const FILE = join(MODELS, 'signal-novelty', 'signal-novelty.onnx')

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('the signal model', () => {
  it('is what its training script makes, to the last byte', () => {
    expect(sha256(encodeModel(train()))).toBe(sha256(readFileSync(FILE)))
  }, 240_000)

  it('has the hash of its catalogue entry', async () => {
    const { models } = await readModelCatalogue(join(MODELS, 'catalogue.json'))
    expect(models.find(({ id }) => id === 'signal-novelty')?.sha256).toBe(sha256(readFileSync(FILE)))
  })

  it('computes in onnxruntime what the training code computes', async () => {
    const weights = Float64Array.from({ length: MEASURE_COUNT }, (_, index) => 0.1 + index / 50)
    const bias = -3
    const session = await InferenceSession.create(encodeModel({ weights, bias }))
    const { values, atMs } = makeSeries(new Random(5))
    const series = new SeriesModel()
    const count = 600
    const rows = new Float32Array(count * ROW_LENGTH)
    for (let index = 0; index < count; index++)
      series.take(
        values[index]!,
        atMs[index]!,
        0,
        rows.subarray(index * ROW_LENGTH, (index + 1) * ROW_LENGTH),
      )
    const { score, contributions } = await session.run({
      rows: new Tensor('float32', rows, [count, ROW_LENGTH]),
    })
    const evidence = new Float32Array(MEASURE_COUNT)
    for (let index = 0; index < count; index++) {
      evidenceOf(rows.subarray(index * ROW_LENGTH), evidence)
      const logOdds = evidence.reduce((sum, each, measure) => sum + weights[measure]! * each, bias)
      expect(score!.data[index]).toBeCloseTo(1 / (1 + Math.exp(-logOdds)), 4)
      for (const [measure, each] of evidence.entries())
        expect(contributions!.data[index * MEASURE_COUNT + measure]).toBeCloseTo(weights[measure]! * each, 3)
    }
    await session.release()
  })
})

describe('the training', () => {
  it('ranks made-up anomalies before what is calm, on series that it has not seen', () => {
    const trained = fitWeights(makeStretches(3, 25))
    expect(ranking(makeStretches(4, 15), trained)).toBeGreaterThan(0.7)
    expect(Math.min(...trained.weights)).toBeGreaterThanOrEqual(0)
  }, 60_000)

  it('is calibrated: the score is the share of anomalies among stretches as odd, were there as many with one as without', () => {
    const stretch = (isAnomaly: boolean, level: number): Stretch => ({
      isAnomaly,
      evidence: new Float32Array(MEASURE_COUNT).fill(level),
    })
    const stretches = Array.from({ length: 400 }, (_, index) => {
      const level = index % 2
      return stretch(index % 20 < (level === 0 ? 4 : 15), level)
    })
    const share = (level: number) => {
      const meant = stretches.filter(({ evidence }) => evidence[0] === level)
      const isOf = (kind: boolean, among: Stretch[]) =>
        among.filter(({ isAnomaly }) => isAnomaly === kind).length
      const [odd, calm] = [true, false].map((kind) => isOf(kind, meant) / isOf(kind, stretches))
      return odd! / (odd! + calm!)
    }
    const { weights, bias } = calibrate(stretches, {
      weights: new Float64Array(MEASURE_COUNT).fill(0.01),
      bias: -1,
    })
    for (const level of [0, 1]) {
      const logOdds = bias + level * weights.reduce((sum, weight) => sum + weight, 0)
      expect(1 / (1 + Math.exp(-logOdds))).toBeCloseTo(share(level), 6)
    }
  })
})
