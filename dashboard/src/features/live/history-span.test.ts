import { describe, expect, it } from 'vitest'
import { defaultSpan, drawnStretches, fieldTime, nextRecorded, pictureTime, timeIn } from './history-span.ts'

describe('a span of history', () => {
  it('is proposed around an event, and never into the future', () => {
    expect(defaultSpan(undefined, 1_000_500)).toEqual({ fromMs: 400_000, toMs: 1_000_000 })
    expect(defaultSpan(1_000_500, 9_000_000)).toEqual({ fromMs: 880_000, toMs: 1_180_000 })
    expect(defaultSpan(1_000_500, 1_010_000)).toEqual({ fromMs: 880_000, toMs: 1_010_000 })
  })

  it('goes through a form field and back', () => {
    const atMs = 1_760_000_123_000
    expect(timeIn(fieldTime(atMs))).toBe(atMs)
  })

  it('is played from the next recorded time on', () => {
    const stretches = [
      { fromMs: 100, toMs: 200 },
      { fromMs: 300, toMs: 400 },
    ]
    const next = [50, 100, 150, 200, 399, 400].map((atMs) => nextRecorded(stretches, atMs))
    expect(next).toEqual([100, 100, 150, 300, 399, undefined])
  })

  it('is drawn with what is next to each other joined', () => {
    const span = { fromMs: 0, toMs: 10_000 }
    const drawn = drawnStretches(
      [
        { fromMs: 0, toMs: 1000 },
        { fromMs: 1010, toMs: 2000 },
        { fromMs: 5000, toMs: 10_000 },
      ],
      span,
    )
    expect(drawn).toEqual([
      { from: 0, width: 0.2 },
      { from: 0.5, width: 0.5 },
    ])
  })
})

describe('the time of a picture', () => {
  it('follows the newest mark before it', () => {
    const marks = [
      { streamMs: 0, atMs: 1000 },
      { streamMs: 500, atMs: 90_000 },
    ]
    expect([0, 499, 500, 700].map((ms) => pictureTime(marks, ms))).toEqual([1000, 1499, 90_000, 90_200])
    expect(pictureTime([{ streamMs: 40, atMs: 7 }], 0)).toBe(7)
    expect(pictureTime([], 10)).toBeUndefined()
  })
})
