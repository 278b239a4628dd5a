/**
 * Intrusion and loitering: an object of one of the classes stands with its foot point in the zone for `minSeconds`.
 * They differ in how long that is, and in that a loiterer whom the tracker lost for a moment is still the same one.
 */
import type { IntrusionRuleConfig, LoiteringRuleConfig } from '../config/rules.ts'
import { type Finding, type Scene, secondsBetween, sure, type TrackRule, withArticle } from './rule.ts'
import { type Stay, Unreported, ZoneStays } from './zone-stays.ts'

/** A loiterer may be hidden behind a passer-by for this long. */
const LOITERING_GAP_MS = 4000

export class StayRule implements TrackRule {
  readonly #config: IntrusionRuleConfig | LoiteringRuleConfig
  readonly #place: string
  readonly #stays: ZoneStays
  readonly #unreported = new Unreported()

  constructor(config: IntrusionRuleConfig | LoiteringRuleConfig, place: string) {
    this.#config = config
    this.#place = place
    const isLoitering = config.kind === 'loitering'
    this.#stays = new ZoneStays({
      ...config,
      isRelinked: isLoitering,
      ...(isLoitering ? { maxGapMs: LOITERING_GAP_MS } : {}),
    })
  }

  observe({ tracks, atMs }: Scene, mayAlert: boolean): Finding | undefined {
    const present = this.#stays.observe(tracks, atMs)
    const due = present.filter((stay) => atMs - stay.enteredAtMs >= this.#config.minSeconds * 1000)
    const taken = this.#unreported.take(due, mayAlert)
    if (!taken) return undefined
    return this.#describe(taken.fresh, taken.sinceLast, {
      inZone: present.length,
      inPicture: tracks.length,
      atMs,
    })
  }

  #describe(
    fresh: readonly Stay[],
    sinceLast: number,
    { inZone, inPicture, atMs }: { inZone: number; inPicture: number; atMs: number },
  ): Finding {
    const { track, enteredAtMs } = fresh[0]!
    const { minSeconds, kind } = this.#config
    const seconds = secondsBetween(enteredAtMs, atMs)
    const duration = seconds > 0 ? ` for ${seconds} s` : ''
    const verb = kind === 'loitering' ? 'has stayed in' : 'has been inside'
    const others = inZone > 1 ? ` ${inZone} objects are inside now.` : ''
    return {
      subjects: fresh.map((stay) => stay.track),
      score: track.score,
      reason:
        `${withArticle(track.className)} ${verb} ${this.#place}${duration} ` +
        `(limit ${minSeconds} s, ${sure(track.score)}).${others}`,
      facts: {
        className: track.className,
        secondsInZone: seconds,
        minSeconds,
        trackId: track.trackId,
        trackedSeconds: secondsBetween(track.firstSeenAtMs, atMs),
        objectsInZone: inZone,
        objectsSinceLastAlert: sinceLast,
        objectsInPicture: inPicture,
      },
      path: track.path,
    }
  }
}
