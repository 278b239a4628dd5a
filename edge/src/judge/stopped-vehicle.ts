/**
 * Stopped vehicle: a vehicle stands with its foot point at the same place in the zone for `minSeconds`. Passing
 * vehicles that hide it for a moment, and a tracker that then gives it another number, do not start it anew.
 */
import type { NormPoint } from '@patrolhub/protocol'
import type { StoppedVehicleRuleConfig } from '../config/rules.ts'
import { footPoint } from '../track/tracker.ts'
import { between } from './motion.ts'
import { type Finding, type Scene, secondsBetween, sure, type TrackRule, withArticle } from './rule.ts'
import { type Stay, Unreported, ZoneStays } from './zone-stays.ts'

const HIDDEN_MS = 8000
/** A box trembles by this part of its size; what moves farther drives. */
const STILL = 0.2
/** One that another's stay is handed to has itself moved by less than this since it was first seen. */
const NEW_STILL = 0.1

interface Stop {
  at: NormPoint
  sinceMs: number
}

export class StoppedVehicleRule implements TrackRule {
  readonly #config: StoppedVehicleRuleConfig
  readonly #place: string
  readonly #stays: ZoneStays
  readonly #stops = new WeakMap<Stay, Stop>()
  readonly #unreported = new Unreported()

  constructor(config: StoppedVehicleRuleConfig, place: string) {
    this.#config = config
    this.#place = place
    this.#stays = new ZoneStays({ ...config, maxGapMs: HIDDEN_MS, isRelinked: true })
  }

  observe({ tracks, atMs, aspect }: Scene, mayAlert: boolean): Finding | undefined {
    const { minSeconds } = this.#config
    const present = this.#stays.observe(tracks, atMs)
    const due = present.filter((stay) => atMs - this.#stopOf(stay, aspect, atMs).sinceMs >= minSeconds * 1000)
    const taken = this.#unreported.take(due, mayAlert)
    if (!taken) return undefined
    const { fresh, sinceLast } = taken
    const { track } = fresh[0]!
    const seconds = secondsBetween(this.#stops.get(fresh[0]!)!.sinceMs, atMs)
    return {
      subjects: fresh.map((stay) => stay.track),
      score: track.score,
      reason:
        `${withArticle(track.className)} has stood still in ${this.#place} for ${seconds} s ` +
        `(limit ${minSeconds} s, ${sure(track.score)}).`,
      facts: {
        className: track.className,
        secondsInZone: seconds,
        minSeconds,
        trackId: track.trackId,
        objectsInZone: present.length,
        objectsSinceLastAlert: sinceLast,
        objectsInPicture: tracks.length,
      },
      path: track.path,
    }
  }

  /** Where it has stood since when; one that moves on begins anew and may be reported again. */
  #stopOf(stay: Stay, aspect: number, atMs: number): Stop {
    const at = footPoint(stay.track.boxNorm)
    const known = this.#stops.get(stay)
    const [x1, y1, x2, y2] = stay.track.boxNorm
    const size = Math.sqrt((x2 - x1) * aspect * (y2 - y1))
    if (known) {
      const moved = between(known.at, at, aspect)
      // On a fast road one vehicle after the other is first seen at the same place.
      const own = between(stay.track.path[0]!, at, aspect)
      const drives = stay.track.isNew && Math.hypot(own.x, own.y) > size * NEW_STILL
      if (!drives && Math.hypot(moved.x, moved.y) <= size * STILL) return known
      stay.isReported = false
      stay.isCounted = false
    }
    const stop = { at, sinceMs: known ? atMs : stay.enteredAtMs }
    this.#stops.set(stay, stop)
    return stop
  }
}
