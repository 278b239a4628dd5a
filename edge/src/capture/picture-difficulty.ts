/**
 * How difficult a coded picture was: its bytes, had it been coded as finely as the finest. A camera that keeps to a rate
 * spends as much on a moving scene as on a quiet one, and codes it more coarsely: six steps of the quantiser halve what
 * a picture takes. Only for H.264 in FLV; for all else it is the size alone.
 */
import type { CompressedClip, CompressedUnit } from './compressed.ts'
import { SliceQp } from './slice-qp.ts'

const TAG_HEADER_BYTES = 11
const SIZE_BYTES = 4
const VIDEO_TAG = 9
const AVC = 7
/** Of the video header before the picture or the decoder's configuration. */
const VIDEO_HEADER_BYTES = 5
const QP_STEPS_A_HALVING = 6

export class PictureDifficulty {
  #head: readonly Buffer[] | undefined
  #slices = new SliceQp()
  #lengthBytes = 4

  /** In bytes; the arguments are those of `PictureSink.take`. */
  of({ bytes }: CompressedUnit, container: CompressedClip['container'], head: readonly Buffer[]): number {
    if (container !== 'flv') return bytes.length
    if (head !== this.#head) this.#begin(head)
    const qp = this.#qpOf(bytes)
    return qp === undefined ? bytes.length : bytes.length * 2 ** (qp / QP_STEPS_A_HALVING)
  }

  #begin(head: readonly Buffer[]): void {
    this.#head = head
    this.#slices = new SliceQp()
    for (const tag of head)
      if (isAvc(tag, 0)) this.#readConfiguration(tag.subarray(TAG_HEADER_BYTES + VIDEO_HEADER_BYTES))
  }

  /** AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1): the parameter sets, each after its length. */
  #readConfiguration(record: Buffer): void {
    if (record.length < 7) return
    this.#lengthBytes = (record[4]! & 3) + 1
    let at = 5
    for (const mask of [0x1f, 0xff]) {
      const count = record[at]! & mask
      at += 1
      for (let index = 0; index < count && at + 2 <= record.length; index += 1) {
        const length = record.readUInt16BE(at)
        this.#slices.read(record.subarray(at + 2, at + 2 + length))
        at += 2 + length
      }
    }
  }

  /** That of the first slice; parameter sets may come before it. */
  #qpOf(tag: Buffer): number | undefined {
    if (!isAvc(tag, 1)) return undefined
    const end = tag.length - SIZE_BYTES
    for (let at = TAG_HEADER_BYTES + VIDEO_HEADER_BYTES; at + this.#lengthBytes < end; ) {
      const length = tag.readUIntBE(at, this.#lengthBytes)
      at += this.#lengthBytes
      const qp = this.#slices.read(tag.subarray(at, Math.min(end, at + length)))
      if (qp !== undefined) return qp
      at += length
    }
    return undefined
  }
}

/** True for a video tag of AVC; `packet` 0 is the decoder's configuration, 1 a picture. */
function isAvc(tag: Buffer, packet: 0 | 1): boolean {
  const isVideo = tag.length > TAG_HEADER_BYTES + VIDEO_HEADER_BYTES + SIZE_BYTES && tag[0] === VIDEO_TAG
  // The high bit marks the extended header, which has other codecs.
  return isVideo && (tag[TAG_HEADER_BYTES]! & 0x8f) === AVC && tag[TAG_HEADER_BYTES + 1] === packet
}
