/**
 * What a new player needs to show a picture at once: how to decode, and everything since the newest key frame. Bounded:
 * a group of pictures that grows too large is forgotten up to its next key frame, for which a new player then waits.
 */
import { type FlvTag, setTimestamp } from '@patrolhub/protocol/flv'

export class PictureCache {
  readonly #maxBytes: number
  #videoHeader: FlvTag | undefined
  #audioHeader: FlvTag | undefined
  #group: FlvTag[] = []
  #bytes = 0

  constructor(options: { maxBytes: number }) {
    this.#maxBytes = options.maxBytes
  }

  /** True if a player can begin now. */
  get isReady(): boolean {
    return this.#group.length > 0
  }

  get bytes(): number {
    return this.#bytes
  }

  keepHeader(tag: FlvTag): void {
    if (tag.kind === 'audio') {
      this.#audioHeader = tag
      return
    }
    this.#videoHeader = tag
    // Pictures before it are decoded otherwise.
    this.#forgetGroup()
  }

  keep(tag: FlvTag, isKeyFrame: boolean): void {
    if (isKeyFrame) this.#forgetGroup()
    else if (this.#group.length === 0) return
    this.#group.push(tag)
    this.#bytes += tag.bytes.length
    if (this.#bytes > this.#maxBytes) this.#forgetGroup()
  }

  /** Another publisher: nothing of the last one decodes its pictures. */
  clear(): void {
    this.#videoHeader = undefined
    this.#audioHeader = undefined
    this.#forgetGroup()
  }

  /** How to decode, with the given time; copies, because tags already on their way to players must not change. */
  headers(timestampMs: number): Buffer[] {
    return [this.#videoHeader, this.#audioHeader].flatMap((header) => {
      if (!header) return []
      const copy = { ...header, bytes: Buffer.from(header.bytes) }
      setTimestamp(copy, timestampMs)
      return [copy.bytes]
    })
  }

  /** What a player begins with after the file header. Call when ready. */
  beginning(): Buffer[] {
    return [...this.headers(this.#group[0]!.timestampMs), ...this.#group.map((tag) => tag.bytes)]
  }

  #forgetGroup(): void {
    this.#group = []
    this.#bytes = 0
  }
}
