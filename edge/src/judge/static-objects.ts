/**
 * Finds what was left behind and what was taken away, without a detector (the usual ones are unreliable on bags):
 * brightness of a frame and the boxes of tracked objects in, changes that stand still out. Pure: time comes with the
 * frames.
 *
 * What stands still and was not there is told by two backgrounds (backgrounds.ts). Cells under a tracked object are
 * left out of both, and a change that has the place and size of a tracked object is that one, so that a person who
 * waits does not become a bag, even if the detector misses them now and then. Whether a thing came or went is told by
 * its outline: the picture that has the stronger edge there shows the thing.
 */
import type { NormBox } from '@patrolhub/protocol'
import { iou, shareInside } from '../track/tracker.ts'
import { Backgrounds } from './backgrounds.ts'
import type { Luma } from './luma.ts'

/** When more than this part of the picture has changed, the camera was moved: all is learned anew. */
const ALL_CHANGED = 0.3
/** When a shift may explain changes in so many places, the camera sways or drifts … */
const SWAYING_PLACES = 3
/** … for this long at least. */
const SWAYING_MS = 10_000
/** An object that has been seen for this long is no sign of it. */
const KNOWN_MS = 5000
/** Boxes of tracked objects are widened by this part: a detector cuts off hands and shadows. */
const BOX_MARGIN = 0.15
/** An object is the same one when its box overlaps by this much with the one before. */
const SAME_IOU = 0.3
/** … or one of them lies by this part in the other: an object becomes visible, or is hidden, bit by bit. */
const SAME_INSIDE = 0.7
/** … and it is the one that is tracked when its box overlaps by this much with that one's. */
const TRACKED_IOU = 0.4
/** It may be hidden by passers-by for this long. */
const HIDDEN_MS = 10_000
/** Smaller spots are noise. */
const MIN_CELLS = 6
/** A thing differs by this many grey values in the mean; where light falls otherwise, it is less. */
const MIN_CONTRAST = 23
/** The outline has to be this much stronger on one side to decide. */
const EDGE_RATIO = 1.25

export interface StaticObject {
  id: number
  kind: 'left' | 'removed'
  boxNorm: NormBox
  /** Part of the picture that has changed. */
  area: number
  /** Grey values by which it differs from the background. */
  contrast: number
  sinceMs: number
  lastSeenMs: number
}

interface Blob {
  cells: number[]
  x1: number
  y1: number
  x2: number
  y2: number
}

export class StaticObjects {
  readonly #keepMs: number
  #place: Backgrounds | undefined
  #lastMs = 0
  /** When a shift explained changes in several places. */
  #swayedMs = Number.NEGATIVE_INFINITY
  #objects: StaticObject[] = []
  #nextId = 1

  /** An object becomes part of the place `keepMs` after it was first seen: then everybody has been told. */
  constructor(keepMs: number) {
    this.#keepMs = keepMs
  }

  /** The changes that stand still now, oldest first. `tracked` are the boxes of objects that are followed. */
  observe(luma: Luma, tracked: readonly NormBox[], atMs: number): StaticObject[] {
    const place = this.#place
    if (!place || luma.width !== place.width || luma.height !== place.height || atMs <= this.#lastMs)
      return this.#begin(luma, atMs)
    const elapsedMs = Math.min(5000, atMs - this.#lastMs)
    this.#lastMs = atMs
    const changed = place.follow(luma, hiddenBy(tracked, place), elapsedMs)
    if (changed.count > ALL_CHANGED * luma.data.length) return this.#begin(luma, atMs)
    const blobs = blobsOf(changed.mask, place)
    const shifted = new Set(blobs.filter(({ cells }) => place.isShift(cells, true)))
    if (this.#notKnown(shifted, place, atMs).length >= SWAYING_PLACES) this.#swayedMs = atMs
    const isSwaying = atMs - this.#swayedMs <= SWAYING_MS
    for (const blob of blobs) {
      if (isSwaying && shifted.has(blob)) place.accept(blob.cells)
      else if (place.isShift(blob.cells, false)) place.followShift(blob.cells, elapsedMs)
      else if (contrastOf(blob, place) >= MIN_CONTRAST) this.#match(blob, luma, place, atMs)
    }
    this.#objects = this.#objects.filter(
      ({ lastSeenMs, boxNorm }) =>
        atMs - lastSeenMs <= HIDDEN_MS && !tracked.some((box) => iou(box, boxNorm) >= TRACKED_IOU),
    )
    this.#absorb(place, atMs)
    return [...this.#objects]
  }

  #begin(luma: Luma, atMs: number): StaticObject[] {
    this.#place = new Backgrounds(luma)
    this.#lastMs = atMs
    this.#swayedMs = Number.NEGATIVE_INFINITY
    this.#objects = []
    return []
  }

  #match(blob: Blob, luma: Luma, place: Backgrounds, atMs: number): void {
    const { width, height } = place
    const boxNorm = boxOf(blob, place)
    const seen = {
      boxNorm,
      area: blob.cells.length / (width * height),
      contrast: contrastOf(blob, place),
      kind: kindOf(blob, luma, place),
      lastSeenMs: atMs,
    }
    const [oldest, ...pieces] = this.#objects.filter((object) => isSame(object.boxNorm, boxNorm))
    if (!oldest) {
      this.#objects.push({ id: this.#nextId, sinceMs: atMs, ...seen })
      this.#nextId += 1
      return
    }
    this.#objects = this.#objects.filter((object) => !pieces.includes(object))
    // A part of it, because the rest is hidden just now.
    if (seen.area * 2 < oldest.area) oldest.lastSeenMs = atMs
    else Object.assign(oldest, seen)
  }

  /** Without what has been seen there for a while: no camera sways because there are three bags. */
  #notKnown(blobs: Iterable<Blob>, place: Backgrounds, atMs: number): Blob[] {
    const known = this.#objects.filter(({ sinceMs }) => atMs - sinceMs >= KNOWN_MS)
    return [...blobs].filter((blob) => !known.some(({ boxNorm }) => isSame(boxNorm, boxOf(blob, place))))
  }

