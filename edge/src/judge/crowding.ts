/** Crowding: at least `minCount` objects stand in the zone for `minSeconds`. One finding until they are fewer again. */
import type { CrowdingRuleConfig } from '../config/rules.ts'
import { type Finding, hundredths, type Scene, secondsBetween, type TrackRule } from './rule.ts'
import { MAX_GAP_MS, type Stay, ZoneStays } from './zone-stays.ts'

export class CrowdingRule implements TrackRule {
  readonly #config: CrowdingRuleConfig
  readonly #place: string
  readonly #stays: ZoneStays
  #sinceMs: number | undefined
  #lastEnoughMs = Number.NEGATIVE_INFINITY
  #isReported = false

  constructor(config: CrowdingRuleConfig, place: string) {
    this.#config = config
    this.#place = place
    this.#stays = new ZoneStays(config)
  }

  observe({ tracks, atMs }: Scene, mayAlert: boolean): Finding | undefined {
    const present = this.#stays.observe(tracks, atMs)
    const { minCount, minSeconds } = this.#config
    if (present.length < minCount) return undefined
    // A detector loses one of a crowd now and then; after a longer absence it is another crowd.
    if (this.#sinceMs === undefined || atMs - this.#lastEnoughMs > MAX_GAP_MS) {
      this.#sinceMs = atMs
      this.#isReported = false
    }
    this.#lastEnoughMs = atMs
    if (!mayAlert || this.#isReported || atMs - this.#sinceMs < minSeconds * 1000) return undefined
    this.#isReported = true
    return this.#describe(present, tracks.length, secondsBetween(this.#sinceMs, atMs))
  }

  #describe(present: readonly Stay[], inPicture: number, seconds: number): Finding {
    const { minCount, minSeconds } = this.#config
    const tracks = present.map(({ track }) => track).sort((a, b) => b.score - a.score)
    // As sure as the detector is of the least sure one that the crowd needs.
    const { score } = tracks[minCount - 1]!
    return {
      subjects: tracks,
      score,
      reason: `${tracks.length} objects are in ${this.#place} (limit ${minCount} for ${minSeconds} s).`,
      facts: {
        className: tracks[0]!.className,
        count: tracks.length,
        minCount,
        secondsInZone: seconds,
        minSeconds,
        meanScore: hundredths(tracks.reduce((sum, each) => sum + each.score, 0) / tracks.length),
        objectsInPicture: inPicture,
      },
      path: tracks[0]!.path,
    }
  }
}
