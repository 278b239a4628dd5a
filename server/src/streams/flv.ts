/**
 * FLV as it comes over a network (Adobe Flash Video File Format 10.1, annex E; the extended video header is that of
 * Enhanced RTMP v1). Enters: arbitrary pieces of bytes. Leaves: whole tags, each a buffer of its own that nobody else
 * reads, or an error that says what is wrong and where. At most one unfinished tag is held.
 */

export type FlvTagKind = 'audio' | 'video' | 'script'

export interface FlvTag {
  kind: FlvTagKind
  /** Stream clock, ms, 32 bits unsigned. */
  timestampMs: number
  /** The whole tag: header of 11 bytes, payload, size field of 4 bytes. */
  bytes: Buffer
}

/** What the bytes are is not FLV, or more than is taken. `offset` counts from the first byte of the stream. */
export class FlvError extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(`${message} (at byte ${offset})`)
    this.name = 'FlvError'
    this.offset = offset
  }
}

const FILE_HEADER_BYTES = 9
/** The header and the size field of the tag before the first, which is 0. */
const START_BYTES = FILE_HEADER_BYTES + 4
const TAG_HEADER_BYTES = 11
const SIZE_BYTES = 4
const KINDS: Readonly<Record<number, FlvTagKind>> = { 8: 'audio', 9: 'video', 18: 'script' }

/** The beginning of a stream: signature, version 1, what is in it, and the size of no tag. */
export function flvStart(contains: { audio: boolean; video: boolean }): Buffer {
  const flags = (contains.audio ? 0b100 : 0) | (contains.video ? 1 : 0)
  return Buffer.from([0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, FILE_HEADER_BYTES, 0, 0, 0, 0])
}

/** Writes another time into a tag. */
export function setTimestamp(tag: FlvTag, timestampMs: number): void {
  tag.timestampMs = timestampMs >>> 0
  tag.bytes.writeUIntBE(tag.timestampMs & 0xffffff, 4, 3)
  tag.bytes[7] = tag.timestampMs >>> 24
}

export function payloadOf(tag: FlvTag): Buffer {
  return tag.bytes.subarray(TAG_HEADER_BYTES, tag.bytes.length - SIZE_BYTES)
}

export type VideoRole = 'sequence-header' | 'key-frame' | 'frame' | 'other'

/** What a video tag is for a player: how to decode, a picture to begin with, a later picture, or nothing to show. */
export function videoRole(tag: FlvTag): VideoRole {
  const payload = payloadOf(tag)
  if (payload.length < 2) return 'other'
  const first = payload[0]!
  const isKeyFrame = ((first >> 4) & 0b0111) === 1
  const isExtended = (first & 0b1000_0000) !== 0
  if (isExtended) {
    // PacketType: 0 sequence start, 1 coded frames, 3 coded frames without composition time.
    const packetType = first & 0x0f
    if (packetType === 0) return 'sequence-header'
    if (packetType !== 1 && packetType !== 3) return 'other'
    return isKeyFrame ? 'key-frame' : 'frame'
  }
  const codec = first & 0x0f
  // 7 is AVC; 12 is HEVC as many cameras and servers write it, laid out like AVC.
  if (codec === 7 || codec === 12) {
    const packetType = payload[1]
    if (packetType === 0) return 'sequence-header'
    if (packetType !== 1) return 'other'
  }
  return isKeyFrame ? 'key-frame' : 'frame'
}

/** True for the tag that says how AAC (or an extended codec) is decoded. */
export function isAudioSequenceHeader(tag: FlvTag): boolean {
  const payload = payloadOf(tag)
  const format = (payload[0] ?? 0) >> 4
  if (format === 10) return payload[1] === 0
  return format === 9 && (payload[0]! & 0x0f) === 0
}

export class FlvReader {
  readonly #maxTagBytes: number
  #offset = 0
  #contains: { audio: boolean; video: boolean } | undefined
  /** Start of the file or of a tag that is not complete yet. */
  #head = Buffer.alloc(0)
  /** The tag being filled, its kind known. */
  #tag: { kind: FlvTagKind; bytes: Buffer; filled: number } | undefined

