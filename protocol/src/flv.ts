/**
 * FLV as it travels from a camera to a player (Adobe Flash Video File Format Specification 10.1, annex E; the extended
 * video header is that of Enhanced RTMP v1). Enters: bytes, cut anywhere. Leaves: whole tags, each in a buffer of its
 * own that nobody else reads, or an error that says what is wrong and where. Invariant: header and tags, joined again,
 * equal the input. Memory: one unfinished tag. It speaks Node's `Buffer`, so it has an entry of its own,
 * `@patrolhub/protocol/flv`, which the dashboard does not load.
 */

export type FlvTagKind = 'audio' | 'video' | 'script'

export interface FlvTag {
  kind: FlvTagKind
  /** Stream clock, decoding time, ms, 32 bits unsigned. */
  timestampMs: number
  /** The whole tag: header of 11 bytes, payload, size field of 4 bytes. */
  bytes: Buffer
}

/** What the file header announces. */
export interface FlvContents {
  audio: boolean
  video: boolean
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

/** Edges publish and the hub takes no larger tag. A picture is far below it; above it a stream has lost its place. */
export const MAX_FLV_TAG_BYTES = 8 * 1024 * 1024

const KIND_BY_NUMBER: Readonly<Record<number, FlvTagKind>> = { 8: 'audio', 9: 'video', 18: 'script' }
const NUMBER_BY_KIND: Readonly<Record<FlvTagKind, number>> = { audio: 8, video: 9, script: 18 }

const FILE_HEADER_BYTES = 9
const TAG_HEADER_BYTES = 11
const SIZE_BYTES = 4
/** The file header and the size field of the tag before the first, which is 0. */
const START_BYTES = FILE_HEADER_BYTES + SIZE_BYTES

/** The 13 bytes before the first tag: signature, version 1, what is in the stream (E.2), and the size of no tag. */
export function encodeFlvHeader(contains: FlvContents): Buffer {
  const flags = (contains.audio ? 0b100 : 0) | (contains.video ? 1 : 0)
  return Buffer.from([0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, FILE_HEADER_BYTES, 0, 0, 0, 0])
}

/**
 * A tag from its parts (E.4.1). `payload` is copied; it has 1 to 2^24 - 1 bytes, else RangeError. Of the time the lower
 * 32 bits are written.
 */
export function encodeFlvTag(kind: FlvTagKind, timestampMs: number, payload: Uint8Array): FlvTag {
  if (payload.length === 0) throw new RangeError('an FLV tag has at least one byte of payload')
  const size = TAG_HEADER_BYTES + payload.length
  const tag: FlvTag = { kind, timestampMs: 0, bytes: Buffer.alloc(size + SIZE_BYTES) }
  tag.bytes[0] = NUMBER_BY_KIND[kind]
  tag.bytes.writeUIntBE(payload.length, 1, 3)
  setTimestamp(tag, timestampMs)
  tag.bytes.set(payload, TAG_HEADER_BYTES)
  tag.bytes.writeUInt32BE(size, size)
  return tag
}

/** Writes another time into a tag, in place: only for a tag whose bytes nobody else has got yet. */
export function setTimestamp(tag: FlvTag, timestampMs: number): void {
  tag.timestampMs = timestampMs >>> 0
  tag.bytes.writeUIntBE(tag.timestampMs & 0xffffff, 4, 3)
  tag.bytes[7] = tag.timestampMs >>> 24
}

/** The time in a tag's header (E.4.1): 24 bits, then the upper 8. */
export function readTimestamp(tagBytes: Buffer): number {
  return tagBytes[7]! * 2 ** 24 + tagBytes.readUIntBE(4, 3)
}

/** What the tag carries; the same memory, not a copy. */
export function payloadOf(tag: FlvTag): Buffer {
  return tag.bytes.subarray(TAG_HEADER_BYTES, tag.bytes.length - SIZE_BYTES)
}

/**
 * What a video tag is for a player: how to decode, a picture to begin with, a later picture, or nothing to show (the
 * end of a sequence, metadata, a command, a header that is cut short). A picture is shown `compositionMs` after the
 * tag's time; it may be negative.
 */
export type VideoPacket =
  | { role: 'sequence-header' }
  | { role: 'other' }
  | { role: 'key-frame' | 'frame'; compositionMs: number }

export type VideoRole = VideoPacket['role']

const SEQUENCE_HEADER: VideoPacket = Object.freeze({ role: 'sequence-header' })
const OTHER: VideoPacket = Object.freeze({ role: 'other' })

const KEY_FRAME = 1
const COMMAND_FRAME = 5
const AVC = 7
/** HEVC as many cameras and servers write it, laid out like AVC; not in the specification. */
const HEVC = 12
/** FourCC of the extended codecs whose coded frames have no composition time. */
const WITHOUT_COMPOSITION: ReadonlySet<string> = new Set(['av01', 'vp09'])

/** Reads the head of a video tag's payload (E.4.3), of any codec. */
export function readVideoPacket(tag: FlvTag): VideoPacket {
  const payload = payloadOf(tag)
  const first = payload[0] ?? 0
  const frameType = (first >> 4) & 0b0111
  if (frameType === COMMAND_FRAME) return OTHER
  const role = frameType === KEY_FRAME ? 'key-frame' : 'frame'
  if ((first & 0b1000_0000) !== 0) return readExtended(payload, role)
  const codec = first & 0x0f
  if (codec !== AVC && codec !== HEVC) return payload.length < 2 ? OTHER : { role, compositionMs: 0 }
  if (payload.length < 5) return OTHER
  if (payload[1] === 0) return SEQUENCE_HEADER
  return payload[1] === 1 ? { role, compositionMs: payload.readIntBE(2, 3) } : OTHER
}

/** Enhanced RTMP v1: PacketType in the low half of the first byte, then a FourCC. */
function readExtended(payload: Buffer, role: 'key-frame' | 'frame'): VideoPacket {
  if (payload.length < 5) return OTHER
  switch (payload[0]! & 0x0f) {
    case 0:
      return SEQUENCE_HEADER
    case 1:
      if (WITHOUT_COMPOSITION.has(payload.toString('latin1', 1, 5))) return { role, compositionMs: 0 }
      return payload.length < 8 ? OTHER : { role, compositionMs: payload.readIntBE(5, 3) }
    case 3:
      // Coded frames whose composition time is 0 and left out.
      return { role, compositionMs: 0 }
    default:
      return OTHER
  }
}

/** True for the audio tag that says how AAC (E.4.2), or an extended codec (Enhanced RTMP v2), is decoded. */
export function isAudioSequenceHeader(tag: FlvTag): boolean {
  const payload = payloadOf(tag)
  const format = (payload[0] ?? 0) >> 4
  if (format === 10) return payload[1] === 0
  return format === 9 && (payload[0]! & 0x0f) === 0
}

interface UnfinishedTag {
  kind: FlvTagKind
  bytes: Buffer
  filled: number
}

/** Reads one stream from its first byte on. */
export class FlvReader {
  readonly #maxTagBytes: number
  /** Where in the stream that begins which is not complete yet. */
  #offset = 0
  #contains: FlvContents | undefined
  /** The bytes so far of the file header or a tag's header. */
  #head = Buffer.alloc(0)
  /** The tag being filled, its header known. */
  #tag: UnfinishedTag | undefined
  #error: FlvError | undefined

