/**
 * FLV (Adobe Flash Video File Format Specification 10.1, annex E): bytes in, tags out, and back. Incremental: chunks
 * may be cut anywhere. A tag's `bytes` are the very bytes that came in, so a stream that is passed on is untouched.
 * Invariant: header and tags, joined again, equal the input.
 */
import { EdgeError } from '../errors.ts'

export type FlvTagKind = 'audio' | 'video' | 'script'

export interface FlvTag {
  kind: FlvTagKind
  /** Decoding time, ms, signed 32 bit; wraps after 24.8 days. */
  timestampMs: number
  payload: Buffer
  /** The whole tag with its header and the trailing size. */
  bytes: Buffer
}

const KIND_BY_NUMBER: Readonly<Record<number, FlvTagKind>> = { 8: 'audio', 9: 'video', 18: 'script' }
const NUMBER_BY_KIND: Readonly<Record<FlvTagKind, number>> = { audio: 8, video: 9, script: 18 }

const FILE_HEADER_BYTES = 9
const TAG_HEADER_BYTES = 11
const SIZE_BYTES = 4
/** A frame of a camera is far below this; a tag above it is a stream that lost its place. */
export const MAX_TAG_BYTES = 8 * 1024 * 1024

/** A file header that announces video only, with the size (0) that stands before the first tag. */
export function encodeFlvHeader(): Buffer {
  return Buffer.from([0x46, 0x4c, 0x56, 1, 0b001, 0, 0, 0, FILE_HEADER_BYTES, 0, 0, 0, 0])
}

/** A tag from its parts. `payload` may have at most `MAX_TAG_BYTES`. */
export function encodeFlvTag(kind: FlvTagKind, timestampMs: number, payload: Buffer): FlvTag {
  const bytes = Buffer.alloc(TAG_HEADER_BYTES + payload.length + SIZE_BYTES)
  bytes[0] = NUMBER_BY_KIND[kind]
  bytes.writeUIntBE(payload.length, 1, 3)
  bytes.writeUIntBE(timestampMs & 0xffffff, 4, 3)
  bytes[7] = (timestampMs >> 24) & 0xff
  payload.copy(bytes, TAG_HEADER_BYTES)
  bytes.writeUInt32BE(TAG_HEADER_BYTES + payload.length, TAG_HEADER_BYTES + payload.length)
  return {
    kind,
    timestampMs: timestampMs | 0,
    payload: bytes.subarray(TAG_HEADER_BYTES, TAG_HEADER_BYTES + payload.length),
    bytes,
  }
}

/**
 * Reads one FLV stream. `push` gives the tags that the chunk completes, in order, and throws EDGE_FLV_MALFORMED at
 * the first byte that cannot be FLV; a parser that has thrown must not be used again. Holds at most one incomplete
 * tag (`MAX_TAG_BYTES`) besides the chunk.
 */
export class FlvParser {
  #chunks: Buffer[] = []
  #held = 0
  #wanted = FILE_HEADER_BYTES
  #isPastHeader = false
  #offset = 0

  push(chunk: Buffer): FlvTag[] {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#wanted) return []
    const buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held)
    const tags: FlvTag[] = []
    let at = 0
    if (!this.#isPastHeader) at = this.#readHeader(buffer)
    while (this.#isPastHeader) {
      const tag = this.#readTag(buffer, at)
      if (!tag) break
      at += tag.bytes.length
      tags.push(tag)
    }
    this.#offset += at
    this.#chunks = at < buffer.length ? [buffer.subarray(at)] : []
    this.#held = buffer.length - at
    return tags
  }

  #readHeader(buffer: Buffer): number {
    if (buffer.toString('latin1', 0, 3) !== 'FLV') throw this.#malformed(0, 'no FLV signature')
    const dataOffset = buffer.readUInt32BE(5)
    if (dataOffset < FILE_HEADER_BYTES || dataOffset > 1024) {
      throw this.#malformed(5, `a header of ${dataOffset} bytes`)
    }
    this.#wanted = dataOffset + SIZE_BYTES
    if (buffer.length < this.#wanted) return 0
    const at = this.#wanted
    this.#isPastHeader = true
    this.#wanted = TAG_HEADER_BYTES
    return at
  }

  #readTag(buffer: Buffer, at: number): FlvTag | undefined {
    this.#wanted = TAG_HEADER_BYTES
    if (buffer.length - at < TAG_HEADER_BYTES) return undefined
    const kind = KIND_BY_NUMBER[buffer[at]!]
    if (!kind) throw this.#malformed(at, `a tag of type ${buffer[at]}`)
    const size = buffer.readUIntBE(at + 1, 3)
    if (size > MAX_TAG_BYTES) throw this.#malformed(at, `a tag of ${size} bytes`)
    const end = at + TAG_HEADER_BYTES + size
    this.#wanted = TAG_HEADER_BYTES + size + SIZE_BYTES
    if (buffer.length < end + SIZE_BYTES) return undefined
    const trailing = buffer.readUInt32BE(end)
    if (trailing !== TAG_HEADER_BYTES + size) {
      throw this.#malformed(end, `a trailing size of ${trailing} after a tag of ${TAG_HEADER_BYTES + size}`)
    }
    this.#wanted = TAG_HEADER_BYTES
    return {
      kind,
      timestampMs: buffer.readUIntBE(at + 4, 3) | (buffer[at + 7]! << 24),
      payload: buffer.subarray(at + TAG_HEADER_BYTES, end),
      bytes: buffer.subarray(at, end + SIZE_BYTES),
    }
  }

  #malformed(at: number, what: string): EdgeError {
    return new EdgeError('EDGE_FLV_MALFORMED', `not FLV: ${what} at byte ${this.#offset + at}`)
  }
}

export type VideoPacket =
  | { kind: 'sequence-header' }
  | { kind: 'end' }
  | { kind: 'frame'; isKeyFrame: boolean; compositionMs: number }

/** What an AVC video tag holds (E.4.3); `undefined` for another codec or a payload that is too short. */
export function readVideoPacket(payload: Buffer): VideoPacket | undefined {
  if (payload.length < 5 || (payload[0]! & 0x0f) !== 7) return undefined
  const packetType = payload[1]!
  if (packetType === 0) return { kind: 'sequence-header' }
  if (packetType === 2) return { kind: 'end' }
  if (packetType !== 1) return undefined
  return { kind: 'frame', isKeyFrame: payload[0]! >> 4 === 1, compositionMs: payload.readIntBE(2, 3) }
}

/** Makes a counter that wraps at `modulus` run on: the value nearest to the one before. */
export class Unwrapper {
  readonly #modulus: number
  #last = 0

  constructor(modulus: number) {
    this.#modulus = modulus
  }

  next(value: number): number {
    const turns = Math.round((this.#last - value) / this.#modulus)
    this.#last = value + turns * this.#modulus
    return this.#last
  }
}
