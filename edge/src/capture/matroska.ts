/**
 * Pictures of an MPEG-TS stream as a Matroska stream (RFC 9559), one cluster a picture, for a decoder that gets only
 * some of them. A demultiplexer of MPEG-TS learns the end of a picture from the beginning of the next, so that a key
 * frame would be decoded when the next one comes; a Matroska block says how long it is. Pure.
 */
import type { CompressedUnit } from './compressed.ts'
import { readTsPicture } from './ts-picture.ts'

/** Eight bytes that say that the length is not known. */
const UNKNOWN_LENGTH = Buffer.from('01ffffffffffffff', 'hex')

/** `id` in hexadecimal; the length always in eight bytes (RFC 8794, 4.4). */
function element(id: string, ...content: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(id.length / 2 + 8)
  head.write(id, 'hex')
  head.writeBigUInt64BE(BigInt(content.reduce((sum, { length }) => sum + length, 0)), id.length / 2)
  head[id.length / 2] = 0x01
  return Buffer.concat([head, ...content])
}

function number(id: string, value: number): Buffer {
  const content = Buffer.alloc(8)
  content.writeBigUInt64BE(BigInt(value))
  return element(id, content)
}

const text = (id: string, value: string): Buffer => element(id, Buffer.from(value))

/** What stands before the first picture of an H.265 stream. Its parameters come with the key frames. */
export function matroskaHead(): Buffer {
  const video = element('e0', number('b0', 16), number('ba', 16))
  const track = [number('d7', 1), number('73c5', 1), number('83', 1), text('86', 'V_MPEGH/ISO/HEVC'), video]
  return Buffer.concat([
    element('1a45dfa3', text('4282', 'matroska'), number('4287', 4), number('4285', 2)),
    Buffer.from('18538067', 'hex'),
    UNKNOWN_LENGTH,
    // Times in ms.
    element('1549a966', number('2ad7b1', 1_000_000)),
    element('1654ae6b', element('ae', ...track)),
  ])
}

/** One picture of `TsFeed` as a cluster; its time is `ptsMs`, which has to be 0 or more. */
export function matroskaPicture({ bytes, ptsMs, isKeyFrame }: CompressedUnit): Buffer {
  // Track 1, no offset from the cluster's time, and whether it is a key frame.
  const block = Buffer.from([0x81, 0, 0, isKeyFrame ? 0x80 : 0])
  return element('1f43b675', number('e7', ptsMs), element('a3', block, ...readTsPicture(bytes).pieces))
}
