/**
 * The newest `MEMORY_LENGTH` values of a series, and how far the newest course of values is from every earlier one: the
 * distance to the nearest neighbour, for courses of several lengths. What has been there before is near to something.
 */
import type { StateBlock } from './state-block.ts'

/** A week of values every five minutes. */
export const MEMORY_LENGTH = 2016
/** The longest course looks back this many values. */
const SPAN = 24
/** The values just before are no earlier course: a slow series is always near to its last value. */
const RECENT = 8
const WIDE_STRIDE = 6
const MIN_VALUES = 12

/** Euclidean distances of the courses of the last 1, 2 and 4 values, and of 4 values, each the sixth. */
export interface NearestDistances {
  one: number
  two: number
  four: number
  wide: number
}

export class ValueMemory {
  /** Slot `SPAN + n % MEMORY_LENGTH`; the first `SPAN` slots repeat the last ones, so that a course never wraps. */
  readonly #slots: Float32Array
  readonly nearest: NearestDistances = { one: 0, two: 0, four: 0, wide: 0 }

  constructor(block: StateBlock) {
    this.#slots = block.floats(MEMORY_LENGTH + SPAN)
  }

  /** The value that was added `age` additions ago (1 is the newest), after `count` additions. */
  valueAt(age: number, count: number): number {
    return this.#slots[SPAN + ((count - age) % MEMORY_LENGTH)]!
  }

  /** All values after `count` additions, in no particular order. */
  values(count: number): Float32Array {
    return this.#slots.slice(SPAN, SPAN + Math.min(count, MEMORY_LENGTH))
  }

  /** Adds the value that follows `count` earlier ones. */
  add(value: number, count: number): void {
    const place = count % MEMORY_LENGTH
    this.#slots[SPAN + place] = value
    if (place >= MEMORY_LENGTH - SPAN) this.#slots[place - MEMORY_LENGTH + SPAN] = value
  }

  /** Fills `nearest` for the value `x`, which follows `count` earlier ones and is not yet added. */
  search(x: number, count: number): void {
    const { nearest } = this
    nearest.one = nearest.two = nearest.four = nearest.wide = 0
    if (count >= MIN_VALUES) this.#searchShort(x, count)
    if (count > 3 * SPAN) this.#searchWide(x, count)
  }

  /** Without shortcuts: a loop that does the same for every place is faster than one that guesses. */
  #searchShort(x: number, count: number): void {
    const slots = this.#slots
    const x1 = this.valueAt(1, count)
    const x2 = this.valueAt(2, count)
    const x3 = this.valueAt(3, count)
    let one = Infinity
    let two = Infinity
    let four = Infinity
    for (const [from, to] of candidates(count, RECENT)) {
      let s1 = slots[from - 1]!
      let s2 = slots[from - 2]!
      let s3 = slots[from - 3]!
      for (let at = from; at < to; at++) {
        const s = slots[at]!
        const sum1 = (x - s) * (x - s)
        const sum2 = sum1 + (x1 - s1) * (x1 - s1)
        const sum4 = sum2 + (x2 - s2) * (x2 - s2) + (x3 - s3) * (x3 - s3)
        if (sum1 < one) one = sum1
        if (sum2 < two) two = sum2
        if (sum4 < four) four = sum4
        s3 = s2
        s2 = s1
        s1 = s
      }
    }
    const { nearest } = this
    nearest.one = distance(one)
    nearest.two = distance(two)
    nearest.four = distance(four)
  }

  #searchWide(x: number, count: number): void {
    const slots = this.#slots
    const x1 = this.valueAt(WIDE_STRIDE, count)
    const x2 = this.valueAt(2 * WIDE_STRIDE, count)
    const x3 = this.valueAt(3 * WIDE_STRIDE, count)
    let best = Infinity
    for (const [from, to] of candidates(count, SPAN)) {
      for (let at = from; at < to; at++) {
        const e = x - slots[at]!
        const e1 = x1 - slots[at - WIDE_STRIDE]!
        const e2 = x2 - slots[at - 2 * WIDE_STRIDE]!
        const e3 = x3 - slots[at - 3 * WIDE_STRIDE]!
        const sum = e * e + e1 * e1 + e2 * e2 + e3 * e3
        if (sum < best) best = sum
      }
    }
    this.nearest.wide = distance(best)
  }
}

/** Stretches of slots in which an earlier course of `span` values may end: whole, and clear of the newest values. */
function candidates(count: number, span: number): [number, number][] {
  if (count <= MEMORY_LENGTH) return [[SPAN + span - 1, SPAN + count - span]]
  const head = count % MEMORY_LENGTH
  // Between the newest value, just before `head`, and the oldest, at `head`, no course is whole.
  return [
    [SPAN + head + span - 1, SPAN + Math.min(MEMORY_LENGTH, MEMORY_LENGTH + head - span)],
    [SPAN + Math.max(0, head + span - 1 - MEMORY_LENGTH), SPAN + head - span],
  ]
}

function distance(square: number): number {
  return square === Infinity ? 0 : Math.sqrt(square)
}
