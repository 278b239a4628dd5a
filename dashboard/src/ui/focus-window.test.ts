import type { NormBox } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { focusWindow } from './focus-window.ts'

const WIDE = 16 / 9
const side = fc.double({ min: 0, max: 1, noNaN: true })
const box = fc
  .tuple(side, side, side, side)
  .map(([a, b, c, d]): NormBox => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)])
const ratio = fc.double({ min: 0.5, max: 3, noNaN: true })

describe('focusWindow', () => {
  it('lies inside the picture and has the shape of the thumbnail, wherever the boxes are', () => {
    fc.assert(
      fc.property(fc.array(box, { maxLength: 4 }), ratio, (boxes, pictureRatio) => {
        const { x, y, width, height } = focusWindow(boxes, pictureRatio, WIDE)
        expect(x).toBeGreaterThanOrEqual(-1e-9)
        expect(y).toBeGreaterThanOrEqual(-1e-9)
        expect(x + width).toBeLessThanOrEqual(1 + 1e-9)
        expect(y + height).toBeLessThanOrEqual(1 + 1e-9)
        expect((width * pictureRatio) / height).toBeCloseTo(WIDE, 6)
      }),
    )
  })

  it('holds a small subject whole, at the edge of the picture too', () => {
    for (const [x1, y1, x2, y2] of [
      [0.42, 0.38, 0.47, 0.62],
      [0, 0.8, 0.04, 1],
      [0.95, 0, 1, 0.1],
    ] as const) {
      const window = focusWindow([[x1, y1, x2, y2]], 4 / 3, WIDE)
      expect(window.x).toBeLessThanOrEqual(x1 + 1e-9)
      expect(window.y).toBeLessThanOrEqual(y1 + 1e-9)
      expect(window.x + window.width).toBeGreaterThanOrEqual(x2 - 1e-9)
      expect(window.y + window.height).toBeGreaterThanOrEqual(y2 - 1e-9)
      expect(window.width).toBeLessThan(0.6)
    }
  })

  it('shows as much as fits when there is nothing to aim at', () => {
    expect(focusWindow([], WIDE, WIDE)).toEqual({ x: 0, y: 0, width: 1, height: 1 })
  })
})
