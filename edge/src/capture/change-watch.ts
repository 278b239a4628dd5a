/**
 * Tells whether a decoded picture shows something that those before it did not: brightness of small cells against
 * their recent mean. It has to notice a person far away or in dull clothes, and neither noise nor a cloud. Pure: time
 * comes with the pictures.
 */
import type { RawFrame } from './frame-assembler.ts'
import { CELL_PX, greenOf } from './green-cells.ts'

/** The recent mean takes in 63 % of a change in this time: what stops is part of the scene after some of them. */
const FOLLOW_MS = 3000
/** A cell has changed when it differs by this many grey values at least … */
const MIN_CHANGE = 8
/** … or by this many of its usual deviations, if it is one that always flickers (leaves, water, a screen). */
const DEVIATIONS = 5
/** However much a cell flickers, more than this is a change. */
const MAX_CHANGE = 28
/** Part by which the usual deviation of a cell follows. */
const FOLLOW_DEVIATION = 0.05
/** A person of 3 % of the picture's height covers two cells. */
const MIN_CELLS = 2

export type WatchedPicture = Pick<RawFrame, 'pictureWidthPx' | 'pictureHeightPx' | 'data' | 'streamMs'>

export class ChangeWatch {
  #width = 0
  #height = 0
  #mean = new Float32Array(0)
  #deviation = new Float32Array(0)
  #lastMs = 0

  /** `rowPx` is the width of the whole frame. The first picture, and one of another size, is a change. */
  isChange({ pictureWidthPx, pictureHeightPx, data, streamMs }: WatchedPicture, rowPx: number): boolean {
    const width = Math.floor(pictureWidthPx / CELL_PX)
    const height = Math.floor(pictureHeightPx / CELL_PX)
    const cells = greenOf(data, rowPx, width, height)
    if (width !== this.#width || height !== this.#height || streamMs < this.#lastMs) {
      this.#width = width
      this.#height = height
      this.#mean = cells
      this.#deviation = new Float32Array(cells.length)
      this.#lastMs = streamMs
      return true
    }
    const follow = 1 - Math.exp(-(streamMs - this.#lastMs) / FOLLOW_MS)
    this.#lastMs = streamMs
    // A cloud or the exposure changes all cells alike.
    const common = this.#meanDifference(cells)
    let changed = 0
    for (let index = 0; index < cells.length; index += 1) {
      const difference = cells[index]! - this.#mean[index]!
      const distance = Math.abs(difference - common)
      const usual = this.#deviation[index]!
      if (distance > Math.min(MAX_CHANGE, Math.max(MIN_CHANGE, DEVIATIONS * usual))) changed += 1
      this.#deviation[index] = usual + FOLLOW_DEVIATION * (distance - usual)
      this.#mean[index]! += follow * difference
    }
    return changed >= MIN_CELLS
  }

  #meanDifference(cells: Float32Array): number {
    let sum = 0
    for (let index = 0; index < cells.length; index += 1) sum += cells[index]! - this.#mean[index]!
    return sum / Math.max(1, cells.length)
  }
}
