/**
 * H.265 as FLV, which our ffmpeg does not write: pictures of `TsFeed` in, tags of Enhanced RTMP v1 out (FourCC `hvc1`).
 * NAL units go from start codes (ITU-T H.265, annex B) to lengths, and the parameter sets of a key frame become the
 * decoder's configuration (ISO/IEC 14496-15, 8.3.3.1), sent again when they change. Pure.
 */
import { encodeFlvTag, type FlvTag } from '@patrolhub/protocol/flv'
import type { CompressedUnit } from './compressed.ts'
import { readTsPicture } from './ts-picture.ts'

const VPS = 32
const SPS = 33
const PPS = 34
const DELIMITER = 35
const FOURCC = Buffer.from('hvc1')
/** Enhanced RTMP: the extended header's bit, frame type and packet type in one byte. */
const SEQUENCE_START = 0b1001_0000
const KEY_FRAME = 0b1001_0001
const FRAME = 0b1010_0001
/** NAL type, layer and temporal id; bytes before `profile_tier_level` in an SPS. */
const NAL_HEADER_BYTES = 2
const PROFILE_AT = 3
const PROFILE_BYTES = 12

export class HevcFlv {
  #configuration: Buffer | undefined

  /** The tags of one picture; none before the first key frame with all its parameter sets. */
  tagsOf(unit: CompressedUnit): FlvTag[] {
    const { pieces, compositionMs } = readTsPicture(unit.bytes)
    const nals = splitNals(Buffer.concat(pieces))
    const dtsMs = Math.max(0, unit.ptsMs - compositionMs)
    const tags: FlvTag[] = []
    const configuration = unit.isKeyFrame ? configurationOf(nals) : undefined
    if (configuration && !this.#configuration?.equals(configuration)) {
      this.#configuration = configuration
      tags.push(
        encodeFlvTag('video', dtsMs, Buffer.concat([Buffer.from([SEQUENCE_START]), FOURCC, configuration])),
      )
    }
    if (!this.#configuration) return tags
    const head = Buffer.alloc(8)
    head[0] = unit.isKeyFrame ? KEY_FRAME : FRAME
    FOURCC.copy(head, 1)
    head.writeIntBE(compositionMs, 5, 3)
    const coded = nals.filter((nal) => typeOf(nal) !== DELIMITER)
    tags.push(encodeFlvTag('video', dtsMs, Buffer.concat([head, ...coded.flatMap(withLength)])))
    return tags
  }

  /** Another stream begins. */
  reset(): void {
    this.#configuration = undefined
  }
}

const typeOf = (nal: Buffer): number => (nal[0]! >> 1) & 0x3f

function withLength(nal: Buffer): Buffer[] {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(nal.length)
  return [length, nal]
}

/** NAL units between start codes of three or four bytes; those too short to have a header are left out. */
export function splitNals(bytes: Buffer): Buffer[] {
  const nals: Buffer[] = []
  const code = Buffer.from([0, 0, 1])
  let from = bytes.indexOf(code)
  while (from >= 0) {
    const next = bytes.indexOf(code, from + 3)
    let end = next < 0 ? bytes.length : next
    // Zeros before a start code belong to it.
    while (end > from + 3 && bytes[end - 1] === 0) end -= 1
    if (end - from - 3 >= NAL_HEADER_BYTES) nals.push(bytes.subarray(from + 3, end))
    from = next
  }
  return nals
}

/**
 * HEVCDecoderConfigurationRecord from the parameter sets; `undefined` if one is missing. Bit depth and chroma are those
 * of nearly every camera (8 bits, 4:2:0): decoders take them from the parameter sets.
 */
function configurationOf(nals: readonly Buffer[]): Buffer | undefined {
  const sets = [VPS, SPS, PPS].map((type) => nals.filter((nal) => typeOf(nal) === type))
  if (sets.some((list) => list.length === 0)) return undefined
  const profile = withoutEmulation(sets[1]![0]!).subarray(PROFILE_AT, PROFILE_AT + PROFILE_BYTES)
  if (profile.length < PROFILE_BYTES) return undefined
  const arrays = sets.map((list, index) => {
    const head = Buffer.from([0x80 | (VPS + index), 0, list.length])
    const entries = list.flatMap((nal) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(nal.length)
      return [length, nal]
    })
    return Buffer.concat([head, ...entries])
  })
  // min_spatial_segmentation, parallelism, chroma 4:2:0, 8 bits twice, frame rate unknown; one layer, lengths of 4 bytes.
  const fixed = Buffer.from([0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0b0000_1011, arrays.length])
  return Buffer.concat([Buffer.from([1]), profile, fixed, ...arrays])
}

/** Takes out the bytes that keep a start code from appearing inside (7.4.2). */
function withoutEmulation(nal: Buffer): Buffer {
  const bytes: number[] = []
  let zeros = 0
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0
      continue
    }
    zeros = byte === 0 ? zeros + 1 : 0
    bytes.push(byte)
  }
  return Buffer.from(bytes)
}
