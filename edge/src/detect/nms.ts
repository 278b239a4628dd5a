/**
 * Non-maximum suppression: of boxes that overlap and could be the same object, the best stays. A van is often seen
 * as a car and as a truck at once, so classes are suppressed by group, not one by one.
 */
import type { Candidate } from './candidate.ts'

/** Classes that a detector mistakes for one another. */
const CONFUSED_CLASSES: readonly (readonly string[])[] = [['car', 'bus', 'truck']]

/** Group number of each class; classes that are not confused with others have a group of their own. */
export function classGroups(classes: readonly string[]): number[] {
  return classes.map((name, index) => {
    const confused = CONFUSED_CLASSES.find((group) => group.includes(name))
    return confused ? classes.findIndex((other) => confused.includes(other)) : index
  })
}

/**
 * Greedy suppression: the kept boxes, best score first. No two of one group overlap by more than `maxIou`
 * (intersection over union, 0..1), and each dropped box overlaps a kept one of its group by more.
 * Only the `maxBoxes` best candidates are looked at, which bounds the time for a hostile picture.
 */
export function suppressOverlaps(
  candidates: readonly Candidate[],
  options: { groups: readonly number[]; maxIou: number; maxBoxes: number },
): Candidate[] {
  const best = candidates.toSorted((a, b) => b.score - a.score).slice(0, options.maxBoxes)
  const kept: Candidate[] = []
  for (const candidate of best) {
    const group = options.groups[candidate.classIndex]
    const isCovered = kept.some(
      (other) =>
        options.groups[other.classIndex] === group &&
        intersectionOverUnion(candidate, other) > options.maxIou,
    )
    if (!isCovered) kept.push(candidate)
  }
  return kept
}

type Box = Pick<Candidate, 'x1' | 'y1' | 'x2' | 'y2'>

/** 0 for boxes that do not touch, 1 for the same box; 0 when both are empty. */
export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1)
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1)
  if (width <= 0 || height <= 0) return 0
  const shared = width * height
  const union = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - shared
  return shared / union
}
