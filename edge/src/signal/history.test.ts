import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HISTORY_LENGTH, History, normalisation, ROW_LENGTH, writeRow } from './history.ts'

describe('the history of a series', () => {
  it('keeps the newest values in order', () => {
    const history = new History()
    expect(history.values()).toEqual([])
    for (let value = 0; value < HISTORY_LENGTH + 5; value++) history.add(value)
    expect(history.count).toBe(HISTORY_LENGTH + 5)
    expect(history.values()).toEqual(Array.from({ length: HISTORY_LENGTH }, (_, index) => index + 5))
  })
})

describe('a row of the model', () => {
  it('holds the newest values at the right, flags for them, and the value', () => {
    const row = new Float32Array(ROW_LENGTH)
    const { level, scale } = writeRow(row, [9, 10, 11, 10], 12, 0)
    expect(level).toBe(10)
    expect(scale).toBeCloseTo(1.4826 * 0.5, 3)
    expect([...row.subarray(0, HISTORY_LENGTH - 4)]).toEqual(Array(HISTORY_LENGTH - 4).fill(0))
    expect(row[HISTORY_LENGTH - 4]).toBeCloseTo(-1 / scale)
    expect([...row.subarray(HISTORY_LENGTH, 2 * HISTORY_LENGTH)]).toEqual([
      ...Array(HISTORY_LENGTH - 4).fill(0),
      1,
      1,
      1,
      1,
    ])
    expect(row.at(-1)).toBeCloseTo(2 / scale)
  })

  it('is not led astray by one odd value, nor by a series that stands still', () => {
    const calm = Array.from({ length: 31 }, (_, index) => 10 + 0.1 * Math.sin(index))
    expect(normalisation([...calm, 1e6], 0).level).toBeCloseTo(10, 0)
    expect(normalisation(Array(32).fill(5), 0.5).scale).toBe(0.5)
    expect(normalisation(Array(32).fill(5), 0).scale).toBeCloseTo(0.01)
  })

  it('is finite whatever the values, and the same for a series that is shifted and stretched', () => {
    const value = fc.double({ min: -1e9, max: 1e9, noNaN: true })
    fc.assert(
      fc.property(fc.array(value, { maxLength: HISTORY_LENGTH }), value, (recent, last) => {
        const row = new Float32Array(ROW_LENGTH)
        writeRow(row, recent, last, 0)
        expect(row.every(Number.isFinite)).toBe(true)
      }),
    )
    const whole = fc.integer({ min: 1000, max: 2000 })
    fc.assert(
      fc.property(fc.array(whole, { minLength: 8, maxLength: HISTORY_LENGTH }), whole, (recent, last) => {
        const plain = new Float32Array(ROW_LENGTH)
        const stretched = new Float32Array(ROW_LENGTH)
        writeRow(plain, recent, last, 0)
        writeRow(
          stretched,
          recent.map((item) => item * 4),
          last * 4,
          0,
        )
        for (const [index, item] of stretched.entries()) expect(item).toBeCloseTo(plain[index]!, 3)
      }),
    )
  })
})
