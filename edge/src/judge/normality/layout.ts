/**
 * What a camera remembers of its tracks, as numbers that the normality model reads (models/normality). One sample of a
 * track is a class at a place, with a movement, a size and an hour; the memory counts samples.
 */
export const CLASSES = ['person', 'bicycle', 'car', 'motorcycle', 'bus', 'truck'] as const
/** Cells of the picture. */
export const ROWS = 14
export const COLUMNS = 24
export const CELLS = ROWS * COLUMNS
export const DIRECTIONS = 8
export const SPEEDS = 3
/** Standing still, then direction by speed: `1 + direction * SPEEDS + speed`. Direction 0 is to the right, 2 downwards. */
export const MOVES = 1 + DIRECTIONS * SPEEDS
export const SIZES = 8
export const HOURS = 24

/** The model's outputs a sample, each the share of what is usual that is as rare as this or rarer. */
export const FACTORS = ['class', 'place', 'movement', 'size', 'hour'] as const
export type Factor = (typeof FACTORS)[number]

/** Upper ends of still, slow and quick, in heights of the object a second. A walker does 0.8, a runner 1.8 and more. */
const STILL_BELOW = 0.15
const SPEED_ENDS = [1.2, 2.5]

/** `dx` and `dy` in heights of the object a second; y grows downwards. */
export function moveOf(dx: number, dy: number): number {
  const speed = Math.hypot(dx, dy)
  if (!(speed >= STILL_BELOW)) return 0
  const turn = Math.round((Math.atan2(dy, dx) / (2 * Math.PI)) * DIRECTIONS)
  const direction = (turn + DIRECTIONS) % DIRECTIONS
  const fast = SPEED_ENDS.filter((end) => speed >= end).length
  return 1 + direction * SPEEDS + fast
}

/** `height` as a fraction of the picture; each size is 1.6 times the one before. */
export function sizeOf(height: number): number {
  const step = Math.floor(Math.log(Math.max(height, 1e-6) / 0.025) / Math.log(1.6))
  return Math.min(SIZES - 1, Math.max(0, step + 1))
}

export function cellOf([x, y]: readonly [number, number]): number {
  const column = Math.min(COLUMNS - 1, Math.max(0, Math.floor(x * COLUMNS)))
  const row = Math.min(ROWS - 1, Math.max(0, Math.floor(y * ROWS)))
  return row * COLUMNS + column
}
