/** Brightness of an analysis frame in cells of a few pixels: what is compared over time without any detector. Pure. */
import type { Frame } from '../capture/frame.ts'

/** Pixels of the analysis frame that a cell is wide and high. */
export const CELL_PX = 2

/** A grid of brightness, 0..255, row by row. */
export interface Luma {
  width: number
  height: number
  data: Float32Array
}

type Pixels = Pick<Frame, 'widthPx' | 'pictureWidthPx' | 'pictureHeightPx' | 'data'>

/**
 * Mean brightness of each cell of the picture, without the padding. Green counts twice, red and blue once, so that the
 * order of the channels does not matter.
 */
export function lumaOf({ widthPx, pictureWidthPx, pictureHeightPx, data }: Pixels): Luma {
  const width = Math.floor(pictureWidthPx / CELL_PX)
  const height = Math.floor(pictureHeightPx / CELL_PX)
  const cells = new Float32Array(width * height)
  const row = widthPx * 3
  for (let y = 0; y < height; y += 1) {
    let at = y * CELL_PX * row
    for (let x = 0; x < width; x += 1, at += 6) {
      const below = at + row
      const outer =
        data[at]! +
        data[at + 2]! +
        data[at + 3]! +
        data[at + 5]! +
        data[below]! +
        data[below + 2]! +
        data[below + 3]! +
        data[below + 5]!
      const green = data[at + 1]! + data[at + 4]! + data[below + 1]! + data[below + 4]!
      cells[y * width + x] = (outer + 2 * green) / 16
    }
  }
  return { width, height, data: cells }
}

/** Variance of the Laplacian over the picture's green pixels: large when edges are sharp. */
export function sharpnessOf({ widthPx, pictureWidthPx, pictureHeightPx, data }: Pixels): number {
  const row = widthPx * 3
  let sum = 0
  let squares = 0
  let count = 0
  for (let y = 1; y < pictureHeightPx - 1; y += 1) {
    for (let x = 1, at = y * row + 4; x < pictureWidthPx - 1; x += 1, at += 3) {
      const value = 4 * data[at]! - data[at - 3]! - data[at + 3]! - data[at - row]! - data[at + row]!
      sum += value
      squares += value * value
      count += 1
    }
  }
  if (count === 0) return 0
  const mean = sum / count
  return squares / count - mean * mean
}

/** The same grid in blocks of `by` cells, averaged; what does not fill a block at the right or below is left out. */
export function shrink({ width, height, data }: Luma, by: number): Luma {
  const small = { width: Math.floor(width / by), height: Math.floor(height / by) }
  const cells = new Float32Array(small.width * small.height)
  for (let y = 0; y < small.height; y += 1) {
    for (let x = 0; x < small.width; x += 1) {
      let sum = 0
      for (let dy = 0; dy < by; dy += 1) {
        const at = (y * by + dy) * width + x * by
        for (let dx = 0; dx < by; dx += 1) sum += data[at + dx]!
      }
      cells[y * small.width + x] = sum / (by * by)
    }
  }
  return { ...small, data: cells }
}

/** How strongly brightness changes at each cell: sum of the absolute differences across it, 0 at the border. */
export function edgesOf({ width, height, data }: Luma): Luma {
  const cells = new Float32Array(width * height)
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      const at = y * width + x
      cells[at] = Math.abs(data[at + 1]! - data[at - 1]!) + Math.abs(data[at + width]! - data[at - width]!)
    }
  }
  return { width, height, data: cells }
}

/**
 * Correlation of `a` with `b` moved by (dx, dy) cells, -1..1, over the cells that both have; 0 where one is flat.
 * `step` looks at every so manieth cell only.
 */
export function correlation(a: Luma, b: Luma, dx = 0, dy = 0, step = 1): number {
  let n = 0
  let sumA = 0
  let sumB = 0
  let sumAA = 0
  let sumBB = 0
  let sumAB = 0
  const { width, height } = a
  for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y += step) {
    for (let x = Math.max(0, dx); x < Math.min(width, width + dx); x += step) {
      const valueA = a.data[y * width + x]!
      const valueB = b.data[(y - dy) * width + x - dx]!
      n += 1
      sumA += valueA
      sumB += valueB
      sumAA += valueA * valueA
      sumBB += valueB * valueB
      sumAB += valueA * valueB
    }
  }
  const spread = (sumAA - (sumA * sumA) / n) * (sumBB - (sumB * sumB) / n)
  return n === 0 || spread <= 1e-6 ? 0 : (sumAB - (sumA * sumB) / n) / Math.sqrt(spread)
}

/** Mean and standard deviation of the cells. */
export function spreadOf({ data }: Luma): { mean: number; deviation: number } {
  let sum = 0
  let squares = 0
  for (const value of data) {
    sum += value
    squares += value * value
  }
  const mean = sum / data.length
  return { mean, deviation: Math.sqrt(Math.max(0, squares / data.length - mean * mean)) }
}
