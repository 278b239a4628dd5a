/**
 * Reads the two heads of CenterNet (Zhou et al., "Objects as Points", 2019): a heat map a class whose peaks are the
 * centres of objects, and for each cell the distances from the centre to the four sides.
 */
import type { Candidate } from './candidate.ts'

/** Pixels of the input for one cell of the heads. */
export const CENTERNET_STRIDE_PX = 4

/**
 * Boxes of the classes that matter, unsorted, in pixels of the input. A cell is a centre when none of its eight
 * neighbours in the same class's map is higher: the paper's 3×3 maximum, which takes the place of suppression inside
 * one class. Of a plateau every cell is a centre, as in the original.
 *
 * `heatmap` is `[classes, rows, columns]`, `extents` `[4, rows, columns]`: distance to the left, top, right and
 * bottom side in pixels of the input. `isWanted[classIndex]` says which classes matter.
 */
export function decodeCenternet(
  heatmap: Float32Array,
  extents: Float32Array,
  options: { rows: number; columns: number; scoreThreshold: number; isWanted: readonly boolean[] },
): Candidate[] {
  const { rows, columns, scoreThreshold, isWanted } = options
  const cells = rows * columns
  const candidates: Candidate[] = []
  for (let classIndex = 0; classIndex < isWanted.length; classIndex++) {
    if (!isWanted[classIndex]) continue
    const map = heatmap.subarray(classIndex * cells, (classIndex + 1) * cells)
    for (let cell = 0; cell < cells; cell++) {
      const score = map[cell]!
      if (!(score >= scoreThreshold)) continue
      const row = Math.floor(cell / columns)
      const column = cell % columns
      if (!isPeak(map, { row, column, rows, columns })) continue
      const centreX = column * CENTERNET_STRIDE_PX
      const centreY = row * CENTERNET_STRIDE_PX
      candidates.push({
        classIndex,
        score,
        x1: centreX - extents[cell]!,
        y1: centreY - extents[cells + cell]!,
        x2: centreX + extents[2 * cells + cell]!,
        y2: centreY + extents[3 * cells + cell]!,
      })
    }
  }
  return candidates
}

function isPeak(
  map: Float32Array,
  at: { row: number; column: number; rows: number; columns: number },
): boolean {
  const score = map[at.row * at.columns + at.column]!
  for (let row = Math.max(0, at.row - 1); row <= Math.min(at.rows - 1, at.row + 1); row++)
    for (let column = Math.max(0, at.column - 1); column <= Math.min(at.columns - 1, at.column + 1); column++)
      if (map[row * at.columns + column]! > score) return false
  return true
}
