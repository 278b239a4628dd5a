/**
 * Who stands in a zone since when. Tracks of a frame in, the stays seen inside in this frame out. Pure: time comes with
 * the frames. An object that is seen outside ends its stay at once; one that is not seen at all is waited for.
 */
import type { NormPoint } from '@patrolhub/protocol'
import type { Track } from '../track/track.ts'
import { footPoint } from '../track/tracker.ts'
import { isInside } from './polygon.ts'

/** A detector misses a person now and then: an absence up to this long does not end a stay. */
export const MAX_GAP_MS = 1000

export interface Stay {
  track: Track
  enteredAtMs: number
  lastInsideAtMs: number
  /** Has been part of a finding. */
  isReported: boolean
  /** Has been counted as one that fulfils the rule. */
  isCounted: boolean
}

export interface ZoneStaysOptions {
  zone: readonly NormPoint[]
  classes: readonly string[]
  /** How long an object may stay unseen, ms. */
  maxGapMs?: number
  /** A new track that begins where another one was lost takes its stay over: the tracker gave it another number. */
  isRelinked?: boolean
}

export class ZoneStays {
  readonly #options: ZoneStaysOptions
  readonly #maxGapMs: number
  readonly #stays = new Map<number, Stay>()

  constructor(options: ZoneStaysOptions) {
    this.#options = options
    this.#maxGapMs = options.maxGapMs ?? MAX_GAP_MS
  }

  observe(tracks: readonly Track[], atMs: number): Stay[] {
    for (const [trackId, stay] of this.#stays) {
      if (atMs - stay.lastInsideAtMs > this.#maxGapMs) this.#stays.delete(trackId)
    }
    const { zone, classes } = this.#options
    const present: Stay[] = []
    for (const track of tracks) {
      if (!classes.includes(track.className)) continue
      if (isInside(footPoint(track.boxNorm), zone)) present.push(this.#enter(track, tracks, atMs))
      else this.#stays.delete(track.trackId)
    }
    return present
  }

  #enter(track: Track, tracks: readonly Track[], atMs: number): Stay {
    const known = this.#stays.get(track.trackId) ?? this.#takeOver(track, tracks)
    const stay = known ?? {
      track,
      enteredAtMs: track.isNew && isInside(track.path[0]!, this.#options.zone) ? track.firstSeenAtMs : atMs,
      lastInsideAtMs: atMs,
      isReported: false,
      isCounted: false,
    }
    stay.track = track
    stay.lastInsideAtMs = atMs
    this.#stays.set(track.trackId, stay)
    return stay
  }

  #takeOver(track: Track, tracks: readonly Track[]): Stay | undefined {
    if (!this.#options.isRelinked || !track.isNew) return undefined
    const [x, y] = footPoint(track.boxNorm)
    for (const [trackId, stay] of this.#stays) {
      if (tracks.some((seen) => seen.trackId === trackId)) continue
      const [lastX, lastY] = footPoint(stay.track.boxNorm)
      const [x1, y1, x2, y2] = stay.track.boxNorm
      if (Math.abs(x - lastX) > x2 - x1 || Math.abs(y - lastY) > (y2 - y1) / 2) continue
      this.#stays.delete(trackId)
      return stay
    }
    return undefined
  }
}

/**
 * Of the stays that fulfil a rule now, those that nobody has heard of, and how many have fulfilled it since the last
 * finding. A finding takes all of them; while none may be made they wait, for as long as they stay.
 */
export class Unreported {
  #sinceLast = 0

  /** `due` are the stays that fulfil the rule in this frame. Gives the new ones when a finding may be made of them. */
  take(due: readonly Stay[], mayAlert: boolean): { fresh: Stay[]; sinceLast: number } | undefined {
    for (const stay of due) {
      if (stay.isCounted) continue
      stay.isCounted = true
      this.#sinceLast += 1
    }
    const fresh = due.filter((stay) => !stay.isReported)
    if (!mayAlert || fresh.length === 0) return undefined
    const sinceLast = this.#sinceLast
    this.#sinceLast = 0
    for (const stay of due) stay.isReported = true
    return { fresh, sinceLast }
  }
}
