/**
 * The newest pictures of a camera in compressed form: the current group of pictures (from its key frame on) for
 * players that join, and the one before, so that a picture which has just been judged can still be decoded. Bounded
 * in bytes: `oldest-group-dropped` first, and when the current group alone is too large, `group-too-large` forgets
 * it until the next key frame. Buffers are shared, never copied.
 */
import type { CompressedUnit } from './compressed.ts'

export const DEFAULT_CACHE_BYTES = 24 * 1024 * 1024

interface Group {
  units: CompressedUnit[]
  bytes: number
}

export class PictureCache {
  readonly #maxBytes: number
  #previous: Group | undefined
  #current: Group | undefined
  /** Groups that were forgotten because they alone passed the bound. */
  groupsTooLarge = 0

  constructor(maxBytes = DEFAULT_CACHE_BYTES) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return (this.#previous?.bytes ?? 0) + (this.#current?.bytes ?? 0)
  }

  /** The current group from its key frame on, in decoding order; empty before the first key frame. */
  get current(): readonly CompressedUnit[] {
    return this.#current?.units ?? []
  }

  /** Units arrive in decoding order; those before the first key frame are of no use and are not kept. */
  push(unit: CompressedUnit): void {
    if (unit.isKeyFrame) {
      this.#previous = this.#current
      this.#current = { units: [], bytes: 0 }
    }
    if (!this.#current) return
    this.#current.units.push(unit)
    this.#current.bytes += unit.bytes.length
    if (this.bytes > this.#maxBytes) this.#previous = undefined
    if (this.bytes > this.#maxBytes) {
      this.#current = undefined
      this.groupsTooLarge += 1
    }
  }

  /**
   * The units from a key frame up to the picture shown at `ptsMs` (within 2 ms, for containers that round), in
   * decoding order; `undefined` when that picture is not held any more or not yet.
   */
  upTo(ptsMs: number): CompressedUnit[] | undefined {
    for (const group of [this.#current, this.#previous]) {
      const index = group?.units.findIndex((unit) => Math.abs(unit.ptsMs - ptsMs) <= 2) ?? -1
      if (group && index >= 0) return group.units.slice(0, index + 1)
    }
    return undefined
  }

  clear(): void {
    this.#previous = undefined
    this.#current = undefined
  }
}
