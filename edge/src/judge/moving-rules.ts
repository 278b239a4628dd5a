/**
 * Rules about how an object moves in a zone: wrong way and running. Each looks at the movement of the last
 * `minSeconds`; an object that fulfils the rule is reported once while it goes on doing so.
 */
import type { NormPoint } from '@patrolhub/protocol'
import type { RunningRuleConfig, WrongWayRuleConfig } from '../config/rules.ts'
import type { Track } from '../track/track.ts'
import { footPoint } from '../track/tracker.ts'
import { between, cosineOf, type Motion, motionOf } from './motion.ts'
import { isInside } from './polygon.ts'
import { type Finding, hundredths, type Scene, sure, type TrackRule, withArticle } from './rule.ts'

/** More than 120° from the allowed direction is against it; what lies between only crosses the road. */
const AGAINST = -0.5
/** A way shorter than this many heights of the object is trembling. */
const MIN_TRAVELLED = 0.4
/** After this time without the movement the object may be reported again. */
const OVER_MS = 3000

interface Mover {
  track: Track
  motion: Motion
}

type MovingRuleConfig = RunningRuleConfig | WrongWayRuleConfig

export class MovingRule implements TrackRule {
  readonly #config: MovingRuleConfig
  readonly #place: string
  /** When each track fulfilled the rule last. */
  readonly #lastAtMs = new Map<number, number>()
  #sinceLast = 0

  constructor(config: MovingRuleConfig, place: string) {
    this.#config = config
    this.#place = place
  }

  observe({ tracks, atMs, aspect }: Scene, mayAlert: boolean): Finding | undefined {
    const movers: Mover[] = []
    for (const track of tracks) {
      const motion = this.#fulfils(track, aspect)
      if (!motion) continue
      if (!this.#lastAtMs.has(track.trackId)) movers.push({ track, motion })
      this.#lastAtMs.set(track.trackId, atMs)
    }
    for (const [trackId, lastAtMs] of this.#lastAtMs) {
      if (atMs - lastAtMs > OVER_MS) this.#lastAtMs.delete(trackId)
    }
    this.#sinceLast += movers.length
    if (!mayAlert || movers.length === 0) return undefined
    const sinceLast = this.#sinceLast
    this.#sinceLast = 0
    return this.#describe(movers, sinceLast, tracks.length)
  }

  #fulfils(track: Track, aspect: number): Motion | undefined {
    const { zone, classes, minSeconds } = this.#config
    if (!classes.includes(track.className) || !isInside(footPoint(track.boxNorm), zone)) return undefined
    const motion = motionOf(track, minSeconds * 1000, aspect)
    if (!motion) return undefined
    if (this.#config.kind === 'running' && track.isRider) return undefined
    if (this.#config.kind === 'running') return motion.speed >= this.#config.minSpeed ? motion : undefined
    const [from, to] = this.#config.allowed as [NormPoint, NormPoint]
    const isAgainst = cosineOf(motion.velocity, between(from, to, aspect)) < AGAINST
    return isAgainst && motion.travelled >= MIN_TRAVELLED ? motion : undefined
  }

  #describe(movers: readonly Mover[], sinceLast: number, inPicture: number): Finding {
    const { track, motion } = movers[0]!
    const { kind, minSeconds } = this.#config
    const what = withArticle(track.className)
    const others = sinceLast > 1 ? ` ${sinceLast} objects since the last alert.` : ''
    const how =
      kind === 'running'
        ? `runs in ${this.#place} at ${hundredths(motion.speed)} heights a second (limit ${this.#config.minSpeed}`
        : `has moved against the allowed direction of ${this.#place} for ${minSeconds} s (limit ${minSeconds} s`
    return {
      subjects: movers.map((each) => each.track),
      score: track.score,
      reason: `${what} ${how}, ${sure(track.score)}).${others}`,
      facts: {
        className: track.className,
        speed: hundredths(motion.speed),
        ...(kind === 'running' ? { minSpeed: this.#config.minSpeed } : {}),
        minSeconds,
        trackId: track.trackId,
        objectsSinceLastAlert: sinceLast,
        objectsInPicture: inPicture,
      },
      path: track.path,
    }
  }
}
