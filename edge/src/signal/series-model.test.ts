import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
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
  it('finds the nearest earlier course, as comparing all of them does', () => {
    const memory = new ValueMemory(new StateBlock(100_000))
    const values: number[] = []
    let state = 1
    for (let count = 0; count < MEMORY_LENGTH + 150; count++) {
      state = (state * 48_271) % 2_147_483_647
      const value = Math.fround(state / 2_147_483_647)
      if (count % 97 === 0 || count > MEMORY_LENGTH + 100) {
        memory.search(value, count)
        const { nearest } = memory
        expect([nearest.one, nearest.two, nearest.four]).toEqual(
          [1, 2, 4].map((length) => expect.closeTo(nearestBySearch([...values, value], length), 9)),
        )
      }
      memory.add(value, count)
      values.push(value)
    }
  })
})

/** Distance of the last `length` values to the nearest such course among those that a memory holds whole. */
function nearestBySearch(values: readonly number[], length: number): number {
  const last = values.length - 1
  if (last < 12) return 0
  let best = Number.POSITIVE_INFINITY
  const oldest = Math.max(0, last - MEMORY_LENGTH)
  for (let end = oldest + 7; end <= last - 9; end++) {
    let sum = 0
    for (let back = 0; back < length; back++) sum += (values[last - back]! - values[end - back]!) ** 2
    best = Math.min(best, sum)
  }
  return Math.sqrt(best)
}
