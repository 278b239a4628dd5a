import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toDetections } from './candidate.ts'

const picture = { widthPx: 200, heightPx: 100 }

describe('candidates to detections', () => {
  it('divides by the picture, not by the padded input, and cuts at its edge', () => {
    const box = { classIndex: 1, score: 0.5, x1: 100, y1: -5, x2: 260, y2: 50 }
    expect(toDetections([box], picture, ['person', 'car'])).toEqual([
      { className: 'car', score: 0.5, boxNorm: [0.5, 0, 1, 0.5] },
    ])
  })

  it('leaves out a box in the padding', () => {
    expect(
      toDetections([{ classIndex: 0, score: 1, x1: 10, y1: 101, x2: 50, y2: 140 }], picture, ['a']),
    ).toEqual([])
  })

  it('gives only boxes with order and size inside the picture, whatever comes in', () => {
    const anyBox = fc.record({
      classIndex: fc.constant(0),
      score: fc.double({ noNaN: true }),
      x1: fc.double(),
      y1: fc.double(),
      x2: fc.double(),
      y2: fc.double(),
    })
    fc.assert(
      fc.property(anyBox, (box) => {
        for (const { boxNorm, score } of toDetections([box], picture, ['a'])) {
          const [x1, y1, x2, y2] = boxNorm
          expect(0 <= x1 && x1 < x2 && x2 <= 1 && 0 <= y1 && y1 < y2 && y2 <= 1).toBe(true)
          expect(score >= 0 && score <= 1).toBe(true)
        }
      }),
    )
  })
})
