import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { ROW_LENGTH } from '../../edge/src/signal/history.ts'
import { encodeModel } from '../signal-forecast/graph.ts'
import { forecast, type Layer, makeNetwork, Trainer } from '../signal-forecast/network.ts'
import { Random } from '../signal-forecast/random.ts'
import { calibrate, makeSamples, train } from '../signal-forecast/training.ts'

const MODELS = join(import.meta.dirname, '..')
const FILE = join(MODELS, 'signal-forecast', 'signal-forecast.onnx')

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('the signal model', () => {
  it('is what its training script makes, to the last byte', () => {
    const layers = train(() => undefined)
    const bytes = encodeModel(
      layers,
      calibrate((row) => forecast(layers, row)),
    )
    expect(sha256(bytes)).toBe(sha256(readFileSync(FILE)))
  }, 120_000)

  it('has the hash of its catalogue entry', async () => {
    const { models } = await readModelCatalogue(join(MODELS, 'catalogue.json'))
    expect(models.find(({ id }) => id === 'signal-forecast')?.sha256).toBe(sha256(readFileSync(FILE)))
  })

  it('computes in onnxruntime what the training code computes', async () => {
    const layers = makeNetwork([ROW_LENGTH - 1, 8, 2], new Random(5))
    const session = await InferenceSession.create(encodeModel(layers, 1.5))
    const samples = makeSamples(new Random(6))
    const rows = Array.from({ length: 64 }, () => samples.next().value!.row)
    const input = Float32Array.from(rows.flatMap((row: Float32Array) => [...row]))
    const { mean, spread, score } = await session.run({
      rows: new Tensor('float32', input, [64, ROW_LENGTH]),
    })
    for (const [index, row] of rows.entries()) {
      const expected = forecast(layers, row)
      expect(mean!.data[index]).toBeCloseTo(expected.mean, 4)
      expect(spread!.data[index]).toBeCloseTo(expected.spread * 1.5, 4)
      const z = (row[ROW_LENGTH - 1]! - expected.mean) / (expected.spread * 1.5)
      expect(score!.data[index]).toBeCloseTo((z * z) / (z * z + 16), 4)
    }
    await session.release()
  })

  it('is trained with the gradient of its loss', () => {
    const layers = makeNetwork([6, 4, 2], new Random(1))
    const input = [0.3, -1, 0.5, 2, -0.2, 0.7]
    const target = 1.3
    const step = 1e-6
    const lossWith = (depth: number, index: number, change: number): number => {
      const copy: Layer[] = structuredClone(layers)
      copy[depth]!.weights[index]! += change
      return new Trainer(copy).add(input, target)
    }
    // Adam's first step moves every weight by the learning rate against the sign of its gradient.
    const moved = structuredClone(layers)
    const trainer = new Trainer(moved)
    trainer.add(input, target)
    trainer.step(1, 1e-3)
    for (const [depth, layer] of layers.entries()) {
      for (const index of layer.weights.keys()) {
        const slope = (lossWith(depth, index, step) - lossWith(depth, index, -step)) / (2 * step)
        if (Math.abs(slope) < 1e-4) continue
        expect(Math.sign(moved[depth]!.weights[index]! - layer.weights[index]!)).toBe(-Math.sign(slope))
      }
    }
  })
})
