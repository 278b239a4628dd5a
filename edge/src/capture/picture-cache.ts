/**
 * The newest pictures of a camera in compressed form: the current group of pictures (from its key frame on) for
 * players that join, and those before it that were shown in the last seconds, so that a picture which has just been
 * judged can still be decoded. Groups may be as short as one picture. Bounded in bytes: `oldest-group-dropped` first,
 * and when the current group alone is too large, `group-too-large` forgets it until the next key frame. Buffers are
 * shared, never copied.
 */
import type { CompressedUnit } from './compressed.ts'

export const DEFAULT_CACHE_BYTES = 24 * 1024 * 1024
/** A group stays while a picture of the group after it is younger than this. */
const KEEP_MS = 5000

interface Group {
  units: CompressedUnit[]
  bytes: number
}

export class PictureCache {
  readonly #maxBytes: number
  /** Oldest first. */
  #groups: Group[] = []
  #bytes = 0
  /** False until a key frame begins a group. */
  #isOpen = false
  /** Groups that were forgotten because they alone passed the bound. */
  groupsTooLarge = 0

  constructor(maxBytes = DEFAULT_CACHE_BYTES) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The current group from its key frame on, in decoding order; empty before the first key frame. */
  get current(): readonly CompressedUnit[] {
    return this.#isOpen ? this.#groups.at(-1)!.units : []
  }

  /** Units arrive in decoding order; those before the first key frame are of no use and are not kept. */
  push(unit: CompressedUnit): void {
    if (unit.isKeyFrame) {
      this.#groups.push({ units: [], bytes: 0 })
      this.#isOpen = true
    }
    if (!this.#isOpen) return
    const group = this.#groups.at(-1)!
    group.units.push(unit)
    group.bytes += unit.bytes.length
    this.#bytes += unit.bytes.length
    while (this.#groups.length > 1 && this.#isOldestSpent(unit.ptsMs)) this.#dropOldest()
    if (this.#bytes <= this.#maxBytes) return
    this.#dropOldest()
    this.#isOpen = false
    this.groupsTooLarge += 1
  }

  /**
   * The units from a key frame up to the picture shown at `ptsMs` (within 2 ms, for containers that round), in
   * decoding order; `undefined` when that picture is not held any more or not yet.
   */
  upTo(ptsMs: number): CompressedUnit[] | undefined {
    for (const { units } of this.#groups.toReversed()) {
      const index = units.findLastIndex((unit) => Math.abs(unit.ptsMs - ptsMs) <= 2)
      if (index >= 0) return units.slice(0, index + 1)
    }
    return undefined
  }

  clear(): void {
    this.#groups = []
    this.#bytes = 0
    this.#isOpen = false
  }

  #isOldestSpent(newestMs: number): boolean {
    return this.#bytes > this.#maxBytes || newestMs - this.#groups[1]!.units[0]!.ptsMs > KEEP_MS
  }

  #dropOldest(): void {
    this.#bytes -= this.#groups.shift()!.bytes
  }
}
