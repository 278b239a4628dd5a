import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Timeline } from './timeline.ts'

describe('Timeline', () => {
  it('keeps the distances of a steady source and begins at zero', () => {
    const timeline = new Timeline()
    expect([90_000, 90_040, 90_020, 90_080].map((ms) => timeline.next(ms))).toEqual([0, 40, 20, 80])
    expect(timeline.currentMs).toBe(80)
  })

  it('goes on one picture later after a new publisher, a jump of the clock, or its wrap', () => {
    const timeline = new Timeline()
    timeline.next(0)
    expect(timeline.next(40)).toBe(40)
    timeline.restart()
    expect([timeline.next(777_000), timeline.next(777_040)]).toEqual([80, 120])
    expect(timeline.next(1_000_000)).toBe(160)
    expect(timeline.next(2 ** 32 - 20)).toBe(200)
    expect(timeline.next(20)).toBe(240)
  })

  it('never goes far back and never leaves a hole, whatever the source does', () => {
    const time = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    fc.assert(
      fc.property(fc.array(fc.tuple(time, fc.boolean())), (steps) => {
        const timeline = new Timeline()
        let newest = 0
        for (const [sourceMs, restarts] of steps) {
          if (restarts) timeline.restart()
          const nowMs = timeline.next(sourceMs)
          expect(nowMs).toBeGreaterThanOrEqual(Math.max(0, newest - 1000))
          expect(nowMs).toBeLessThanOrEqual(newest + 10_000)
          newest = Math.max(newest, nowMs)
        }
      }),
    )
  })
})
