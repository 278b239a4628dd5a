/**
 * Line crossing: an object's foot point comes from one side of the line to the other, between its ends. It has crossed
 * when it has left the line behind by a part of its own width, so that somebody who stands on the line and whose box
 * trembles crosses nothing.
 */
import type { NormPoint } from '@patrolhub/protocol'
import type { LineCrossingRuleConfig } from '../config/rules.ts'
import type { Track } from '../track/track.ts'
import { footPoint } from '../track/tracker.ts'
import { type Finding, type Scene, sure, type TrackRule, withArticle } from './rule.ts'

/** In widths of the object. */
const MARGIN = 0.25
const FORGET_MS = 5000

type Side = 'left' | 'right'

interface Settled {
  side: Side
  at: NormPoint
  lastSeenAtMs: number
}

export class LineCrossingRule implements TrackRule {
  readonly #config: LineCrossingRuleConfig
  readonly #place: string
  /** Where each track stood last clear of the line. */
  readonly #settled = new Map<number, Settled>()
  #sinceLast = 0

  constructor(config: LineCrossingRuleConfig, place: string) {
    this.#config = config
    this.#place = place
  }

  observe({ tracks, atMs, aspect }: Scene, mayAlert: boolean): Finding | undefined {
    const crossed: { track: Track; to: Side }[] = []
    for (const track of tracks) {
      if (!this.#config.classes.includes(track.className)) continue
      const to = this.#crossing(track, atMs, aspect)
      if (to) crossed.push({ track, to })
    }
    for (const [trackId, { lastSeenAtMs }] of this.#settled) {
      if (atMs - lastSeenAtMs > FORGET_MS) this.#settled.delete(trackId)
    }
    this.#sinceLast += crossed.length
    if (!mayAlert || crossed.length === 0) return undefined
    const sinceLast = this.#sinceLast
    this.#sinceLast = 0
    const { track, to } = crossed[0]!
    const others = sinceLast > 1 ? ` ${sinceLast} objects have crossed since the last alert.` : ''
    return {
      subjects: crossed.map((each) => each.track),
      score: track.score,
      reason: `${withArticle(track.className)} crossed ${this.#place} to the ${to} (${sure(track.score)}).${others}`,
      facts: {
        className: track.className,
        direction: to,
        trackId: track.trackId,
        objectsSinceLastAlert: sinceLast,
        objectsInPicture: tracks.length,
      },
      path: track.path,
    }
  }

  #crossing(track: Track, atMs: number, aspect: number): Side | undefined {
    const [start, end] = this.#config.line as [NormPoint, NormPoint]
    const margin = (track.boxNorm[2] - track.boxNorm[0]) * aspect * MARGIN
    const before = this.#settled.get(track.trackId) ?? this.#firstOf(track, margin, aspect)
    if (before) before.lastSeenAtMs = atMs
    const at = footPoint(track.boxNorm)
    const distance = distanceTo(start, end, at, aspect)
    if (Math.abs(distance) < margin) return undefined
    const side = sideOf(distance)
    this.#settled.set(track.trackId, { side, at, lastSeenAtMs: atMs })
    if (!before || before.side === side || !meets(before.at, at, start, end)) return undefined
    const { direction } = this.#config
    return direction === 'any' || direction === `to-${side}` ? side : undefined
  }

  /**
   * Where a new track was seen before it was reported. Clear of the line, that is remembered until it has left the line;
   * else it counts only for one that is clear of it by now.
   */
  #firstOf(track: Track, margin: number, aspect: number): Settled | undefined {
    if (!track.isNew) return undefined
    const [start, end] = this.#config.line as [NormPoint, NormPoint]
    const at = track.path[0]!
    const distance = distanceTo(start, end, at, aspect)
    const first: Settled = { side: sideOf(distance), at, lastSeenAtMs: track.lastSeenAtMs }
    if (Math.abs(distance) >= margin) this.#settled.set(track.trackId, first)
    return first
  }
}

const sideOf = (distance: number): Side => (distance > 0 ? 'right' : 'left')

/** Distance from the endless line, in heights of the picture; positive on the right of one who walks from start to end. */
function distanceTo(start: NormPoint, end: NormPoint, [x, y]: NormPoint, aspect: number): number {
  const dx = (end[0] - start[0]) * aspect
  const dy = end[1] - start[1]
  // y grows downwards, so the right hand is where this product is positive.
  return (dx * (y - start[1]) - dy * (x - start[0]) * aspect) / Math.hypot(dx, dy)
}

/** True if the way from a to b meets the line between its ends. The points lie on different sides of the endless line. */
function meets(a: NormPoint, b: NormPoint, start: NormPoint, end: NormPoint): boolean {
  const side = (p: NormPoint) => (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
  return side(start) * side(end) <= 0
}