  /** `maxTagBytes` bounds the memory of this reader. */
  constructor(options: { maxTagBytes: number }) {
    this.#maxTagBytes = options.maxTagBytes
  }

  /** What the header announces; `undefined` before it has arrived. */
  get contains(): { audio: boolean; video: boolean } | undefined {
    return this.#contains
  }

  /** Takes the next bytes and gives the tags that they complete, in order. Throws FlvError; then it is of no more use. */
  push(chunk: Buffer): FlvTag[] {
    const tags: FlvTag[] = []
    let rest = chunk
    while (rest.length > 0) {
      if (this.#tag) rest = this.#fill(rest, tags)
      else rest = this.#contains ? this.#beginTag(rest) : this.#readStart(rest)
    }
    return tags
  }

  #readStart(chunk: Buffer): Buffer {
    const { head, rest } = this.#collect(chunk, START_BYTES)
    const expected = flvStart({ audio: false, video: false })
    for (let index = 0; index < head.length; index++) {
      if (index === 4) continue
      if (head[index] !== expected[index]) {
        throw new FlvError('this is not FLV version 1: the file header is wrong', index)
      }
    }
    if (head.length < START_BYTES) return rest
    const flags = head[4]!
    this.#contains = { audio: (flags & 0b100) !== 0, video: (flags & 1) !== 0 }
    this.#advance(START_BYTES)
    return rest
  }

  #beginTag(chunk: Buffer): Buffer {
    const { head, rest } = this.#collect(chunk, TAG_HEADER_BYTES)
    const kind = KINDS[head[0]!]
    if (!kind) throw new FlvError(`a tag of type ${head[0]}; expected audio, video or script`, this.#offset)
    if (head.length < TAG_HEADER_BYTES) return rest
    const payloadBytes = head.readUIntBE(1, 3)
    const bytes = TAG_HEADER_BYTES + payloadBytes + SIZE_BYTES
    if (bytes > this.#maxTagBytes) {
      throw new FlvError(`a tag of ${bytes} bytes; at most ${this.#maxTagBytes} are taken`, this.#offset)
    }
    if (payloadBytes === 0) throw new FlvError('an empty tag', this.#offset)
    if (head.readUIntBE(8, 3) !== 0) throw new FlvError('a tag whose stream id is not 0', this.#offset)
    this.#tag = { kind, bytes: Buffer.allocUnsafe(bytes), filled: TAG_HEADER_BYTES }
    head.copy(this.#tag.bytes)
    this.#head = Buffer.alloc(0)
    return rest
  }

  #fill(chunk: Buffer, tags: FlvTag[]): Buffer {
    const tag = this.#tag!
    const taken = Math.min(tag.bytes.length - tag.filled, chunk.length)
    chunk.copy(tag.bytes, tag.filled, 0, taken)
    tag.filled += taken
    if (tag.filled === tag.bytes.length) {
      const { kind, bytes } = tag
      const size = bytes.readUInt32BE(bytes.length - SIZE_BYTES)
      if (size !== bytes.length - SIZE_BYTES) {
        throw new FlvError(`a tag whose size field says ${size}`, this.#offset + bytes.length - SIZE_BYTES)
      }
      tags.push({ kind, timestampMs: (bytes[7]! * 2 ** 24 + bytes.readUIntBE(4, 3)) >>> 0, bytes })
      this.#tag = undefined
      this.#advance(bytes.length)
    }
    return chunk.subarray(taken)
  }

  /** Puts what was held before the chunk; `head` has at most `bytes`, and is held until it has as many. */
  #collect(chunk: Buffer, bytes: number): { head: Buffer; rest: Buffer } {
    const missing = bytes - this.#head.length
    const head =
      this.#head.length === 0
        ? chunk.subarray(0, bytes)
        : Buffer.concat([this.#head, chunk.subarray(0, missing)])
    // A copy: what is held must not keep the whole chunk alive.
    this.#head = head.length < bytes ? Buffer.from(head) : Buffer.alloc(0)
    return { head, rest: chunk.subarray(Math.min(missing, chunk.length)) }
  }

  #advance(bytes: number): void {
    this.#offset += bytes
  }
}
