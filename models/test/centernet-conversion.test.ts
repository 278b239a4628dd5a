/**
 * The converted CenterNet against the original in TensorFlow.js: the same pictures, the same numbers. The original is
 * the package's own file, run by the WASM backend; the conversion is ours, run by onnxruntime.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ModelEntry } from '@patrolhub/protocol'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { loadGraphModel } from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Frame } from '../../edge/src/capture/frame.ts'
import { decodeCenternet } from '../../edge/src/detect/centernet.ts'
import { readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { spreadToPlanes } from '../../edge/src/detect/pixels.ts'
import { footage, readFrames, renderedFrame } from '../../edge/test/detect/real-input.ts'
import { CONVERTERS } from '../converters.ts'
import { fetchNpmTarball } from '../npm-package.ts'
import { readTarball } from '../tarball.ts'

/** The size at which the original runs. */
const SIZE_PX = 512
const format = { widthPx: SIZE_PX, heightPx: SIZE_PX, channels: 'RGB', padding: 114 } as const
/** Both compute in float32, in different orders; scores lie in 0..1 and extents in 0..512 pixels. */
const HEATMAP_TOLERANCE = 1e-5
const EXTENTS_TOLERANCE_PX = 0.02

let entry: ModelEntry
let files: Map<string, Uint8Array>
let converted: Uint8Array
let original: Awaited<ReturnType<typeof loadGraphModel>>
let session: InferenceSession
let frames: Frame[]

beforeAll(async () => {
  const { models } = await readModelCatalogue(join(import.meta.dirname, '..', 'catalogue.json'))
  entry = models.find(({ id }) => id === 'centernet')!
  if (entry.source.kind !== 'npm-tarball') throw new Error('centernet comes from a tarball')
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-package-'))
  const tarball = await fetchNpmTarball(entry.source, folder)
  await rm(folder, { recursive: true })
  files = readTarball(
    tarball,
    entry.source.files.map(({ path }) => path),
  )
  converted = CONVERTERS.centernet!(files, 'test')
  session = await InferenceSession.create(converted, { graphOptimizationLevel: 'all', intraOpNumThreads: 1 })
  original = await loadOriginal()

  const [walkers, cars] = [footage('vtest.avi'), footage('person-bicycle-car.mp4')]
  frames = [
    renderedFrame('rendered', format),
    ...(walkers ? await readFrames(walkers, [0, 30, 60], format) : []),
    ...(cars ? await readFrames(cars, [8, 20], format) : []),
  ]
}, 120_000)

async function loadOriginal() {
  const wasm = fileURLToPath(import.meta.resolve('@tensorflow/tfjs-backend-wasm'))
  setWasmPaths(`${dirname(wasm)}/`)
  await tf.setBackend('wasm')
  const json = JSON.parse(Buffer.from(files.get('package/models/centernet.json')!).toString())
  const weightData = Uint8Array.from(files.get('package/models/centernet.bin')!).buffer
  const { modelTopology, weightsManifest } = json
  return loadGraphModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  )
}

async function runOriginal(frame: Frame, output: string): Promise<Float32Array> {
  const input = tf.tensor4d(Float32Array.from(frame.data), [1, SIZE_PX, SIZE_PX, 3])
  const result = original.execute(input, output) as tf.Tensor
  const values = (await result.data()) as Float32Array
  tf.dispose([input, result])
  return values
}

async function runConverted(frame: Frame): Promise<{ heatmap: Float32Array; extents: Float32Array }> {
  const planes = new Float32Array(frame.data.length)
  spreadToPlanes(frame.data, planes)
  const results = await session.run({ images: new Tensor('float32', planes, [1, 3, SIZE_PX, SIZE_PX]) })
  return { heatmap: results.heatmap!.data as Float32Array, extents: results.extents!.data as Float32Array }
}

/** The greatest difference between `[rows, columns, planes]` and `[planes, rows, columns]`. */
function greatestDifference(lastAxis: Float32Array, firstAxis: Float32Array, planes: number): number {
  expect(lastAxis.length).toBe(firstAxis.length)
  const cells = lastAxis.length / planes
  let greatest = 0
  for (let cell = 0; cell < cells; cell++)
    for (let plane = 0; plane < planes; plane++) {
      const difference = Math.abs(lastAxis[cell * planes + plane]! - firstAxis[plane * cells + cell]!)
      // Written so that NaN counts as a difference.
      if (!(difference <= greatest)) greatest = difference
    }
  return greatest
}

describe('the converted CenterNet', () => {
  it('is the file of the catalogue, byte for byte, each time', () => {
    if (entry.source.kind !== 'npm-tarball') throw new Error('centernet comes from a tarball')
    const description = `${entry.title}; converted from ${entry.source.package} ${entry.source.version}; licence ${entry.licence}`
    const again = CONVERTERS.centernet!(files, description)
    expect(createHash('sha256').update(again).digest('hex')).toBe(entry.sha256)
  })

  it('computes the heads of the original', async () => {
    let [heatmapDifference, extentsDifference] = [0, 0]
    for (const frame of frames) {
      const { heatmap, extents } = await runConverted(frame)
      const keypoints = await runOriginal(frame, 'tower_0/keypoints')
      const sizes = await runOriginal(frame, 'tower_0/wh')
      heatmapDifference = Math.max(heatmapDifference, greatestDifference(keypoints, heatmap, 80))
      extentsDifference = Math.max(extentsDifference, greatestDifference(sizes, extents, 4))
    }
    console.log(
      `${frames.length} pictures: heat map differs by at most ${heatmapDifference.toExponential(1)}, ` +
        `extents by ${extentsDifference.toFixed(4)} px`,
    )
    expect(heatmapDifference).toBeLessThan(HEATMAP_TOLERANCE)
    expect(extentsDifference).toBeLessThan(EXTENTS_TOLERANCE_PX)
  })

  it('gives with our decoder the boxes that the original finds with its own', async () => {
    const scoreThreshold = 0.2
    const side = SIZE_PX / 4
    let boxes = 0
    for (const frame of frames) {
      const rows = await runOriginal(frame, 'tower_0/detections')
      const expected = Array.from({ length: rows.length / 6 }, (_, index) => [
        ...rows.subarray(index * 6, index * 6 + 6),
      ]).filter(([, , , , score]) => score! >= scoreThreshold)
      const { heatmap, extents } = await runConverted(frame)
      const found = decodeCenternet(heatmap, extents, {
        rows: side,
        columns: side,
        scoreThreshold,
        isWanted: Array.from({ length: 80 }, () => true),
      })
      const actual = found
        .toSorted((a, b) => b.score - a.score)
        .map(({ x1, y1, x2, y2, score, classIndex }) => [x1, y1, x2, y2, score, classIndex])
      expect(actual).toEqual(expected.map((row) => row.map((value) => expect.closeTo(value, 1))))
      boxes += actual.length
    }
    expect(boxes).toBeGreaterThan(0)
  })

  it.each([
    [512, 288],
    [320, 320],
    [416, 256],
  ])('also runs at %i×%i', async (widthPx, heightPx) => {
    const input = new Tensor('float32', new Float32Array(3 * widthPx * heightPx), [1, 3, heightPx, widthPx])
    const { heatmap, extents } = await session.run({ images: input })
    expect(heatmap!.dims).toEqual([1, 80, heightPx / 4, widthPx / 4])
    expect(extents!.dims).toEqual([1, 4, heightPx / 4, widthPx / 4])
  })
})
