/**
 * Finds what was left behind and what was taken away, without a detector (the usual ones are unreliable on bags):
 * brightness of a frame and the boxes of tracked objects in, changes that stand still out. Pure: time comes with the
 * frames.
 *
 * Two backgrounds are kept (after Porikli et al. 2008, "Robust detection of abandoned and removed objects in complex
 * surveillance videos"): a slow one, how the place has looked for minutes, and a fast one, how it has looked for
 * seconds. Where the fast one has settled on something that the slow one does not know, something stands still that was
 * not there. Cells under a tracked object are left out of both, so that a person who waits does not become a bag.
 * Whether a thing came or went is told by its outline: the picture that has the stronger edge there shows the thing.
 */
import type { NormBox } from '@patrolhub/protocol'
import { iou } from '../track/tracker.ts'
import type { Luma } from './luma.ts'

/** How fast the backgrounds follow, ms: the time in which they take in 63 % of a change. */
const FAST_MS = 2500
const SLOW_MS = 600_000
/** A cell is judged when it has been seen for this long: somebody who stood there at first is no part of the place. */
const LEARN_MS = 5000
/** Up to this time a cell simply takes what it sees. */
const TAKE_MS = 1000
/** A difference of this many grey values is seen. */
const MIN_CHANGE = 18
/** The picture has settled where it is this near the fast background. */
const SETTLED = 12
/** When more than this part of the picture has changed, the light has, or the camera was moved: all is learned anew. */
const ALL_CHANGED = 0.3
/** Boxes of tracked objects are widened by this part: a detector cuts off hands and shadows. */
const BOX_MARGIN = 0.15
/** An object is the same one when its box overlaps by this much with the one before. */
const SAME_IOU = 0.3
/** It may be hidden by passers-by for this long. */
const HIDDEN_MS = 10_000
/** Smaller spots are noise. */
const MIN_CELLS = 6
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
  #slow: Float32Array | undefined
  #fast = new Float32Array(0)
  #size = { width: 0, height: 0 }
  /** How long each cell has been seen with nothing tracked before it. */
  #seenMs = new Float32Array(0)
  #lastMs = 0
  #objects: StaticObject[] = []
  #nextId = 1

  /** An object becomes part of the place `keepMs` after it was first seen: then everybody has been told. */
  constructor(keepMs: number) {
    this.#keepMs = keepMs
  }

  /** The changes that stand still now, oldest first. `tracked` are the boxes of objects that are followed. */
  observe(luma: Luma, tracked: readonly NormBox[], atMs: number): StaticObject[] {
    if (
      !this.#slow ||
      luma.width !== this.#size.width ||
      luma.height !== this.#size.height ||
      atMs <= this.#lastMs
    ) {
      this.#begin(luma, atMs)
      return []
    }
    const elapsedMs = Math.min(5000, atMs - this.#lastMs)
    this.#lastMs = atMs
    const hidden = this.#hiddenBy(tracked)
    const changed = this.#update(luma, hidden, elapsedMs)
    if (changed.count > ALL_CHANGED * luma.data.length) {
      this.#begin(luma, atMs)
      return []
    }
    for (const blob of this.#blobs(changed.mask)) this.#match(blob, luma, atMs)
    this.#objects = this.#objects.filter((object) => atMs - object.lastSeenMs <= HIDDEN_MS)
    this.#absorb(atMs)
    return [...this.#objects]
  }

  #begin(luma: Luma, atMs: number): void {
    this.#slow = luma.data.slice()
    this.#fast = luma.data.slice()
    this.#size = { width: luma.width, height: luma.height }
    this.#seenMs = new Float32Array(luma.data.length)
    this.#lastMs = atMs
    this.#objects = []
  }

  /** 1 where a tracked object is. */
  #hiddenBy(tracked: readonly NormBox[]): Uint8Array {
    const { width, height } = this.#size
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

  /** Lets both backgrounds follow the picture and marks the cells where something stands still that is new. */
  #update(luma: Luma, hidden: Uint8Array, elapsedMs: number): { mask: Uint8Array; count: number } {
    const slow = this.#slow!
    const fast = this.#fast
    const seenMs = this.#seenMs
    const fastPart = 1 - Math.exp(-elapsedMs / FAST_MS)
    const slowPart = 1 - Math.exp(-elapsedMs / SLOW_MS)
    const mask = new Uint8Array(slow.length)
    let count = 0
    for (let index = 0; index < slow.length; index += 1) {
      if (hidden[index]) continue
      const value = luma.data[index]!
      if (seenMs[index]! < LEARN_MS) {
        const part = seenMs[index]! < TAKE_MS ? 1 : fastPart
        seenMs[index]! += elapsedMs
        fast[index]! += (value - fast[index]!) * part
        slow[index] = fast[index]!
        continue
      }
      const near = value - fast[index]!
      fast[index]! += near * fastPart
      const isNew = Math.abs(fast[index]! - slow[index]!) > MIN_CHANGE
      // What is new is told of before it is learned; all else, as dusk, is followed.
      if (!isNew) slow[index]! += (value - slow[index]!) * slowPart
      else if (Math.abs(near) < SETTLED) {
        mask[index] = 1
        count += 1
      }
    }
    return { mask, count }
  }

  /** Connected cells (8 neighbours). Takes the mask apart. */
  #blobs(mask: Uint8Array): Blob[] {
    const { width, height } = this.#size
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

  #match(blob: Blob, luma: Luma, atMs: number): void {
    const { width, height } = this.#size
    const boxNorm: NormBox = [
      blob.x1 / width,
      blob.y1 / height,
      (blob.x2 + 1) / width,
      (blob.y2 + 1) / height,
    ]
    const known = this.#objects.find((object) => iou(object.boxNorm, boxNorm) >= SAME_IOU)
    const seen = {
      boxNorm,
      area: blob.cells.length / (width * height),
      contrast: this.#contrast(blob),
      kind: this.#kindOf(blob, luma),
      lastSeenMs: atMs,
    }
    if (known) Object.assign(known, seen)
    else {
      this.#objects.push({ id: this.#nextId, sinceMs: atMs, ...seen })
      this.#nextId += 1
    }
  }

  #contrast({ cells }: Blob): number {
    const sum = cells.reduce((all, cell) => all + Math.abs(this.#fast[cell]! - this.#slow![cell]!), 0)
    return sum / cells.length
  }

  /** Compares the edges along the outline in the picture and in the slow background. */
  #kindOf({ cells }: Blob, luma: Luma): StaticObject['kind'] {
    const { width, height } = this.#size
    const inside = new Set(cells)
    let now = 0
    let before = 0
    for (const cell of cells) {
      for (const step of [1, -1, width, -width]) {
        const outer = cell + step
        if (inside.has(outer) || outer < 0 || outer >= width * height) continue
        now += Math.abs(luma.data[outer]! - this.#fast[cell]!)
        before += Math.abs(this.#slow![outer]! - this.#slow![cell]!)
      }
    }
    return before > now * EDGE_RATIO ? 'removed' : 'left'
  }

  /** What has been told of becomes part of the place. */
  #absorb(atMs: number): void {
    const { width } = this.#size
    this.#objects = this.#objects.filter((object) => {
      if (atMs - object.sinceMs < this.#keepMs) return true
      const [x1, y1, x2, y2] = object.boxNorm
      const { height } = this.#size
      for (let y = Math.floor(y1 * height); y < y2 * height; y += 1) {
        for (let x = Math.floor(x1 * width); x < x2 * width; x += 1) {
          this.#slow![y * width + x] = this.#fast[y * width + x]!
        }
      }
      return false
    })
  }
}
