/** One entry for each decoder of the catalogue: what the model has to look like, and how its output becomes boxes. */
import type { ModelEntry } from '@patrolhub/protocol'
import type { Candidate } from './candidate.ts'
import { CENTERNET_STRIDE_PX, decodeCenternet } from './centernet.ts'
import { decodeYolox, yoloxRowCount } from './yolox.ts'

export type DetectionDecoderName = Exclude<ModelEntry['decoder'], 'signal-novelty' | 'normality'>

/** Shape of one output when the batch is 1. */
export interface OutputShape {
  name: string
  shape: number[]
}

export interface DecodeOptions {
  widthPx: number
  heightPx: number
  scoreThreshold: number
  /** For each class of the model, whether it matters. */
  isWanted: readonly boolean[]
}

export interface DetectionDecoder {
  /** The input's height and width are multiples of this. */
  sizeMultiple: number
  /** Grey value beside and below the picture, 0..255. */
  padding: number
  /** A score below which false boxes outnumber true ones on street scenes. */
  scoreThreshold: number
  outputShapes(size: { widthPx: number; heightPx: number }, classCount: number): OutputShape[]
  /** Boxes that may overlap. `outputs` are in the order of `outputShapes`. */
  decode(outputs: readonly Float32Array[], options: DecodeOptions): Candidate[]
}

export const DETECTION_DECODERS: Readonly<Record<DetectionDecoderName, DetectionDecoder>> = {
  yolox: {
    sizeMultiple: 32,
    padding: 114,
    scoreThreshold: 0.4,
    outputShapes: ({ widthPx, heightPx }, classCount) => [
      { name: 'output', shape: [1, yoloxRowCount(widthPx, heightPx), classCount + 5] },
    ],
    decode: ([output], options) => decodeYolox(output!, options),
  },
  centernet: {
    sizeMultiple: 32,
    padding: 114,
    scoreThreshold: 0.3,
    outputShapes: ({ widthPx, heightPx }, classCount) => {
      const rows = heightPx / CENTERNET_STRIDE_PX
      const columns = widthPx / CENTERNET_STRIDE_PX
      return [
        { name: 'heatmap', shape: [1, classCount, rows, columns] },
        { name: 'extents', shape: [1, 4, rows, columns] },
      ]
    },
    decode: ([heatmap, extents], { widthPx, heightPx, ...options }) =>
      decodeCenternet(heatmap!, extents!, {
        ...options,
        rows: heightPx / CENTERNET_STRIDE_PX,
        columns: widthPx / CENTERNET_STRIDE_PX,
      }),
  },
}