  /** What has been told of becomes part of the place. */
  #absorb(place: Backgrounds, atMs: number): void {
    this.#objects = this.#objects.filter(({ sinceMs, boxNorm: [x1, y1, x2, y2] }) => {
      if (atMs - sinceMs < this.#keepMs) return true
      const { width, height } = place
      const cells: number[] = []
      for (let y = Math.floor(y1 * height); y < y2 * height; y += 1)
        for (let x = Math.floor(x1 * width); x < x2 * width; x += 1) cells.push(y * width + x)
      place.accept(cells)
      return false
    })
  }
}

function isSame(a: NormBox, b: NormBox): boolean {
  return iou(a, b) >= SAME_IOU || shareInside(a, b) >= SAME_INSIDE || shareInside(b, a) >= SAME_INSIDE
}

type Grid = Pick<Luma, 'width' | 'height'>

const boxOf = ({ x1, y1, x2, y2 }: Blob, { width, height }: Grid): NormBox => [
  x1 / width,
  y1 / height,
  (x2 + 1) / width,
  (y2 + 1) / height,
]

/** 1 where a tracked object is. */
function hiddenBy(tracked: readonly NormBox[], { width, height }: Grid): Uint8Array {
  const hidden = new Uint8Array(width * height)
  for (const [x1, y1, x2, y2] of tracked) {
    const dx = (x2 - x1) * BOX_MARGIN
    const dy = (y2 - y1) * BOX_MARGIN
    const left = Math.max(0, Math.floor((x1 - dx) * width))
    const right = Math.min(width, Math.ceil((x2 + dx) * width))
    const bottom = Math.min(height, Math.ceil((y2 + dy) * height))
    for (let y = Math.max(0, Math.floor((y1 - dy) * height)); y < bottom; y += 1) {
      hidden.fill(1, y * width + left, y * width + Math.max(left, right))
    }
  }
  return hidden
}

/** Connected cells (8 neighbours). Takes the mask apart. */
function blobsOf(mask: Uint8Array, { width, height }: Grid): Blob[] {
  const blobs: Blob[] = []
  for (let start = 0; start < mask.length; start += 1) {
    if (!mask[start]) continue
    mask[start] = 0
    const cells = [start]
    const blob: Blob = { cells, x1: width, y1: height, x2: 0, y2: 0 }
    for (let next = 0; next < cells.length; next += 1) {
      const x = cells[next]! % width
      const y = Math.floor(cells[next]! / width)
      blob.x1 = Math.min(blob.x1, x)
      blob.x2 = Math.max(blob.x2, x)
      blob.y1 = Math.min(blob.y1, y)
      blob.y2 = Math.max(blob.y2, y)
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny += 1) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx += 1) {
          const neighbour = ny * width + nx
          if (!mask[neighbour]) continue
          mask[neighbour] = 0
          cells.push(neighbour)
        }
      }
    }
    if (cells.length >= MIN_CELLS) blobs.push(blob)
  }
  return blobs
}

function contrastOf({ cells }: Blob, { fast, slow }: Backgrounds): number {
  const sum = cells.reduce((all, cell) => all + Math.abs(fast[cell]! - slow[cell]!), 0)
  return sum / cells.length
}

/** Compares the edges along the outline in the picture and in the slow background. */
function kindOf(
  { cells }: Blob,
  luma: Luma,
  { fast, slow, width, height }: Backgrounds,
): StaticObject['kind'] {
  const inside = new Set(cells)
  let now = 0
  let before = 0
  for (const cell of cells) {
    for (const step of [1, -1, width, -width]) {
      const outer = cell + step
      if (inside.has(outer) || outer < 0 || outer >= width * height) continue
      now += Math.abs(luma.data[outer]! - fast[cell]!)
      before += Math.abs(slow[outer]! - slow[cell]!)
    }
  }
  return before > now * EDGE_RATIO ? 'removed' : 'left'
}
