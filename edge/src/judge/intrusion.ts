/**
 * The intrusion rule: an object of one of the classes stands with its foot point in the zone for `minSeconds`.
 * One alert an entry, and for one track at most one alert in `cooldownSeconds`. Tracks of a frame in, the tracks that
 * intrude from this frame on out. Pure: time comes with the frames.
 */
import type { IntrusionRuleConfig } from '../config.ts'
import type { Track } from '../track/track.ts'
import { footPoint } from '../track/tracker.ts'
import { isInside } from './polygon.ts'

/** A detector misses a person now and then: an absence up to this long does not end a stay. */
const MAX_GAP_MS = 1000

interface Stay {
  enteredAtMs: number
  lastInsideAtMs: number
  hasAlerted: boolean
  lastAlertAtMs: number | undefined
}

export interface Intrusion {
  track: Track
  enteredAtMs: number
}

export class IntrusionRule {
  readonly config: IntrusionRuleConfig
  readonly #stays = new Map<number, Stay>()

  constructor(config: IntrusionRuleConfig) {
    this.config = config
  }

  observe(tracks: readonly Track[], atMs: number): Intrusion[] {
    const intrusions: Intrusion[] = []
    for (const track of tracks) {
      if (!this.config.classes.includes(track.className)) continue
      const stay = this.#stays.get(track.trackId)
      if (!isInside(footPoint(track.boxNorm), this.config.zone)) {
        // Seen outside: the stay is over at once. Only an alert is remembered, for the cool-down.
        if (stay?.lastAlertAtMs === undefined) this.#stays.delete(track.trackId)
        else stay.lastInsideAtMs = Number.NEGATIVE_INFINITY
        continue
      }
      const current = this.#enter(track, stay, atMs)
      if (this.#isDue(current, atMs)) {
        current.hasAlerted = true
        current.lastAlertAtMs = atMs
        intrusions.push({ track, enteredAtMs: current.enteredAtMs })
      }
    }
    this.#forget(atMs)
    return intrusions
  }

  #enter(track: Track, stay: Stay | undefined, atMs: number): Stay {
    if (stay && atMs - stay.lastInsideAtMs <= MAX_GAP_MS) {
      stay.lastInsideAtMs = atMs
      return stay
    }
    const entered: Stay = {
      enteredAtMs:
        isNewborn(track) && isInside(track.path[0]!, this.config.zone) ? track.firstSeenAtMs : atMs,
      lastInsideAtMs: atMs,
      hasAlerted: false,
      lastAlertAtMs: stay?.lastAlertAtMs,
    }
    this.#stays.set(track.trackId, entered)
    return entered
  }

  #isDue(stay: Stay, atMs: number): boolean {
    if (stay.hasAlerted || atMs - stay.enteredAtMs < this.config.minSeconds * 1000) return false
    return stay.lastAlertAtMs === undefined || atMs - stay.lastAlertAtMs >= this.config.cooldownSeconds * 1000
  }

  #forget(atMs: number): void {
    for (const [trackId, stay] of this.#stays) {
      const isGone = atMs - stay.lastInsideAtMs > MAX_GAP_MS
      const isCool =
        stay.lastAlertAtMs === undefined || atMs - stay.lastAlertAtMs >= this.config.cooldownSeconds * 1000
      if (isGone && isCool) this.#stays.delete(trackId)
    }
  }
}

/** A track is reported from its second point on: the first one counts for the stay, too. */
function isNewborn(track: Track): boolean {
  return track.path.length === 2
}
