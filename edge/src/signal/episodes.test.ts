import { describe, expect, it } from 'vitest'
import { Episodes } from './episodes.ts'
import { StateBlock } from './state-block.ts'

const FIVE_MINUTES_MS = 300_000
const HOUR_MS = 3_600_000

/** Number of the first value after the report at `begins` at which the same score is news again. */
function silentUntil(begins: number, stepMs: number): number {
  const episodes = new Episodes(new StateBlock(64))
  expect(episodes.admit(0.9, begins, stepMs)).toBeGreaterThan(0)
  for (let count = begins + 1; count < begins + 1000; count++)
    if (episodes.admit(0.9, count, stepMs) > 0) return count - begins
  return Number.POSITIVE_INFINITY
}

describe('episodes', () => {
  it('let a greater oddness through at once, the same one only after most of a day', () => {
    const episodes = new Episodes(new StateBlock(64))
    expect(episodes.admit(0.7, 1500, FIVE_MINUTES_MS)).toBe(0.7)
    expect(episodes.admit(0.7, 1501, FIVE_MINUTES_MS)).toBe(0)
    expect(episodes.admit(0.99, 1502, FIVE_MINUTES_MS)).toBe(0.99)
    expect(silentUntil(2000, FIVE_MINUTES_MS)).toBeGreaterThan(72)
    expect(silentUntil(2000, FIVE_MINUTES_MS)).toBeLessThan(288)
  })

  it('silence a young series for no more than a third of its life', () => {
    for (const begins of [30, 120, 200])
      expect(silentUntil(begins, FIVE_MINUTES_MS)).toBeLessThanOrEqual(begins / 2)
    expect(silentUntil(200, FIVE_MINUTES_MS)).toBeLessThan(silentUntil(2000, FIVE_MINUTES_MS))
    expect(silentUntil(90, HOUR_MS)).toBeLessThan(silentUntil(2000, HOUR_MS))
  })

  it('take a score for less on the first day of a series', () => {
    const admitted = [30, 150, 287, 288].map((count) =>
      new Episodes(new StateBlock(64)).admit(0.9, count, FIVE_MINUTES_MS),
    )
    expect(admitted).toEqual(admitted.toSorted((a, b) => a - b))
    expect(admitted[0]).toBeLessThan(0.87)
    expect(admitted[3]).toBe(0.9)
  })

  it('make nothing of what is faint', () => {
    const episodes = new Episodes(new StateBlock(64))
    expect(episodes.admit(0.1, 5000, FIVE_MINUTES_MS)).toBe(0)
    expect(episodes.admit(0.6, 5001, FIVE_MINUTES_MS)).toBe(0.6)
  })
})
