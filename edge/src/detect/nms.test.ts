import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Candidate } from './candidate.ts'
import { classGroups, intersectionOverUnion, suppressOverlaps } from './nms.ts'

const CLASSES = ['person', 'bicycle', 'car', 'bus', 'truck']
const groups = classGroups(CLASSES)
const options = { groups, maxIou: 0.45, maxBoxes: 300 }

const coordinate = fc.integer({ min: 0, max: 60 })
const candidate: fc.Arbitrary<Candidate> = fc
  .record({
    classIndex: fc.nat(CLASSES.length - 1),
    score: fc.double({ min: 0, max: 1, noNaN: true }),
    x1: coordinate,
    y1: coordinate,
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
  })
  .map(({ width, height, ...box }) => ({ ...box, x2: box.x1 + width, y2: box.y1 + height }))

function box(className: string, score: number, x1: number, x2: number): Candidate {
  return { classIndex: CLASSES.indexOf(className), score, x1, y1: 0, x2, y2: 10 }
}

describe('class groups', () => {
  it('joins car, bus and truck and leaves every other class alone', () => {
    expect(groups).toEqual([0, 1, 2, 2, 2])
  })
})

describe('suppressing overlaps', () => {
  it('keeps the better of a car and a truck in one place', () => {
    const kept = suppressOverlaps([box('truck', 0.5, 0, 10), box('car', 0.8, 1, 11)], options)
    expect(kept.map(({ classIndex }) => CLASSES[classIndex])).toEqual(['car'])
  })

  it('keeps a person on a bicycle and the bicycle', () => {
    expect(suppressOverlaps([box('person', 0.5, 0, 10), box('bicycle', 0.8, 0, 10)], options)).toHaveLength(2)
  })

  it('keeps two people who overlap less than the limit', () => {
    expect(suppressOverlaps([box('person', 0.9, 0, 10), box('person', 0.8, 5, 15)], options)).toHaveLength(2)
  })

  it('keeps no two boxes of a group that overlap, and drops only what a better kept box covers', () => {
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 40 }), (candidates) => {
        const kept = suppressOverlaps(candidates, options)
        const covers = (a: Candidate, b: Candidate) =>
          groups[a.classIndex] === groups[b.classIndex] && intersectionOverUnion(a, b) > options.maxIou
        for (const [index, a] of kept.entries()) {
          expect(candidates).toContain(a)
          if (index > 0) expect(a.score).toBeLessThanOrEqual(kept[index - 1]!.score)
          for (const b of kept.slice(index + 1)) expect(covers(a, b)).toBe(false)
        }
        for (const dropped of candidates.filter((one) => !kept.includes(one)))
          expect(kept.some((one) => one.score >= dropped.score && covers(one, dropped))).toBe(true)
      }),
    )
  })

  it('looks only at the best boxes', () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      box('person', index / 1000, index * 20, index * 20 + 10),
    )
    const kept = suppressOverlaps(many, { ...options, maxBoxes: 5 })
    expect(kept.map(({ score }) => score)).toEqual([0.999, 0.998, 0.997, 0.996, 0.995])
  })
})

describe('intersection over union', () => {
  it('is symmetric, between 0 and 1, and 1 for a box and itself', () => {
    fc.assert(
      fc.property(candidate, candidate, (a, b) => {
        const value = intersectionOverUnion(a, b)
        expect(value).toBe(intersectionOverUnion(b, a))
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(1)
        expect(intersectionOverUnion(a, a)).toBe(1)
      }),
    )
  })
})
