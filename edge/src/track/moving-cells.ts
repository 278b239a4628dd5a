/**
 * Where in the picture something moves: brightness of small cells against their mean of the last seconds. A detector is
 * unsure of what is small or seen from above; that it moves tells it from the spots and shadows that a detector is
 * unsure of as well. Frames in, for each the cells that have changed out. Pure: time comes with the frames.
 */
import type { NormBox } from '@patrolhub/protocol'
import type { Frame } from '../capture/frame.ts'
import { CELL_PX, greenOf } from '../capture/green-cells.ts'

/** The mean takes in 63 % of a change in this time. */
const FOLLOW_MS = 2000
/** A cell has changed by this many grey values more than the picture as a whole. */
const MIN_CHANGE = 10
/** When more of the picture has changed, the light has, or the camera shakes: that tells nothing of objects. */
const MAX_PICTURE = 0.35
/** An object moves when this part of its box has changed … */
const MIN_INSIDE = 0.3
/** … and of the frame around it, as wide as half the box on each side, no more than this part of that. */
const MAX_AROUND = 0.6

type Pixels = Pick<Frame, 'capturedAtMs' | 'widthPx' | 'pictureWidthPx' | 'pictureHeightPx' | 'data'>

export class MovingCells {
  #mean = new Float32Array(0)
  #width = 0
  #lastAtMs = 0

  /** Whether a box of this frame holds something that moves. Has to be asked while the frame's pixels are there. */
  observe({
    capturedAtMs,
    widthPx,
    pictureWidthPx,
    pictureHeightPx,
    data,
  }: Pixels): (box: NormBox) => boolean {
    const width = Math.floor(pictureWidthPx / CELL_PX)
    const height = Math.floor(pictureHeightPx / CELL_PX)
    const cells = greenOf(data, widthPx, width, height)
    const elapsedMs = capturedAtMs - this.#lastAtMs
    this.#lastAtMs = capturedAtMs
    if (cells.length !== this.#mean.length || width !== this.#width || elapsedMs < 0) {
      this.#mean = cells
      this.#width = width
      return () => false
    }
    const changed = this.#change(cells, 1 - Math.exp(-elapsedMs / FOLLOW_MS))
    const sums = sumsOf(changed, width, height)
    if (sums.at(-1)! > MAX_PICTURE * width * height) return () => false
    return (box) => isMoving(sums, width, height, box)
  }

  /** 1 where the cells differ from their mean, which follows. */
  #change(cells: Float32Array, follow: number): Uint8Array {
    const mean = this.#mean
    let common = 0
    for (let index = 0; index < cells.length; index++) common += cells[index]! - mean[index]!
    common /= Math.max(1, cells.length)
    const changed = new Uint8Array(cells.length)
    for (let index = 0; index < cells.length; index++) {
      const difference = cells[index]! - mean[index]!
      if (Math.abs(difference - common) > MIN_CHANGE) changed[index] = 1
      mean[index]! += follow * difference
    }
    return changed
  }
}

function isMoving(sums: Uint32Array, width: number, height: number, [x1, y1, x2, y2]: NormBox): boolean {
  const column = (x: number) => Math.min(width, Math.max(0, x))
  const row = (y: number) => Math.min(height, Math.max(0, y))
  const left = column(Math.floor(x1 * width))
  const right = column(Math.ceil(x2 * width))
  const top = row(Math.floor(y1 * height))
  const bottom = row(Math.ceil(y2 * height))
  const inside = countIn(sums, width, left, top, right, bottom)
  const area = (right - left) * (bottom - top)
  if (area === 0 || inside < MIN_INSIDE * area) return false
  const dx = Math.ceil((right - left) / 2)
  const dy = Math.ceil((bottom - top) / 2)
  const wide = [column(left - dx), row(top - dy), column(right + dx), row(bottom + dy)] as const
  const around = countIn(sums, width, ...wide) - inside
  const areaAround = (wide[2] - wide[0]) * (wide[3] - wide[1]) - area
  return around / Math.max(1, areaAround) <= (MAX_AROUND * inside) / area
}

/** How many of the cells above and left of each corner of the grid have changed: `(width + 1) * (height + 1)` corners. */
function sumsOf(changed: Uint8Array, width: number, height: number): Uint32Array {
  const sums = new Uint32Array((width + 1) * (height + 1))
  for (let y = 0; y < height; y++) {
    let inRow = 0
    for (let x = 0; x < width; x++) {
      inRow += changed[y * width + x]!
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1]! + inRow
    }
  }
  return sums
}

function countIn(sums: Uint32Array, width: number, x1: number, y1: number, x2: number, y2: number): number {
  const at = (x: number, y: number) => sums[y * (width + 1) + x]!
  return at(x2, y2) - at(x1, y2) - at(x2, y1) + at(x1, y1)
}
