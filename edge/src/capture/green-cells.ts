/** Brightness of an analysis frame in cells of 4×4 pixels: what tells quickly whether and where something has changed. */

/** A cell is this many pixels of the analysis frame wide and high. */
export const CELL_PX = 4

/**
 * Mean of every other green pixel of each cell: brightness nearly, whatever the order of the channels. `width` and
 * `height` count cells, `rowPx` is the width of the whole frame. Pure.
 */
export function greenOf(
  data: Uint8Array,
  rowPx: number,
  width: number,
  height: number,
): Float32Array<ArrayBuffer> {
  const cells = new Float32Array(width * height)
  const row = rowPx * 3
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let at = y * CELL_PX * row + x * CELL_PX * 3 + 1
      let sum = 0
      for (let line = 0; line < CELL_PX; line += 1, at += row)
        sum += data[at + (line % 2) * 3]! + data[at + 6 + (line % 2) * 3]!
      cells[y * width + x] = sum / (2 * CELL_PX)
    }
  }
  return cells
}
