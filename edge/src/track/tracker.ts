/**
 * Links the boxes of one camera's frames into tracks by ByteTrack's two-stage association (Zhang et al. 2022,
 * "ByteTrack: Multi-Object Tracking by Associating Every Detection Box"): sure detections are matched first; the
 * unsure ones then only keep tracks alive that found nothing better, because a person half hidden scores low but is
 * where the track expects them. Detections in, tracks that were seen in this frame out. Pure: time comes with the
 * frames. Invariants: identifiers are never reused; one detection belongs to at most one track.
 */
import type { NormBox, NormPoint } from '@patrolhub/protocol'
import type { Detection } from '../detect/detection.ts'
import { assign } from './assignment.ts'
import { BoxFilter } from './box-filter.ts'
import type { Track } from './track.ts'

export interface TrackerOptions {
  /** From this score on a detection is sure: it is matched first and may begin a track. */
  sureScore: number
  /** Below this score a detection is ignored. */
  unsureScore: number
  /** A track that was not seen for this long is given up, ms. */
  maxLostMs: number
}

/** What a detector has to report for the second stage to work: weak boxes keep a known object, they begin none. */
export const UNSURE_SCORE = 0.1

const DEFAULTS: TrackerOptions = { sureScore: 0.4, unsureScore: UNSURE_SCORE, maxLostMs: 2000 }

/**
 * What makes a match, by stage: the least overlap (intersection over union) of both boxes, each widened by `margin` of
 * its size on every side (Yang et al. 2023, "Hard to Track Objects with Irregular Motions…", the buffered IoU). At
 * 5 frames a second a walking person moves half the width of their box between two frames, and a track of one frame
 * has no speed yet to foresee that.
 */
interface Stage {
  minIou: number
  margin: number
}
const STAGES = {
  sure: { minIou: 0.15, margin: 0.15 },
  unsure: { minIou: 0.4, margin: 0 },
  tentative: { minIou: 0.2, margin: 0.3 },
} as const satisfies Record<string, Stage>
/** A cost above every real one: pairs that must not match. */
const NEVER = 1e6
const MAX_PATH_POINTS = 200

/** Classes that a detector mixes up from one frame to the next are followed as one. */
const GROUPS: Readonly<Record<string, string>> = { car: 'vehicle', bus: 'vehicle', truck: 'vehicle' }
const groupOf = (className: string): string => GROUPS[className] ?? className

interface Followed {
  track: Track
  filter: BoxFilter
  group: string
  /** Seen in at least two frames: before that a track is a guess and is not reported. */
  isConfirmed: boolean
}

export class Tracker {
  readonly #options: TrackerOptions
  #followed: Followed[] = []
  #nextId = 1
  #lastAtMs: number | undefined

