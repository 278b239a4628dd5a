/**
 * Reads the output of YOLOX (Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021): one row a cell of three grids,
 * each row an offset, a logarithmic size, an objectness and the class scores. Scores are already sigmoids.
 */
import type { Candidate } from './candidate.ts'

const STRIDES_PX = [8, 16, 32] as const
/** dx, dy, log w, log h, objectness; the class scores follow. */
const HEAD_SIZE = 5

/** Rows of the output for an input of this size: one a cell of the three grids. */
export function yoloxRowCount(widthPx: number, heightPx: number): number {
  return STRIDES_PX.reduce((sum, stride) => sum + (widthPx / stride) * (heightPx / stride), 0)
}

/**
 * Boxes of the classes that matter, unsorted and overlapping, in pixels of the input.
 *
 * `output` is `[N, 5 + classes]` row-major, N = `yoloxRowCount`, the grids in order of stride and each row by row.
 * Centre = (offset + cell)·stride, size = exp(log size)·stride, score = objectness · best class score.
 * `isWanted[classIndex]` says which classes matter; a cell whose best class does not matter is left out.
 */
export function decodeYolox(
  output: Float32Array,
  options: { widthPx: number; heightPx: number; scoreThreshold: number; isWanted: readonly boolean[] },
): Candidate[] {
  const { widthPx, heightPx, scoreThreshold, isWanted } = options
  const rowSize = HEAD_SIZE + isWanted.length
  const candidates: Candidate[] = []
  let row = 0
  for (const stride of STRIDES_PX) {
    for (let cellY = 0; cellY < heightPx / stride; cellY++) {
      for (let cellX = 0; cellX < widthPx / stride; cellX++, row += rowSize) {
        const objectness = output[row + 4]!
        // No class score is above 1, so most cells end here.
        if (!(objectness >= scoreThreshold)) continue
        const classIndex = bestIndex(output, row + HEAD_SIZE, isWanted.length)
        const score = objectness * output[row + HEAD_SIZE + classIndex]!
        if (!(score >= scoreThreshold) || !isWanted[classIndex]) continue
        const centreX = (output[row]! + cellX) * stride
        const centreY = (output[row + 1]! + cellY) * stride
        const halfWidth = (Math.exp(output[row + 2]!) * stride) / 2
        const halfHeight = (Math.exp(output[row + 3]!) * stride) / 2
        candidates.push({
          classIndex,
          score,
          x1: centreX - halfWidth,
          y1: centreY - halfHeight,
          x2: centreX + halfWidth,
          y2: centreY + halfHeight,
        })
      }
    }
  }
  return candidates
}

function bestIndex(values: Float32Array, start: number, count: number): number {
  let best = 0
  for (let index = 1; index < count; index++) if (values[start + index]! > values[start + best]!) best = index
  return best
}
