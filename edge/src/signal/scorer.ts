/** Runs the anomaly model: the newest values of many series in one call. */
import type { ModelRef } from '@patrolhub/protocol'
import { type InferenceSession, Tensor } from 'onnxruntime-node'
import type { LoadedModelInfo } from '../detect/model-file.ts'
import { openSmallSession } from '../detect/small-session.ts'
import { EdgeError } from '../errors.ts'
import { MEASURE_COUNT, REASON_OF_MEASURE, type SignalReason } from './measures.ts'
import { ROW_LENGTH, type SeriesModel } from './series-model.ts'

export interface Judgement {
  /** 0..1: how likely it is that something happened; see models/signal-novelty. */
  score: number
  /** The score (on the first day of a series less) if this value begins an episode or makes it worse, else 0. */
  news: number
  expected: number
  expectedLow: number
  expectedHigh: number
  /** What speaks most for an anomaly, however weak. */
  reason: SignalReason
}

export interface Judged {
  series: SeriesModel
  /** Not a number: the value is missing. */
  value: number
  atMs: number
  /** The smallest change that means anything; 0 if that is not known. */
  resolution: number
}

const OUTPUTS = ['score', 'offset', 'spread', 'contributions'] as const

export class Scorer {
  readonly model: ModelRef
  readonly #session: InferenceSession
  readonly #input: string

  private constructor(model: LoadedModelInfo, session: InferenceSession) {
    this.model = { id: model.entry.id, sha256: model.entry.sha256 }
    this.#session = session
    this.#input = model.entry.input.name
  }

  /** @throws EdgeError EDGE_MODEL_HASH, EDGE_MODEL_MISSING, EDGE_MODEL_LOAD or EDGE_MODEL_SHAPE. */
  static async open(model: LoadedModelInfo): Promise<Scorer> {
    const session = await openSmallSession(model)
    const input = session.inputMetadata.find(({ name }) => name === model.entry.input.name)
    const width = input?.isTensor ? input.shape.at(-1) : undefined
    const missing = OUTPUTS.filter((name) => !session.outputNames.includes(name))
    if (width !== ROW_LENGTH || missing.length > 0) {
      await session.release()
      const found = `input ${model.entry.input.name} of width ${width}, outputs without ${missing.join(', ') || 'none'}`
      throw new EdgeError('EDGE_MODEL_SHAPE', `${model.path} has ${found}; width ${ROW_LENGTH} is needed`)
    }
    return new Scorer(model, session)
  }

  /** One judgement for each, in order; all in one run of the graph. No series may be there twice. */
  async judge(batch: readonly Judged[]): Promise<Judgement[]> {
    if (batch.length === 0) return []
    const rows = new Float32Array(batch.length * ROW_LENGTH)
    for (const [index, { series, value, atMs, resolution }] of batch.entries()) {
      series.take(value, atMs, resolution, rows.subarray(index * ROW_LENGTH, (index + 1) * ROW_LENGTH))
    }
    const output = await this.#session.run({
      [this.#input]: new Tensor('float32', rows, [batch.length, ROW_LENGTH]),
    })
    const [scores, offsets, spreads, contributions] = OUTPUTS.map(
      (name) => output[name]!.data as Float32Array,
    )
    return batch.map(({ series, value }, index) => {
      const score = scores![index]!
      const expected = series.level + offsets![index]!
      const spread = spreads![index]!
      const reach = series.forecast.width * spread
      const isMissing = Number.isNaN(value)
      if (!isMissing) series.forecast.learnWidth(Math.abs(value - expected) / spread)
      return {
        score,
        news: series.episodes.admit(score, series.count, series.stepMs),
        expected,
        expectedLow: expected - reach,
        expectedHigh: expected + reach,
        reason: isMissing ? 'missing' : strongest(contributions!, index * MEASURE_COUNT),
      }
    })
  }

  async close(): Promise<void> {
    await this.#session.release()
  }
}

/** Most of what is odd also takes an unusual course; to say so is for what has no better reason. */
const COURSE_SHARE = 0.33

/** The reason to which the measures from `at` on contribute most. */
function strongest(contributions: Float32Array, at: number): SignalReason {
  const sums: Partial<Record<SignalReason, number>> = {}
  let best = REASON_OF_MEASURE[0]!
  for (const [index, reason] of REASON_OF_MEASURE.entries()) {
    const share = reason === 'unusual-course' ? COURSE_SHARE : 1
    const sum = (sums[reason] ?? 0) + share * contributions[at + index]!
    sums[reason] = sum
    if (sum > (sums[best] ?? 0)) best = reason
  }
  return best
}