  /** `maxTagBytes`, header and size field included, bounds the memory of this reader. */
  constructor(options: { maxTagBytes: number }) {
    this.#maxTagBytes = options.maxTagBytes
  }

  /** What the header announces; `undefined` before it has arrived. */
  get contains(): FlvContents | undefined {
    return this.#contains
  }

  /**
   * Takes the next bytes and gives the tags that they complete, in order. Nothing of the chunk is kept: it is the
   * caller's again. Throws FlvError at the first byte that cannot be FLV, and the same from then on: a stream that has
   * lost its place is not found again.
   */
  push(chunk: Buffer): FlvTag[] {
    if (this.#error) throw this.#error
    const tags: FlvTag[] = []
    let rest = chunk
    while (rest.length > 0) {
      if (this.#tag) rest = this.#fill(this.#tag, rest, tags)
      else rest = this.#contains ? this.#beginTag(rest) : this.#readStart(rest)
    }
    return tags
  }

  #readStart(chunk: Buffer): Buffer {
    const { head, rest } = this.#collect(chunk, START_BYTES)
    const expected = encodeFlvHeader({ audio: false, video: false })
    for (let index = 0; index < head.length; index++) {
      // The flags may be any.
      if (index !== 4 && head[index] !== expected[index]) {
        throw this.#malformed('this is not FLV version 1: the file header is wrong', index)
      }
    }
    if (head.length < START_BYTES) return rest
    const flags = head[4]!
    this.#contains = { audio: (flags & 0b100) !== 0, video: (flags & 1) !== 0 }
    this.#offset = START_BYTES
    return rest
  }

  #beginTag(chunk: Buffer): Buffer {
    const { head, rest } = this.#collect(chunk, TAG_HEADER_BYTES)
    const kind = KIND_BY_NUMBER[head[0]!]
    if (!kind) throw this.#malformed(`a tag of type ${head[0]}; expected audio, video or script`)
    if (head.length < TAG_HEADER_BYTES) return rest
    const payloadBytes = head.readUIntBE(1, 3)
    const bytes = TAG_HEADER_BYTES + payloadBytes + SIZE_BYTES
    if (bytes > this.#maxTagBytes) {
      throw this.#malformed(`a tag of ${bytes} bytes; at most ${this.#maxTagBytes} are taken`)
    }
    if (payloadBytes === 0) throw this.#malformed('an empty tag')
    if (head.readUIntBE(8, 3) !== 0) throw this.#malformed('a tag whose stream id is not 0')
    this.#tag = { kind, bytes: Buffer.allocUnsafe(bytes), filled: TAG_HEADER_BYTES }
    head.copy(this.#tag.bytes)
    return rest
  }

  #fill(tag: UnfinishedTag, chunk: Buffer, tags: FlvTag[]): Buffer {
    const { kind, bytes } = tag
    const taken = Math.min(bytes.length - tag.filled, chunk.length)
    chunk.copy(bytes, tag.filled, 0, taken)
    tag.filled += taken
    if (tag.filled === bytes.length) {
      const expected = bytes.length - SIZE_BYTES
      const size = bytes.readUInt32BE(expected)
      if (size !== expected) {
        throw this.#malformed(`a tag of ${expected} bytes whose size field says ${size}`, expected)
      }
      tags.push({ kind, timestampMs: readTimestamp(bytes), bytes })
      this.#tag = undefined
      this.#offset += bytes.length
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

  /** `at` counts from the beginning of what is not complete yet. */
  #malformed(what: string, at = 0): FlvError {
    this.#error = new FlvError(what, this.#offset + at)
    return this.#error
  }
}
