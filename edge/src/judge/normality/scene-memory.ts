/**
 * What a camera has seen, as counts (layout.ts). Old counts fade, so that a new habit becomes usual and an old one is
 * forgotten; nothing in here tells one person from another.
 */
import { CELLS, CLASSES, FACTORS, HOURS, MOVES, SIZES } from './layout.ts'

/** Indices in the order of FACTORS: class, cell, movement, size, hour. */
export type Sample = readonly [kind: number, cell: number, move: number, size: number, hour: number]

/** Of an object that has gone: how rare the rarest thing about it was. */
export interface PastObject {
  rarity: number
  atMs: number
}

const KINDS = CLASSES.length
const HALF_LIFE_DAYS = 14
const DAY_MS = 86_400_000
/** Fading is worked out this often; in between, new counts weigh a little less than they should. */
const FADE_EVERY_MS = 3_600_000
/** Objects whose rarity is remembered: what is rare is told from these. */
const MAX_PAST = 4096
const FORMAT = 1

export class SceneMemory {
  readonly place = new Float32Array(KINDS * CELLS)
  readonly movement = new Float32Array(KINDS * MOVES * CELLS)
  readonly size = new Float32Array(KINDS * SIZES * CELLS)
  readonly hour = new Float32Array(KINDS * HOURS)
  /** Oldest first. */
  readonly past: PastObject[] = []
  /** Objects learned from, ever. */
  objects = 0
  /** When the first was learned; 0 before. */
  sinceMs = 0
  #fadedAtMs = 0

  get days(): number {
    return this.sinceMs === 0 ? 0 : Math.max(0, (this.#fadedAtMs - this.sinceMs) / DAY_MS)
  }

  /** Objects a day, of those that are remembered; at least one. */
  get objectsPerDay(): number {
    const [oldest, newest] = [this.past[0], this.past.at(-1)]
    if (!oldest || !newest) return 1
    return Math.max(1, this.past.length / Math.max(1 / 24, (newest.atMs - oldest.atMs) / DAY_MS))
  }

  /** An object has gone: each different thing that it did counts once, so that standing about is not learned over and over. */
  learn(samples: readonly Sample[], rarity: number, atMs: number): void {
    if (this.sinceMs === 0 || atMs < this.sinceMs) {
      this.sinceMs = atMs
      this.#fadedAtMs = atMs
    }
    this.#fade(atMs)
    const different = new Map(samples.map((sample) => [sample.join(), sample]))
    for (const [kind, cell, move, size, hour] of different.values()) {
      this.place[kind * CELLS + cell]! += 1
      this.movement[(kind * MOVES + move) * CELLS + cell]! += 1
      this.size[(kind * SIZES + size) * CELLS + cell]! += 1
      this.hour[kind * HOURS + hour]! += 1
    }
    this.objects += 1
    this.past.push({ rarity, atMs })
    if (this.past.length > MAX_PAST) this.past.shift()
  }

  /** The share of objects, of those that are remembered, that were as rare as this or rarer; 1 without any. */
  shareAsRare(rarity: number): number {
    const asRare = this.past.filter((object) => object.rarity <= rarity).length
    return (1 + asRare) / (1 + this.past.length)
  }

  forget(): void {
    for (const counts of this.#counts) counts.fill(0)
    this.past.length = 0
    this.objects = 0
    this.sinceMs = 0
  }

  get #counts(): Float32Array[] {
    return [this.place, this.movement, this.size, this.hour]
  }

  #fade(atMs: number): void {
    const passedMs = atMs - this.#fadedAtMs
    if (passedMs < FADE_EVERY_MS) return
    this.#fadedAtMs = atMs
    const factor = 0.5 ** (passedMs / DAY_MS / HALF_LIFE_DAYS)
    for (const counts of this.#counts)
      for (let index = 0; index < counts.length; index++) counts[index]! *= factor
  }

  /** A line of JSON, then the counts, little-endian. */
  encode(): Buffer {
    const { objects, sinceMs, past } = this
    const head = JSON.stringify({ format: FORMAT, objects, sinceMs, fadedAtMs: this.#fadedAtMs, past })
    const counts = this.#counts.map(({ buffer }) => Buffer.from(buffer as ArrayBuffer))
    return Buffer.concat([Buffer.from(`${head}\n`), ...counts])
  }

  /** `undefined` for anything that `encode` has not made. */
  static decode(bytes: Buffer): SceneMemory | undefined {
    const end = bytes.indexOf(10)
    const memory = new SceneMemory()
    let head: { format: number; objects: number; sinceMs: number; fadedAtMs: number; past: PastObject[] }
    try {
      head = JSON.parse(bytes.subarray(0, end).toString())
    } catch {
      return undefined
    }
    const wanted = memory.#counts.reduce((sum, { byteLength }) => sum + byteLength, end + 1)
    if (head.format !== FORMAT || bytes.length !== wanted || !Array.isArray(head.past)) return undefined
    let offset = end + 1
    for (const counts of memory.#counts) {
      for (let index = 0; index < counts.length; index++, offset += 4) {
        const count = bytes.readFloatLE(offset)
        if (!(count >= 0)) return undefined
        counts[index] = count
      }
    }
    memory.objects = head.objects
    memory.sinceMs = head.sinceMs
    memory.#fadedAtMs = head.fadedAtMs
    memory.past.push(...head.past.slice(-MAX_PAST))
    return memory
  }
}

/** How many numbers a sample has. */
export const SAMPLE_LENGTH = FACTORS.length
