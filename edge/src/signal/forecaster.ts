/** Runs the anomaly model: many series in one call. */
import type { ModelRef } from '@patrolhub/protocol'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { type LoadedModelInfo, readModelFile } from '../detect/model-file.ts'
import { EdgeError } from '../errors.ts'
import { ROW_LENGTH, writeRow } from './history.ts'

export interface Judgement {
  /** 0..1; see models/signal-forecast. */
  score: number
  expected: number
  expectedLow: number
  expectedHigh: number
}

export interface Judged {
  /** Oldest first. */
  recent: readonly number[]
  value: number
  /** The smallest change that means anything; 0 if that is not known. */
  resolution: number
}

/** The expected band reaches this many spreads to either side. */
const BAND_SPREADS = 3
const OUTPUTS = ['mean', 'spread', 'score'] as const

export class Forecaster {
  readonly model: ModelRef
  readonly #session: InferenceSession
  readonly #input: string

  private constructor(model: LoadedModelInfo, session: InferenceSession) {
    this.model = { id: model.entry.id, sha256: model.entry.sha256 }
    this.#session = session
    this.#input = model.entry.input.name
  }

  /** @throws EdgeError EDGE_MODEL_HASH, EDGE_MODEL_MISSING or EDGE_MODEL_SHAPE. */
  static async open(model: LoadedModelInfo): Promise<Forecaster> {
    const bytes = await readModelFile(model)
    let session: InferenceSession
    try {
      // One thread: the graph is far too small to be worth sharing.
      session = await InferenceSession.create(bytes, {
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      })
    } catch (cause) {
      throw new EdgeError('EDGE_MODEL_SHAPE', `${model.path} cannot be loaded: ${(cause as Error).message}`, {
        cause,
      })
    }
    const input = session.inputMetadata.find(({ name }) => name === model.entry.input.name)
    const width = input?.isTensor ? input.shape.at(-1) : undefined
    const missing = OUTPUTS.filter((name) => !session.outputNames.includes(name))
    if (width !== ROW_LENGTH || missing.length > 0) {
      await session.release()
      const found = `input ${model.entry.input.name} of width ${width}, outputs without ${missing.join(', ') || 'none'}`
      throw new EdgeError('EDGE_MODEL_SHAPE', `${model.path} has ${found}; width ${ROW_LENGTH} is needed`)
    }
    return new Forecaster(model, session)
  }

  /** One judgement for each, in order; all in one run of the graph. */
  async judge(batch: readonly Judged[]): Promise<Judgement[]> {
    if (batch.length === 0) return []
    const rows = new Float32Array(batch.length * ROW_LENGTH)
    const normalisations = batch.map(({ recent, value, resolution }, index) =>
      writeRow(rows.subarray(index * ROW_LENGTH, (index + 1) * ROW_LENGTH), recent, value, resolution),
    )
    const output = await this.#session.run({
      [this.#input]: new Tensor('float32', rows, [batch.length, ROW_LENGTH]),
    })
    const [means, spreads, scores] = OUTPUTS.map((name) => output[name]!.data as Float32Array)
    return normalisations.map(({ level, scale }, index) => {
      const expected = level + scale * means![index]!
      const reach = BAND_SPREADS * scale * spreads![index]!
      // A value that is infinitely far out overflows float32: inf/inf.
      const score = Number.isFinite(scores![index]) ? Math.min(1, scores![index]!) : 1
      return { score, expected, expectedLow: expected - reach, expectedHigh: expected + reach }
    })
  }

  async close(): Promise<void> {
    await this.#session.release()
  }
}