  constructor(options: Partial<TrackerOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options }
  }

  /**
   * Takes the detections of the frame captured at `atMs` and gives the confirmed tracks seen in it, oldest first.
   * Frames come in the order of their time; one that is not newer than the last begins everything anew (the camera's
   * clock was set back). The returned tracks are copies.
   */
  update(detections: readonly Detection[], atMs: number): Track[] {
    if (this.#lastAtMs !== undefined && atMs <= this.#lastAtMs) this.#followed = []
    const seconds = this.#lastAtMs === undefined ? 0 : Math.max(0, atMs - this.#lastAtMs) / 1000
    this.#lastAtMs = atMs
    for (const { filter } of this.#followed) filter.predict(seconds)

    const known = detections.filter(({ score }) => score >= this.#options.unsureScore).map(clamped)
    const sure = known.filter(({ score }) => score >= this.#options.sureScore)
    const unsure = known.filter(({ score }) => score < this.#options.sureScore)
    const confirmed = this.#followed.filter(({ isConfirmed }) => isConfirmed)
    const tentative = this.#followed.filter(({ isConfirmed }) => !isConfirmed)

    const first = match(confirmed, sure, STAGES.sure)
    const second = match(first.tracks, unsure, STAGES.unsure)
    const third = match(tentative, first.detections, STAGES.tentative)
    const seen = [...first.pairs, ...second.pairs, ...third.pairs]
    for (const [followed, detection] of seen) observe(followed, detection, atMs)
    for (const detection of third.detections) this.#begin(detection, atMs)

    const guesses = new Set(third.tracks)
    this.#followed = this.#followed.filter(
      (followed) => !guesses.has(followed) && atMs - followed.track.lastSeenAtMs <= this.#options.maxLostMs,
    )
    return this.#followed
      .filter(({ isConfirmed, track }) => isConfirmed && track.lastSeenAtMs === atMs)
      .map(({ track }) => ({ ...track, path: [...track.path], pathAtMs: [...track.pathAtMs] }))
  }

  #begin({ className, score, boxNorm }: Detection, atMs: number): void {
    this.#followed.push({
      track: {
        trackId: this.#nextId,
        className,
        score,
        boxNorm,
        firstSeenAtMs: atMs,
        lastSeenAtMs: atMs,
        path: [footPoint(boxNorm)],
        pathAtMs: [atMs],
      },
      filter: new BoxFilter(boxNorm),
      group: groupOf(className),
      isConfirmed: false,
    })
    this.#nextId += 1
  }
}

/** Where an object stands: the middle of the lower edge of its box. */
export function footPoint([x1, , x2, y2]: NormBox): NormPoint {
  return [(x1 + x2) / 2, y2]
}

function observe(followed: Followed, { className, score, boxNorm }: Detection, atMs: number): void {
  const { track, filter } = followed
  filter.correct(boxNorm)
  track.className = className
  track.score = score
  track.boxNorm = boxNorm
  track.lastSeenAtMs = atMs
  track.path.push(footPoint(boxNorm))
  track.pathAtMs.push(atMs)
  if (track.path.length > MAX_PATH_POINTS) {
    track.path.shift()
    track.pathAtMs.shift()
  }
  followed.isConfirmed = true
}

function clamped(detection: Detection): Detection {
  const [x1, y1, x2, y2] = detection.boxNorm.map((value) => Math.min(1, Math.max(0, value))) as NormBox
  return { ...detection, boxNorm: [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)] }
}

interface Matching {
  pairs: [Followed, Detection][]
  tracks: Followed[]
  detections: Detection[]
}

/** Matches by overlap with the predicted box; gives the pairs and what is left on both sides. */
function match(tracks: readonly Followed[], detections: readonly Detection[], stage: Stage): Matching {
  const costs = tracks.map(({ filter, group }) => {
    const predicted = widened(filter.box, stage.margin)
    return detections.map((detection) => {
      if (groupOf(detection.className) !== group) return NEVER
      const overlap = iou(predicted, widened(detection.boxNorm, stage.margin))
      return overlap >= stage.minIou ? 1 - overlap : NEVER
    })
  })
  const columns = assign(costs)
  const pairs: [Followed, Detection][] = []
  const taken = new Set<number>()
  const left: Followed[] = []
  tracks.forEach((followed, row) => {
    const column = columns[row]!
    if (column >= 0 && costs[row]![column]! < NEVER) {
      pairs.push([followed, detections[column]!])
      taken.add(column)
    } else left.push(followed)
  })
  return { pairs, tracks: left, detections: detections.filter((_, column) => !taken.has(column)) }
}

type Corners = readonly [number, number, number, number]

function widened([x1, y1, x2, y2]: Corners, margin: number): Corners {
  const dx = (x2 - x1) * margin
  const dy = (y2 - y1) * margin
  return [x1 - dx, y1 - dy, x2 + dx, y2 + dy]
}

/** Intersection over union of two boxes, 0..1. */
export function iou(a: Corners, b: Corners): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1])
  if (width <= 0 || height <= 0) return 0
  const shared = width * height
  const both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
  return shared / (both - shared)
}
