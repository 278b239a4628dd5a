/**
 * Which coded pictures of a camera are decoded. Coded pictures in, those to decode out, in decoding order. While
 * nothing moves these are the key frames; when something does (the sizes of packets, or a key frame that shows
 * something new), the pictures since the last key frame are caught up on, and all are decoded until nothing has moved
 * for a while. Pure: time is that of the stream.
 *
 * Everything is decoded while key frames come too rarely to stand for the scene, or when pictures are not of a kind
 * that can be left out; `why` says so.
 */
import type { CompressedUnit } from './compressed.ts'
import { PacketSizes } from './packet-sizes.ts'

/** Longer than this between two key frames, and a person could come and go unseen. */
const MAX_KEY_INTERVAL_MS = 4000
/** How long everything is decoded after the last movement. */
const AWAKE_MS = 3000
/** How long it is looked at a scene whose packets have grown, when no picture shows why. */
const PROBE_MS = 400
/** A key frame that is as near as this answers such a question by itself, and spares catching up on a whole group. */
const KEY_IS_NEAR_MS = 400
/** With reordered pictures (B-frames) a key frame leaves the decoder only when it has seen this many after it. */
const REORDER_PICTURES = 4

export class NeededDecoding {
  readonly #decode: (unit: CompressedUnit) => void
  readonly #sizes = new PacketSizes()
  /** Not decoded since the last key frame. */
  #held: CompressedUnit[] = []
  #hasKey = false
  #keyMs = 0
  #sinceKey = 0
  /** Between key frames; a shorter one than before counts by and by. */
  #intervalMs = 0
  #lastPtsMs = Number.NEGATIVE_INFINITY
  #isReordered = false
  /** Stream clock until which everything is decoded. */
  #awakeUntilMs = Number.NEGATIVE_INFINITY
  #isClaimOpen = false
  /** The open claim was left to the next key frame. */
  #isClaimForKey = false
  #seen = 0
  #decoded = 0

  constructor(decode: (unit: CompressedUnit) => void) {
    this.#decode = decode
  }

  /** True while all pictures are decoded. */
  get isAwake(): boolean {
    return this.#lastPtsMs <= this.#awakeUntilMs || this.#isSparse
  }

  /** Why all pictures have to be decoded whatever they show; empty if they have not. */
  get why(): string {
    return this.#isSparse ? `key frames come only every ${Math.round(this.#intervalMs / 1000)} s` : ''
  }

  /** Time between key frames, ms; 0 until two have come. */
  get keyIntervalMs(): number {
    return this.#intervalMs
  }

  /** Pictures since the start, and how many of them were decoded. */
  get counts(): { seen: number; decoded: number } {
    return { seen: this.#seen, decoded: this.#decoded }
  }

  get #isSparse(): boolean {
    return this.#intervalMs > MAX_KEY_INTERVAL_MS
  }

  /** @param difficulty of the picture, in bytes; see PictureDifficulty. */
  take(unit: CompressedUnit, difficulty = unit.bytes.length): void {
    this.#seen += 1
    if (unit.isKeyFrame) this.#beginGroup(unit)
    if (!this.#hasKey) return
    if (unit.ptsMs < this.#lastPtsMs && !unit.isKeyFrame) this.#isReordered = true
    this.#lastPtsMs = Math.max(this.#lastPtsMs, unit.ptsMs)
    // A group that is still open counts as soon as it is too long.
    const openMs = unit.ptsMs - this.#keyMs
    if (openMs > MAX_KEY_INTERVAL_MS) this.#intervalMs = Math.max(this.#intervalMs, openMs)
    // While a claim is looked into, what comes is taken for usual: if it is not, a picture will show it.
    const isQuiet = !this.isAwake || this.#isClaimOpen
    const hasGrown = this.#sizes.observe(difficulty, unit.isKeyFrame, unit.ptsMs, isQuiet)
    const isForKey = this.#isReordered && this.#sinceKey <= REORDER_PICTURES
    this.#sinceKey += 1
    this.#held.push(unit)
    if (unit.isKeyFrame || isForKey || this.isAwake) this.#catchUp()
    else if (hasGrown) {
      this.#isClaimOpen = true
      const untilKeyMs = this.#intervalMs - openMs
      this.#isClaimForKey = untilKeyMs > 0 && untilKeyMs <= KEY_IS_NEAR_MS
      if (!this.#isClaimForKey) this.#wake(PROBE_MS)
    }
  }

  /** A picture has been decoded: whether it showed something that had not been there. */
  look(isChange: boolean): void {
    if (!isChange) return
    this.#judgeClaim(true)
    this.#wake(AWAKE_MS)
  }

  /** Whoever follows objects knows that one of them moves. */
  keepAwake(): void {
    this.#wake(AWAKE_MS)
  }

  #beginGroup({ ptsMs }: CompressedUnit): void {
    if (this.#hasKey) this.#intervalMs = Math.max(ptsMs - this.#keyMs, this.#intervalMs * 0.7)
    this.#hasKey = true
    this.#keyMs = ptsMs
    this.#sinceKey = 0
    this.#held = []
    // What this key frame shows is not known yet.
    if (this.#isClaimForKey) this.#isClaimForKey = false
    else if (this.#isClaimOpen && !this.isAwake) this.#judgeClaim(false)
  }

  #judgeClaim(wasRight: boolean): void {
    if (this.#isClaimOpen) this.#sizes.learn(wasRight)
    this.#isClaimOpen = false
    this.#isClaimForKey = false
  }

  #wake(forMs: number): void {
    if (!this.#hasKey) return
    this.#awakeUntilMs = Math.max(this.#awakeUntilMs, this.#lastPtsMs + forMs)
    this.#catchUp()
  }

  #catchUp(): void {
    for (const unit of this.#held) this.#decode(unit)
    this.#decoded += this.#held.length
    this.#held = []
  }
}
