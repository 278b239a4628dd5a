/** How a tracked object moved of late, in sizes of its own, so that near and far are judged alike. Pure. */
import type { NormPoint } from '@patrolhub/protocol'
import type { Track } from '../track/track.ts'

/** x counts heights of the picture as y does. */
export interface Vector {
  x: number
  y: number
}

export interface Motion {
  /** Speed in heights of the object's box a second: the median height of that time. */
  velocity: Vector
  speed: number
  /** Where it was at the beginning, in heights of the picture. */
  from: Vector
  /** Way from the first to the last point, in heights of the box. */
  travelled: number
}

/** A window may be this much shorter than asked for: frames do not come at its very edges. */
const MIN_PART = 0.75
/** Each half of a steady movement is at least this part of the whole; a box that jumps once moves in one half only. */
const MIN_HALF = 0.3

/**
 * The movement of the last `windowMs`; `undefined` if the track is younger, or did not move evenly, as when its box
 * jumped because half the body was hidden.
 */
export function motionOf(
  { path, pathAtMs, pathHeights }: Track,
  windowMs: number,
  aspect: number,
): Motion | undefined {
  const last = path.length - 1
  const endMs = pathAtMs[last]!
  let first = last
  while (first > 0 && endMs - pathAtMs[first - 1]! <= windowMs) first -= 1
  const seconds = (endMs - pathAtMs[first]!) / 1000
  if (last - first < 2 || seconds * 1000 < windowMs * MIN_PART) return undefined
  const way = between(path[first]!, path[last]!, aspect)
  const middleMs = (pathAtMs[first]! + endMs) / 2
  const middle = pathAtMs.findIndex((atMs, index) => index > first && atMs >= middleMs)
  const half = between(path[first]!, path[middle]!, aspect)
  const length = Math.hypot(way.x, way.y)
  if (length > 0) {
    const part = (half.x * way.x + half.y * way.y) / length ** 2
    if (part < MIN_HALF || part > 1 - MIN_HALF) return undefined
  }
  // Not that of the newest box: half hidden, or cut by the rim, its object would seem to be twice as fast.
  const heights = pathHeights.slice(first).sort((a, b) => a - b)
  const size = Math.max(heights[Math.floor(heights.length / 2)]!, 1e-4)
  const scale = 1 / (size * seconds)
  return {
    velocity: { x: way.x * scale, y: way.y * scale },
    speed: length * scale,
    from: { x: path[first]![0] * aspect, y: path[first]![1] },
    travelled: length / size,
  }
}

/** From one point to another, in heights of the picture. */
export function between(from: NormPoint, to: NormPoint, aspect: number): Vector {
  return { x: (to[0] - from[0]) * aspect, y: to[1] - from[1] }
}

/** Cosine of the angle between two directions, -1..1; 0 if one has no length. */
export function cosineOf(a: Vector, b: Vector): number {
  const lengths = Math.hypot(a.x, a.y) * Math.hypot(b.x, b.y)
  return lengths === 0 ? 0 : (a.x * b.x + a.y * b.y) / lengths
}
