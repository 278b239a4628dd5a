/**
 * What a detector that was trained on pictures from eye level calls vehicles seen from above: a bright box with a dark
 * pane is a phone to it. The box is right, only the name is not. Such a detection is given as a car, but never as a
 * sure one: the tracker takes it for an object only where something moves that nothing else explains. Names of things
 * that people carry or pull, and of what drives by itself (boats, trains), are not among them.
 */
import type { Candidate } from './candidate.ts'

const TAKEN_FOR: readonly string[] = [
  'cell phone',
  'remote',
  'mouse',
  'keyboard',
  'laptop',
  'tv',
  'microwave',
  'oven',
  'toaster',
  'refrigerator',
]
const MEANT = 'car'
/** Part of the score from which a detection is sure that such a one has at most. */
const MAX_SCORE = 0.75

export interface SeenFromAbove {
  /** For each class of the model, whether it may be a vehicle seen from above. */
  isMeant: readonly boolean[]
  /** The same boxes, those of the classes above as cars with a low score. */
  rename: (candidates: readonly Candidate[]) => Candidate[]
}

/** `sureScore` is the one from which on a detection is sure. Without cars among the wanted classes nothing is meant. */
export function seenFromAbove(
  classes: readonly string[],
  wanted: readonly string[],
  sureScore: number,
): SeenFromAbove {
  const car = classes.indexOf(MEANT)
  const isLookedFor = car >= 0 && wanted.includes(MEANT)
  const isMeant = classes.map((name) => isLookedFor && TAKEN_FOR.includes(name) && !wanted.includes(name))
  return {
    isMeant,
    rename: (candidates) =>
      candidates.map((candidate) =>
        isMeant[candidate.classIndex]
          ? { ...candidate, classIndex: car, score: Math.min(candidate.score, sureScore * MAX_SCORE) }
          : candidate,
      ),
  }
}
