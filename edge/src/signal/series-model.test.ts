import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../test/support/seeded.ts'
import { ROW_LENGTH, SeriesModel, STATE_BYTES } from './series-model.ts'
import { StateBlock } from './state-block.ts'
import { MEMORY_LENGTH, ValueMemory } from './value-memory.ts'

const anyNumber = fc.oneof(
  fc.double(),
  fc.constantFrom(0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, -1e300, 5e-324),
  fc.integer({ min: -3, max: 3 }),
)
/** Times of arrival: in order, together, and back. */
const anyStep = fc.oneof(
  fc.constantFrom(0, 1000, 60_000),
  fc.integer({ min: -100_000_000, max: 10_000_000_000 }),
)

function rowsOf(model: SeriesModel, values: readonly (readonly [number, number])[]): Float32Array[] {
  return values.map(([value, atMs]) => {
    const row = new Float32Array(ROW_LENGTH)
    model.take(value, atMs, 0, row)
    return row
  })
}

describe('what is remembered of a series', () => {
  it('makes finite rows of any numbers at any times, and a level that is finite', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyNumber, anyStep), { minLength: 1, maxLength: 150 }), (steps) => {
        const model = new SeriesModel()
        let atMs = 1.4e12
        const rows = rowsOf(
          model,
          steps.map(([value, step]) => {
            atMs += step
            return [value, atMs] as const
          }),
        )
        for (const row of rows) expect(row.every(Number.isFinite)).toBe(true)
        expect(Number.isFinite(model.level)).toBe(true)
        expect(model.count).toBe(steps.filter(([value]) => !Number.isNaN(value)).length)
      }),
      { numRuns: 60 },
    )
  })

  it('goes on from a saved state as if nothing had happened, also past the end of its memory', () => {
    const values = Array.from(
      { length: MEMORY_LENGTH + 300 },
      (_, index) => [Math.sin(index / 20) + (index % 7) / 10, 1.4e12 + index * 300_000] as const,
    )
    for (const cut of [1, 40, MEMORY_LENGTH - 5, MEMORY_LENGTH + 100]) {
      const whole = new SeriesModel()
      const before = new SeriesModel()
      rowsOf(whole, values.slice(0, cut))
      rowsOf(before, values.slice(0, cut))
      const after = new SeriesModel()
      expect(after.restore(Uint8Array.from(before.state))).toBe(true)
      const rest = values.slice(cut, cut + 120)
      expect(rowsOf(after, rest)).toEqual(rowsOf(whole, rest))
    }
  })

  it('refuses a state of another length and keeps its own', () => {
    const model = new SeriesModel()
    rowsOf(model, [[1, 1000]])
    expect(model.restore(new Uint8Array(STATE_BYTES - 8))).toBe(false)
    expect(model.count).toBe(1)
  })
})

describe('the memory of a series', () => {
  const random = seeded(1)
  const kinds: Record<string, (count: number) => number> = {
    noise: () => random(),
    'few different values': () => Math.floor(4 * random()),
    'a habit': (count) => Math.sin((count * 2 * Math.PI) / 288) + 0.05 * random(),
    'rare peaks': () => (random() < 0.02 ? 1e9 * random() : random()),
    'one value': () => 5,
  }
  for (const [kind, next] of Object.entries(kinds)) {
    it(`finds the nearest earlier courses of ${kind} as comparing all of them does`, () => {
      const memory = new ValueMemory(new StateBlock(100_000))
      const values: number[] = []
      for (let count = 0; count < MEMORY_LENGTH + 150; count++) {
        const value = Math.fround(next(count))
        memory.search(value, count)
        if (count % 97 === 0 || count > MEMORY_LENGTH + 100) {
          const { nearest } = memory
          const all = [...values, value]
          expect([nearest.one, nearest.two, nearest.four, nearest.wide]).toEqual(
            [
              nearestBySearch(all, { values: 1, stride: 1, span: 8, least: 12 }),
              nearestBySearch(all, { values: 2, stride: 1, span: 8, least: 12 }),
              nearestBySearch(all, { values: 4, stride: 1, span: 8, least: 12 }),
              nearestBySearch(all, { values: 4, stride: 6, span: 24, least: 73 }),
            ].map((distance) => expect.closeTo(distance, 9)),
          )
        }
        memory.add(value, count)
        values.push(value)
      }
      const kept = Float32Array.from(values.slice(-MEMORY_LENGTH)).sort()
      expect([0, 0.05, 0.5, 1].map((share) => memory.quantile(share))).toEqual(
        [0, 100, 1008, MEMORY_LENGTH - 1].map((index) => kept[index]),
      )
    })
  }
})

interface Courses {
  values: number
  stride: number
  /** Newer courses are none; so are those of which the memory does not hold so many values. */
  span: number
  least: number
}

/** Distance of the last course to the nearest one among those that a memory holds whole. */
function nearestBySearch(all: readonly number[], { values, stride, span, least }: Courses): number {
  const last = all.length - 1
  if (last < least) return 0
  let best = Number.POSITIVE_INFINITY
  const oldest = Math.max(0, last - MEMORY_LENGTH)
  for (let end = oldest + span - 1; end <= last - span - 1; end++) {
    let sum = 0
    for (let back = 0; back < values; back++)
      sum += (all[last - back * stride]! - all[end - back * stride]!) ** 2
    best = Math.min(best, sum)
  }
  return Math.sqrt(best)
}
