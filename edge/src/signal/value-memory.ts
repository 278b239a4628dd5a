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

/** Square distances to the nearest course of the newest value, of it and the one before, and of all four. */
interface Squares {
  one: number
  two: number
  four: number
  /** Of the nearest course of four, where it ends; the next one often follows it. */
  place: number
}

export class ValueMemory {
  /** Slot `SPAN + n % MEMORY_LENGTH`; the first `SPAN` slots repeat the last ones, so that a course never wraps. */
  readonly #slots: Float32Array
  /** The places (slots less `SPAN`) of all values, by value, and of equal ones the older first. */
  readonly #order = new Uint16Array(MEMORY_LENGTH)
  #length = 0
  readonly #short: Squares = { one: Infinity, two: Infinity, four: Infinity, place: 0 }
  readonly #wide: Squares = { one: Infinity, two: Infinity, four: Infinity, place: 0 }
  readonly nearest: NearestDistances = { one: 0, two: 0, four: 0, wide: 0 }

  constructor(block: StateBlock) {
    this.#slots = block.floats(MEMORY_LENGTH + SPAN)
  }

  /** Takes up what its part of the block was filled with, after `count` additions. */
  restore(count: number): void {
    const ages = Array.from({ length: Math.min(count, MEMORY_LENGTH) }, (_, index) => index + 1)
    ages.sort((a, b) => this.valueAt(a, count) - this.valueAt(b, count) || b - a)
    this.#order.set(ages.map((age) => (count - age) % MEMORY_LENGTH))
    this.#length = ages.length
  }

  /** The value that was added `age` additions ago (1 is the newest), after `count` additions. */
  valueAt(age: number, count: number): number {
    return this.#slots[SPAN + ((count - age) % MEMORY_LENGTH)]!
  }

  /** @param share 0 (least) to 1 (greatest). There is at least one value. */
  quantile(share: number): number {
    return this.#inOrder(Math.min(this.#length - 1, Math.floor(this.#length * share)))
  }

  /** Adds the value that follows `count` earlier ones. */
  add(value: number, count: number): void {
    const slots = this.#slots
    const order = this.#order
    const place = count % MEMORY_LENGTH
    if (count >= MEMORY_LENGTH) {
      const from = this.#placeOf(slots[SPAN + place]!, false)
      order.copyWithin(from, from + 1, this.#length)
      this.#length -= 1
    }
    const to = this.#placeOf(value, true)
    order.copyWithin(to + 1, to, this.#length)
    order[to] = place
    this.#length += 1
    slots[SPAN + place] = value
    if (place >= MEMORY_LENGTH - SPAN) slots[place - MEMORY_LENGTH + SPAN] = value
  }

  /** Fills `nearest` for the value `x`, which follows `count` earlier ones and is not yet added. */
  search(x: number, count: number): void {
    const { nearest } = this
    const [short, wide] = [this.#short, this.#wide]
    nearest.one = nearest.two = nearest.four = nearest.wide = 0
    if (count >= MIN_VALUES) {
      this.#find(short, x, count, 1, RECENT)
      nearest.one = distance(short.one)
      nearest.two = distance(short.two)
      nearest.four = distance(short.four)
    }
    if (count > 3 * SPAN) {
      this.#find(wide, x, count, WIDE_STRIDE, SPAN)
      nearest.wide = distance(wide.four)
    }
  }

  /**
   * Finds the nearest courses of values `stride` apart that are whole and older than `span` values. From the nearest
   * value outwards, upwards and then downwards: a course is at least as far away as its newest value, so that few have
   * to be looked at before none can be nearer.
   */
  #find(found: Squares, x: number, count: number, stride: number, span: number): void {
    const slots = this.#slots
    const order = this.#order
    const length = this.#length
    const x1 = this.valueAt(stride, count)
    const x2 = this.valueAt(2 * stride, count)
    const x3 = this.valueAt(3 * stride, count)
    const head = count % MEMORY_LENGTH
    const oldest = length - span + 1
    let one = Infinity
    let two = Infinity
    let four = Infinity
    let nearest = (found.place + 1) % MEMORY_LENGTH
    const start = this.#placeOf(x, false)
    // The course that follows the last nearest one, alone; then those above, then those below.
    for (let way = 0; way < 3; way++) {
      const isUp = way === 1
      const isFollowing = way === 0
      const step = isUp ? 1 : -1
      const end = isFollowing ? start - 2 : isUp ? length : -1
      let isFirst = true
      for (let index = isUp ? start : start - 1; index !== end; index += step) {
        const place = isFollowing ? nearest : order[index]!
        const at = SPAN + place
        const e = x - slots[at]!
        const sum1 = e * e
        if (sum1 >= four) break
        const e1 = x1 - slots[at - stride]!
        const sum2 = sum1 + e1 * e1
        // Only the first of each way can have the nearest value.
        if (sum2 >= four && !isFirst) continue
        const age = place < head ? head - place : head - place + MEMORY_LENGTH
        if (age <= span || age > oldest) continue
        isFirst = false
        if (sum1 < one) one = sum1
        if (sum2 < two) two = sum2
        const e2 = x2 - slots[at - 2 * stride]!
        const e3 = x3 - slots[at - 3 * stride]!
        const sum4 = sum2 + e2 * e2 + e3 * e3
        if (sum4 < four) {
          four = sum4
          nearest = place
        }
      }
    }
    found.one = one
    found.two = two
    found.four = four
    found.place = nearest
  }

  /** Value of a place in the order. */
  #inOrder(index: number): number {
    return this.#slots[SPAN + this.#order[index]!]!
  }

  /** Index in the order of the first value that is greater, or as great. */
  #placeOf(value: number, isGreater: boolean): number {
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >> 1
      const each = this.#inOrder(middle)
      if (each < value || (isGreater && each === value)) low = middle + 1
      else high = middle
    }
    return low
  }
}

function distance(square: number): number {
  return square === Infinity ? 0 : Math.sqrt(square)
}
