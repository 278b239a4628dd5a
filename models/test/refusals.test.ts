/** Model files that must not run: another file, a cut one, one that onnxruntime cannot read, one of another shape. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ModelEntry } from '@patrolhub/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DetectionSession } from '../../edge/src/detect/detection-session.ts'
import { readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { type Dimension, OnnxGraph } from '../convert/onnx-model.ts'

const SIZE = { widthPx: 64, heightPx: 32 }

interface TinyModel {
  inputName?: string
  inputShape?: Dimension[]
  outputName?: string
  /** Channels of a 1×1 convolution over the input. */
  channels?: number
  stride?: number
  outputShape?: Dimension[]
}

/** A model with the outside of CenterNet, as far as a test leaves it: two convolutions of zeros. */
function tinyModel(model: TinyModel): Uint8Array {
  const {
    inputName = 'images',
    inputShape = ['batch', 3, 'height', 'width'],
    channels = 80,
    stride = 4,
  } = model
  const { outputName = 'heatmap', outputShape = ['batch', channels, 'rows', 'columns'] } = model
  const graph = new OnnxGraph('tiny', 13)
  graph.addInput(inputName, inputShape)
  for (const [name, count, shape] of [
    [outputName, channels, outputShape],
    ['extents', 4, ['batch', 4, 'rows', 'columns']],
  ] as const) {
    graph.addConstant(`${name}/filter`, [count, 3, 1, 1], new Float32Array(count * 3))
    graph.addNode('Conv', [inputName, `${name}/filter`], name, {
      strides: { kind: 'ints', value: [stride, stride] },
    })
    graph.addOutput(name, shape)
  }
  return graph.encode('a test')
}

let folder: string
let entry: ModelEntry
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-models-'))
  const { models } = await readModelCatalogue(join(import.meta.dirname, '..', 'catalogue.json'))
  entry = models.find(({ id }) => id === 'centernet')!
})
afterEach(() => rm(folder, { recursive: true }))

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Opens `bytes` as the catalogue's CenterNet, with the hash that the catalogue says, or its own. */
async function open(bytes: Uint8Array, catalogueSha256 = sha256(bytes)): Promise<DetectionSession> {
  const path = join(folder, 'centernet.onnx')
  await writeFile(path, bytes)
  const model = { entry: { ...entry, sha256: catalogueSha256 }, path }
  return DetectionSession.open({ model, ...SIZE, scoreThreshold: 0.3, classes: entry.classes })
}

async function refusal(opening: Promise<DetectionSession>): Promise<{ code: string; message: string }> {
  return opening.then(
    () => {
      throw new Error('the model was accepted')
    },
    (error) => error,
  )
}

describe('opening a model', () => {
  it('accepts one that has the shapes of its decoder', async () => {
    const session = await open(tinyModel({}))
    const pixels = new Uint8Array(SIZE.widthPx * SIZE.heightPx * 3)
    expect((await session.detect(pixels, SIZE)).detections).toEqual([])
    await session.close()
  })

  it('refuses a cut file and names it with both hashes', async () => {
    const whole = tinyModel({})
    const cut = whole.subarray(0, whole.length - 100)
    const { code, message } = await refusal(open(cut, sha256(whole)))
    expect(code).toBe('EDGE_MODEL_HASH')
    for (const part of [join(folder, 'centernet.onnx'), sha256(cut), sha256(whole), `${cut.length} bytes`])
      expect(message).toContain(part)
  })

  it('refuses what onnxruntime cannot read, and names the file', async () => {
    const { code, message } = await refusal(open(tinyModel({}).subarray(0, 300)))
    expect(code).toBe('EDGE_MODEL_LOAD')
    expect(message).toContain(join(folder, 'centernet.onnx'))
  })

  const wrongShapes: [string, TinyModel, string, string][] = [
    ['too few classes', { channels: 20 }, '[1, 80, 8, 16]', '[batch, 20, rows, columns]'],
    ['an output whose size shows only when it runs', { stride: 8 }, '[1, 80, 8, 16]', '[1, 80, 4, 8]'],
    ['a fixed input of another size', { inputShape: [1, 3, 48, 48] }, '[1, 3, 32, 64]', '[1, 3, 48, 48]'],
    ['an input of another name', { inputName: 'pixels' }, 'input images', 'pixels'],
    ['an output of another name', { outputName: 'scores' }, 'output heatmap', 'scores, extents'],
  ]
  it.each(wrongShapes)('refuses %s and names the file and both shapes', async (_, model, wanted, actual) => {
    const { code, message } = await refusal(open(tinyModel(model)))
    expect(code).toBe('EDGE_MODEL_SHAPE')
    expect(message).toContain(join(folder, 'centernet.onnx'))
    expect(message).toContain(wanted)
    expect(message.slice(message.indexOf('the model has'))).toContain(actual)
  })
})
