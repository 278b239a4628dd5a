import type { NormPoint } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isInside } from '../judge/polygon.ts'
import { MASK_COLUMNS, MASK_ROWS, maskFilter, maskRectangles } from './privacy-mask.ts'

const unit = fc.double({ min: 0, max: 1, noNaN: true })
const polygon = fc.array(fc.tuple(unit, unit), { minLength: 3, maxLength: 8 })

/** Says of a point whether it is covered; the mask is made once. */
function coverOf(polygons: NormPoint[][]): (point: NormPoint) => boolean {
  const rectangles = maskRectangles(polygons)
  return ([x, y]) =>
    rectangles.some(
      (each) =>
        x * MASK_COLUMNS >= each.x &&
        x * MASK_COLUMNS <= each.x + each.width &&
        y * MASK_ROWS >= each.y &&
        y * MASK_ROWS <= each.y + each.height,
    )
}

describe('a privacy mask', () => {
  it('covers every point of every polygon, corners and edges too', () => {
    fc.assert(
      fc.property(
        fc.array(polygon, { minLength: 1, maxLength: 3 }),
        fc.array(fc.tuple(unit, unit)),
        (all, points) => {
          const inside = points.filter((point) => all.some((each) => isInside(point, each)))
          const isCovered = coverOf(all)
          for (const point of [...all.flat(), ...inside]) expect(isCovered(point)).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('covers nothing that is farther than a cell from its polygon, and a bay stays open', () => {
    const bay: NormPoint[] = [
      [0.1, 0.1],
      [0.9, 0.1],
      [0.9, 0.9],
      [0.7, 0.9],
      [0.7, 0.3],
      [0.3, 0.3],
      [0.3, 0.9],
      [0.1, 0.9],
    ]
    const isCovered = coverOf([bay])
    expect(isCovered([0.5, 0.6])).toBe(false)
    expect(isCovered([0.09, 0.5])).toBe(false)
    expect(isCovered([0.11, 0.5])).toBe(true)
    expect(isCovered([0.5, 0.2])).toBe(true)
  })

  it('is few rectangles where the polygon is simple, and none without one', () => {
    const square: NormPoint[] = [
      [0.25, 0.25],
      [0.75, 0.25],
      [0.75, 0.75],
      [0.25, 0.75],
    ]
    expect(maskRectangles([square]).length).toBeLessThanOrEqual(3)
    expect(maskFilter([])).toBe('')
    expect(maskFilter([square])).toMatch(/^drawbox=x=iw\*3\d\/128-1:/)
  })
})
