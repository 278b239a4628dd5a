/**
 * Links the boxes of one camera's frames into tracks by ByteTrack's two-stage association (Zhang et al. 2022,
 * "ByteTrack: Multi-Object Tracking by Associating Every Detection Box"): sure detections are matched first; the
 * unsure ones then keep tracks alive that found nothing better, because a person half hidden scores low but is where
 * the track expects them. Beyond ByteTrack, an unsure detection begins a track where something moves that nothing else
 * explains (moving-cells.ts): what is small, or seen from above, is never sure. Detections in, tracks that were seen in
 * this frame out. Pure: time comes with the frames. Invariants: identifiers are never reused; one detection belongs to
 * at most one track.
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

/** What a detector has to report for the second stage to work. */
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
/** A weak detection begins a track when no more than this part of it lies in anything that is known already. */
const MAX_EXPLAINED = 0.3
/** Without a second sure detection it is reported once it was seen in so many frames in a row … */
const WEAK_FRAMES = 3
/** … and has moved by this part of its own width or height: what stands behind a passer-by does not. */
const MIN_MOVED = 0.3

/** Classes that a detector mixes up from one frame to the next are followed as one. */
const GROUPS: Readonly<Record<string, string>> = { car: 'vehicle', bus: 'vehicle', truck: 'vehicle' }
const groupOf = (className: string): string => GROUPS[className] ?? className

/** What a person rides, however unsure the detector is of it. */
const RIDDEN: readonly string[] = ['bicycle', 'motorcycle']
/** A rider was seen on one in so many frames of the last time; who runs past a parked one is not for long. */
const RIDER_FRAMES = 2
const RIDER_MS = 3000
/** … that lies by this part in the lower half of the person's box, or of a box as wide below it. */
const MIN_RIDDEN = 0.3

interface Followed {
  track: Track
  /** When it was last seen on something that is ridden, oldest first. */
  riddenAtMs: number[]
  filter: BoxFilter
  group: string
  /** Before that a track is a guess: it has to be seen in every frame and is not reported. */
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
   * `isMoving` says whether something moves in a box of this frame.
   * Frames come in the order of their time; one that is not newer than the last begins everything anew (the camera's
   * clock was set back). The returned tracks are copies.
   */
  update(
    detections: readonly Detection[],
    atMs: number,
    isMoving: (box: NormBox) => boolean = () => false,
  ): Track[] {
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
    const explained = [...confirmed.map(({ filter }) => filter.box), ...sure.map(({ boxNorm }) => boxNorm)]
    const moving = unexplained(second.detections, explained).filter(({ boxNorm }) => isMoving(boxNorm))
    const fourth = match(third.tracks, moving, STAGES.tentative)
    const seen = [...first.pairs, ...second.pairs, ...third.pairs, ...fourth.pairs]
    for (const [followed, detection] of seen) {
      observe(followed, detection, atMs)
      if (rides(detection, known)) followed.riddenAtMs.push(atMs)
      followed.riddenAtMs = followed.riddenAtMs.filter((each) => atMs - each <= RIDER_MS)
      followed.track.isRider = followed.riddenAtMs.length >= RIDER_FRAMES
      const isSure = detection.score >= this.#options.sureScore
      followed.isConfirmed ||= isSure || hasMoved(followed.track)
    }
    for (const detection of [...third.detections, ...fourth.detections]) this.#begin(detection, atMs)

    const guesses = new Set(fourth.tracks)
    this.#followed = this.#followed.filter(
      (followed) => !guesses.has(followed) && atMs - followed.track.lastSeenAtMs <= this.#options.maxLostMs,
    )
    return this.#followed
      .filter(({ isConfirmed, track }) => isConfirmed && track.lastSeenAtMs === atMs)
      .map(({ track }) => {
        const { isNew } = track
        track.isNew = false
        const { path, pathAtMs, pathHeights } = track
        return { ...track, isNew, path: [...path], pathAtMs: [...pathAtMs], pathHeights: [...pathHeights] }
      })
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
        isNew: true,
        isRider: false,
        path: [footPoint(boxNorm)],
        pathAtMs: [atMs],
        pathHeights: [boxNorm[3] - boxNorm[1]],
      },
      riddenAtMs: [],
      filter: new BoxFilter(boxNorm),
      group: groupOf(className),
      isConfirmed: false,
    })
    this.#nextId += 1
  }
}

function rides({ className, boxNorm: [x1, y1, x2, y2] }: Detection, all: readonly Detection[]): boolean {
  if (className !== 'person') return false
  const half = (y2 - y1) / 2
  const legs: Corners = [x1, y1 + half, x2, y2 + half]
  return all.some(
    (other) => RIDDEN.includes(other.className) && shareInside(other.boxNorm, legs) >= MIN_RIDDEN,
  )
}

function hasMoved({ path, boxNorm: [x1, y1, x2, y2] }: Track): boolean {
  const [from, to] = [path[0]!, path.at(-1)!]
  const moved = Math.hypot((to[0] - from[0]) / (x2 - x1), (to[1] - from[1]) / (y2 - y1))
  return path.length >= WEAK_FRAMES && moved >= MIN_MOVED
}

/** Of the detections, best first, those of which hardly a part lies in one of the boxes or in a better detection. */
function unexplained(detections: readonly Detection[], boxes: readonly Corners[]): Detection[] {
  const known = [...boxes]
  return detections
    .toSorted((a, b) => b.score - a.score)
    .filter(({ boxNorm }) => {
      const isNew = known.every((box) => shareInside(boxNorm, box) <= MAX_EXPLAINED)
      known.push(boxNorm)
      return isNew
    })
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
  track.pathHeights.push(boxNorm[3] - boxNorm[1])
  if (track.path.length > MAX_PATH_POINTS) {
    track.path.shift()
    track.pathAtMs.shift()
    track.pathHeights.shift()
  }
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
  const both = sharedArea(a, b)
  return both === 0 ? 0 : both / (areaOf(a) + areaOf(b) - both)
}

/** The part of `a` that lies in `b`, 0..1. */
export function shareInside(a: Corners, b: Corners): number {
  const both = sharedArea(a, b)
  return both === 0 ? 0 : both / areaOf(a)
}

function sharedArea(a: Corners, b: Corners): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1])
  return width > 0 && height > 0 ? width * height : 0
}

function areaOf([x1, y1, x2, y2]: Corners): number {
  return (x2 - x1) * (y2 - y1)
}
