import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HistoryClock } from './history-clock.ts'
import { encodeTimeMark } from './time-mark.ts'

const SPAN = { fromMs: 1_760_000_000_000, toMs: 1_760_000_060_000 }
const LENGTH_MS = SPAN.toMs - SPAN.fromMs

/** Whatever an edge may say of its pictures. */
const picture = fc.record({
  sourceMs: fc.oneof(fc.nat(2 * LENGTH_MS), fc.nat(2 ** 32 - 1)),
  compositionMs: fc.oneof(fc.integer({ min: -200, max: 200 }), fc.integer({ min: -(2 ** 23), max: 2 ** 23 })),
  isKeyFrame: fc.boolean(),
})

describe('the clock of history', () => {
  it('shows nothing outside the span, whatever the edge says, and ends with it', () => {
    fc.assert(
      fc.property(fc.array(picture, { maxLength: 60 }), (pictures) => {
        const clock = new HistoryClock(SPAN)
        let isOver = false
        let hasBegun = false
        let last = -1
        for (const { sourceMs, compositionMs, isKeyFrame } of pictures) {
          const placed = clock.place(sourceMs, compositionMs, isKeyFrame)
          if (isOver) expect(placed.kind).toBe('over')
          isOver ||= placed.kind === 'over'
          if (sourceMs > LENGTH_MS) expect(placed.kind).toBe('over')
          if (placed.kind !== 'show') continue
          expect(sourceMs + compositionMs).toBeGreaterThanOrEqual(0)
          expect(sourceMs + compositionMs).toBeLessThanOrEqual(LENGTH_MS)
          if (!hasBegun) expect([isKeyFrame, placed.timestampMs]).toEqual([true, 0])
          hasBegun = true
          expect(placed.timestampMs).toBeGreaterThanOrEqual(last)
          expect(placed.timestampMs - Math.max(last, 0)).toBeLessThanOrEqual(2000)
          last = placed.timestampMs
        }
      }),
    )
  })

  it('leaves holes out and tells the time behind them', () => {
    const clock = new HistoryClock(SPAN)
    expect(clock.place(9960, 0, false)).toEqual({ kind: 'drop' })
    const first = { streamMs: 0, atMs: SPAN.fromMs + 10_000 }
    expect(clock.place(10_000, 40, true)).toEqual({ kind: 'show', timestampMs: 0, mark: first })
    expect(clock.place(10_040, 0, false)).toEqual({ kind: 'show', timestampMs: 40, mark: undefined })
    const behind = { streamMs: 80, atMs: SPAN.fromMs + 50_000 }
    expect(clock.place(50_000, 0, true)).toEqual({ kind: 'show', timestampMs: 80, mark: behind })
    expect(clock.place(49_000, 0, true)).toEqual({ kind: 'drop' })
    expect(clock.atMs).toBe(SPAN.fromMs + 50_000)
    // Also where there is none: a player may have missed the last one.
    for (let ms = 50_500; ms < 55_000; ms += 500)
      expect(clock.place(ms, 0, false)).toMatchObject({ mark: undefined })
    const again = { streamMs: 5080, atMs: SPAN.fromMs + 55_000 }
    expect(clock.place(55_000, 0, false)).toMatchObject({ mark: again })
  })
})

describe('a time mark', () => {
  it('is a script tag of AMF0', () => {
    const { kind, timestampMs, bytes } = encodeTimeMark({ streamMs: 80, atMs: 1_760_000_050_000 })
    expect([kind, timestampMs]).toEqual(['script', 80])
    const payload = bytes.subarray(11, -4)
    const head = '\x02\0\x0fonPatrolhubTime\x08\0\0\0\x02\0\x08streamMs\0'
    expect(payload.toString('latin1', 0, head.length)).toBe(head)
    expect(payload.readDoubleBE(payload.length - 11)).toBe(1_760_000_050_000)
    expect([...payload.subarray(-3)]).toEqual([0, 0, 9])
  })
})
