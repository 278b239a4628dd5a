/** Runs the normality model: how rare samples are against what a camera has learned. One session for all cameras. */
import type { ModelRef } from '@patrolhub/protocol'
import { type InferenceSession, Tensor } from 'onnxruntime-node'
import type { LoadedModelInfo } from '../../detect/model-file.ts'
import { openSmallSession } from '../../detect/small-session.ts'
import { EdgeError } from '../../errors.ts'
import { CLASSES, COLUMNS, FACTORS, HOURS, MOVES, ROWS, SIZES } from './layout.ts'
import { SAMPLE_LENGTH, type Sample, type SceneMemory } from './scene-memory.ts'

const KINDS = CLASSES.length

export class NormalityModel {
  readonly model: ModelRef
  readonly #session: InferenceSession

  private constructor(model: ModelRef, session: InferenceSession) {
    this.model = model
    this.#session = session
  }

  /** @throws EdgeError EDGE_MODEL_HASH, EDGE_MODEL_MISSING, EDGE_MODEL_LOAD or EDGE_MODEL_SHAPE. */
  static async open(info: LoadedModelInfo): Promise<NormalityModel> {
    const session = await openSmallSession(info)
    const samples = session.inputMetadata.find(({ name }) => name === 'samples')
    const width = samples?.isTensor ? samples.shape.at(-1) : undefined
    if (width !== SAMPLE_LENGTH || !session.outputNames.includes('rarity')) {
      await session.release()
      throw new EdgeError(
        'EDGE_MODEL_SHAPE',
        `${info.path} does not take samples of ${SAMPLE_LENGTH} numbers`,
      )
    }
    return new NormalityModel({ id: info.entry.id, sha256: info.entry.sha256 }, session)
  }

  /** For each sample, in the order of FACTORS: the share of what is usual that is as rare as it or rarer, 0..1. */
  async rarities(memory: SceneMemory, samples: readonly Sample[]): Promise<Float32Array[]> {
    const { rarity } = await this.#session.run({
      place: new Tensor('float32', memory.place, [1, KINDS, ROWS, COLUMNS]),
      movement: new Tensor('float32', memory.movement, [1, KINDS * MOVES, ROWS, COLUMNS]),
      size: new Tensor('float32', memory.size, [1, KINDS * SIZES, ROWS, COLUMNS]),
      hour: new Tensor('float32', memory.hour, [KINDS, HOURS]),
      samples: new Tensor('float32', Float32Array.from(samples.flat()), [samples.length, SAMPLE_LENGTH]),
    })
    const data = rarity!.data as Float32Array
    return samples.map((_, index) => data.subarray(index * FACTORS.length, (index + 1) * FACTORS.length))
  }

  async close(): Promise<void> {
    await this.#session.release()
  }
}
