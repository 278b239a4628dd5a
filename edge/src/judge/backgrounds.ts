/**
 * How a place looks without what comes and goes: two backgrounds of brightness, after Porikli et al. 2008, "Robust
 * detection of abandoned and removed objects in complex surveillance videos". The slow one is how it has looked for
 * minutes, the fast one how it has looked for seconds. Where the fast one has settled on something that the slow one
 * does not know, something stands still that was not there. Pure: time comes with the frames.
 */
import type { Luma } from './luma.ts'

/** How fast the backgrounds follow, ms: the time in which they take in 63 % of a change. */
const FAST_MS = 2500
const SLOW_MS = 600_000
/** A cell is learned when it has looked the same for this long: who walked there at first is no part of the place. */
const LEARN_MS = 5000
/** A cell that begins to learn takes what it sees for this long. */
const TAKE_MS = 1000
/** A difference of this many grey values is seen. */
const MIN_CHANGE = 18
/** The picture has settled where it is this near the fast background. */
const SETTLED = 12
/** The light is taken from every so manieth cell, if there are enough of them … */
const LIGHT_STEP = 13
const MIN_LIGHT_CELLS = 50
/** … those too dark or too bright to show it are left out … */
const LIGHT_RANGE = { darkest: 20, brightest: 240 }
/** … and if the halves differ by so many grey values: else all change by the same difference. */
const MIN_LIGHT_SPREAD = 20
/** A shift explains what lies in the range of the cells so near … */
const SHIFT_CELLS = 2
/**
 * … and beyond it by so many grey values and a part of the range: between two cells an edge is blurred. While nothing
 * else tells of a shift less is believed, for a small thing beside an edge looks like one.
 */
const SHIFT_SLACK = { grey: 6, part: 0.3, partWhileSwaying: 0.5 }
/** … for this part of the cells, in both pictures: the middle of a thing is found in one of them only. */
const SHIFTED = 0.8
/** What a shift explains for this long is part of the place. */
const FOLLOW_SHIFT_MS = 20_000

export class Backgrounds {
  readonly width: number
  readonly height: number
  readonly slow: Float32Array
  readonly fast: Float32Array
  /** How long each cell has looked the same with nothing tracked before it. */
  readonly #seenMs: Float32Array
  /** How long a shift has explained what is new in each cell. */
  readonly #shiftedMs: Float32Array

  constructor({ width, height, data }: Luma) {
    this.width = width
    this.height = height
    this.slow = data.slice()
    this.fast = data.slice()
    this.#seenMs = new Float32Array(data.length)
    this.#shiftedMs = new Float32Array(data.length)
  }

  /**
   * Lets both follow the picture; gives the cells where something stands still that is new, and how many they are.
   * Cells marked in `hidden` are left out.
   */
  follow({ data }: Luma, hidden: Uint8Array, elapsedMs: number): { mask: Uint8Array; count: number } {
    const { slow, fast } = this
    const seenMs = this.#seenMs
    this.#followLight(data, hidden)
    const fastPart = 1 - Math.exp(-elapsedMs / FAST_MS)
    const slowPart = 1 - Math.exp(-elapsedMs / SLOW_MS)
    const mask = new Uint8Array(slow.length)
    let count = 0
    for (let index = 0; index < slow.length; index += 1) {
      if (hidden[index]) continue
      const value = data[index]!
      const near = value - fast[index]!
      if (seenMs[index]! < LEARN_MS) {
        seenMs[index] = Math.abs(near) < SETTLED ? seenMs[index]! + elapsedMs : 0
        fast[index]! += near * (seenMs[index]! < TAKE_MS ? 1 : fastPart)
        slow[index] = fast[index]!
        continue
      }
      fast[index]! += near * fastPart
      const isNew = Math.abs(fast[index]! - slow[index]!) > MIN_CHANGE
      // What is new is told of before it is learned; all else, as dusk, is followed.
      if (!isNew) {
        slow[index]! += (value - slow[index]!) * slowPart
        this.#shiftedMs[index] = 0
      } else if (Math.abs(near) < SETTLED) {
        mask[index] = 1
        count += 1
      }
    }
    return { mask, count }
  }

  /** True if the camera's swaying or drifting by a cell or two makes all of the difference in these cells. */
  isShift(cells: readonly number[], isSwaying: boolean): boolean {
    const { slow, fast } = this
    const part = isSwaying ? SHIFT_SLACK.partWhileSwaying : SHIFT_SLACK.part
    let explained = 0
    for (const cell of cells)
      if (this.#isNear(slow, cell, fast[cell]!, part) && this.#isNear(fast, cell, slow[cell]!, part))
        explained += 1
    return explained >= SHIFTED * cells.length
  }

  /**
   * A shift explains these cells, and nothing else tells of one: they are part of the place when it has for long. What
   * has just come looks like one until it is seen as a whole.
   */
  followShift(cells: readonly number[], elapsedMs: number): void {
    for (const cell of cells) this.#shiftedMs[cell]! += elapsedMs
    this.accept(cells.filter((cell) => this.#shiftedMs[cell]! >= FOLLOW_SHIFT_MS))
  }

  /** What stands in these cells is part of the place from now on. */
  accept(cells: Iterable<number>): void {
    for (const cell of cells) this.slow[cell] = this.fast[cell]!
  }

  /** True if the value is among those that lie around the cell. */
  #isNear(values: Float32Array, cell: number, value: number, part: number): boolean {
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    for (let row = -SHIFT_CELLS; row <= SHIFT_CELLS; row += 1) {
      const middle = cell + row * this.width
      for (let near = middle - SHIFT_CELLS; near <= middle + SHIFT_CELLS; near += 1) {
        const other = values[near]
        if (other === undefined) continue
        low = Math.min(low, other)
        high = Math.max(high, other)
      }
    }
    const slack = SHIFT_SLACK.grey + part * (high - low)
    return value >= low - slack && value <= high + slack
  }

  /**
   * Clouds change all cells by the same factor, a camera's own exposure often by the same difference: the backgrounds
   * are seen in the light of the moment, by the line through what the darker and the brighter half of the cells show.
   */
  #followLight(data: Float32Array, hidden: Uint8Array): void {
    const { darkest, brightest } = LIGHT_RANGE
    const greys: number[] = []
    const changes: number[] = []
    for (let cell = 0; cell < data.length; cell += LIGHT_STEP) {
      const before = this.slow[cell]!
      if (hidden[cell] || this.#seenMs[cell]! < LEARN_MS) continue
      if (before <= darkest || before >= brightest || data[cell]! >= brightest) continue
      greys.push(before)
      changes.push(data[cell]! - before)
    }
    if (greys.length < MIN_LIGHT_CELLS) return
    const middle = medianOf(greys)
    const [dark, bright] = [true, false].map((isDark) => {
      const isInHalf = (_: number, index: number) => greys[index]! <= middle === isDark
      return { grey: medianOf(greys.filter(isInHalf)), change: medianOf(changes.filter(isInHalf)) }
    })
    const isSpread = bright!.grey - dark!.grey >= MIN_LIGHT_SPREAD
    const slope = isSpread ? (bright!.change - dark!.change) / (bright!.grey - dark!.grey) : 0
    const offset = dark!.change - slope * dark!.grey
    for (let cell = 0; cell < data.length; cell += 1) {
      this.slow[cell]! += offset + slope * this.slow[cell]!
      this.fast[cell]! += offset + slope * this.fast[cell]!
    }
  }
}

/** NaN of nothing. */
function medianOf(values: readonly number[]): number {
  return new Float32Array(values).sort()[values.length >> 1] ?? Number.NaN
}
