/**
 * Sudden scatter: at least `minCount` people, and at least half of those in the zone, have run away from their common
 * middle during the last `minSeconds`. One finding until it is over.
 */
import type { ScatterRuleConfig } from '../config/rules.ts'
import type { Track } from '../track/track.ts'
import { type Motion, motionOf, type Vector } from './motion.ts'
import { isInside } from './polygon.ts'
import { type Finding, hundredths, type Scene, type TrackRule } from './rule.ts'

const OVER_MS = 3000

interface Mover {
  track: Track
  motion: Motion
  /** Speed away from the middle, heights of the person a second. */
  outward: number
}

export class ScatterRule implements TrackRule {
  readonly #config: ScatterRuleConfig
  readonly #place: string
  #lastAtMs = Number.NEGATIVE_INFINITY
  #isReported = false

  constructor(config: ScatterRuleConfig, place: string) {
    this.#config = config
    this.#place = place
  }

  observe({ tracks, atMs, aspect }: Scene, mayAlert: boolean): Finding | undefined {
    const { minCount, minSpeed } = this.#config
    const movers = this.#moversIn(tracks, aspect)
    const runners = movers.filter(({ outward }) => outward >= minSpeed)
    if (runners.length < minCount || runners.length * 2 < movers.length) {
      if (atMs - this.#lastAtMs > OVER_MS) this.#isReported = false
      return undefined
    }
    if (atMs - this.#lastAtMs > OVER_MS) this.#isReported = false
    this.#lastAtMs = atMs
    if (!mayAlert || this.#isReported) return undefined
    this.#isReported = true
    return this.#describe(runners, tracks.length)
  }

  #moversIn(tracks: readonly Track[], aspect: number): Mover[] {
    const { classes, zone, minSeconds } = this.#config
    const moving = tracks.flatMap((track) => {
      if (!classes.includes(track.className) || track.isRider) return []
      const motion = motionOf(track, minSeconds * 1000, aspect)
      // Where it began counts: who runs away has often left the zone.
      if (!motion || !isInside([motion.from.x / aspect, motion.from.y], zone)) return []
      return [{ track, motion }]
    })
    const middle = middleOf(moving.map(({ motion }) => motion.from))
    return moving.map((each) => ({ ...each, outward: outwardSpeed(each.motion, middle) }))
  }

  #describe(runners: readonly Mover[], inPicture: number): Finding {
    const { minCount, minSpeed } = this.#config
    const sorted = [...runners].sort((a, b) => b.outward - a.outward)
    const fastest = sorted[0]!
    return {
      subjects: sorted.map(({ track }) => track),
      score: sorted[minCount - 1]!.track.score,
      reason: `${sorted.length} objects suddenly run apart in ${this.#place} (limit ${minCount} at ${minSpeed} heights a second).`,
      facts: {
        className: fastest.track.className,
        count: sorted.length,
        minCount,
        speed: hundredths(fastest.outward),
        minSpeed,
        objectsInPicture: inPicture,
      },
      path: fastest.track.path,
    }
  }
}

function middleOf(points: readonly Vector[]): Vector {
  const sum = points.reduce((all, { x, y }) => ({ x: all.x + x, y: all.y + y }), { x: 0, y: 0 })
  const count = Math.max(1, points.length)
  return { x: sum.x / count, y: sum.y / count }
}

function outwardSpeed({ velocity, from }: Motion, middle: Vector): number {
  const away = { x: from.x - middle.x, y: from.y - middle.y }
  const distance = Math.hypot(away.x, away.y)
  return distance === 0 ? 0 : (velocity.x * away.x + velocity.y * away.y) / distance
}
