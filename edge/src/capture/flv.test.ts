import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EdgeError } from '../errors.ts'
import { encodeFlvHeader, encodeFlvTag, FlvParser, type FlvTag, readVideoPacket, Unwrapper } from './flv.ts'

const tag = fc
  .record({
    kind: fc.constantFrom('audio' as const, 'video' as const, 'script' as const),
    timestampMs: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    payload: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ kind, timestampMs, payload }) => encodeFlvTag(kind, timestampMs, Buffer.from(payload)))

/** The bytes cut at any places. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (let index = 0; at < bytes.length; index += 1) {
    const size = sizes.length > 0 ? sizes[index % sizes.length]! : bytes.length
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

function parse(chunks: readonly Buffer[]): FlvTag[] {
  const parser = new FlvParser()
  return chunks.flatMap((chunk) => parser.push(chunk))
}

describe('FlvParser', () => {
  it('gives every tag back, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(tag, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 70 })),
        (tags, sizes) => {
          const bytes = Buffer.concat([encodeFlvHeader(), ...tags.map((each) => each.bytes)])
          const parsed = parse(cut(bytes, sizes))
          expect(parsed.map(({ kind, timestampMs }) => ({ kind, timestampMs }))).toEqual(
            tags.map(({ kind, timestampMs }) => ({ kind, timestampMs })),
          )
          expect(Buffer.concat([encodeFlvHeader(), ...parsed.map((each) => each.bytes)])).toEqual(bytes)
          expect(parsed.map(({ payload }) => payload)).toEqual(tags.map(({ payload }) => payload))
        },
      ),
    )
  })

  it('answers arbitrary bytes with a typed error or with nothing, never with a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, hasHeader) => {
        const chunks = hasHeader ? [encodeFlvHeader(), Buffer.from(bytes)] : [Buffer.from(bytes)]
        try {
          parse(chunks)
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeError)
          expect((error as EdgeError).code).toBe('EDGE_FLV_MALFORMED')
        }
      }),
    )
  })

  it('names the place of the first byte that cannot be FLV', () => {
    const good = encodeFlvTag('video', 40, Buffer.from([0x17, 1, 0, 0, 0, 9]))
    const bytes = Buffer.concat([encodeFlvHeader(), good.bytes, Buffer.alloc(20, 0xee)])
    expect(() => parse([bytes])).toThrow(`a tag of type 238 at byte ${13 + good.bytes.length}`)
  })

  it('refuses a trailing size that is not that of its tag', () => {
    const { bytes } = encodeFlvTag('video', 0, Buffer.alloc(5))
    bytes.writeUInt32BE(1, bytes.length - 4)
    expect(() => parse([encodeFlvHeader(), bytes])).toThrow('a trailing size of 1 after a tag of 16')
  })

  it('reads a time beyond 2^24 ms from the extended byte (E.4.1)', () => {
    const { bytes } = encodeFlvTag('video', 0x12345678, Buffer.alloc(1))
    expect(bytes.subarray(4, 8)).toEqual(Buffer.from([0x34, 0x56, 0x78, 0x12]))
    expect(parse([encodeFlvHeader(), bytes])[0]!.timestampMs).toBe(0x12345678)
  })
})

describe('readVideoPacket', () => {
  it('tells sequence headers, key frames and others apart, with a negative composition time', () => {
    expect(readVideoPacket(Buffer.from([0x17, 0, 0, 0, 0]))).toEqual({ kind: 'sequence-header' })
    expect(readVideoPacket(Buffer.from([0x17, 2, 0, 0, 0]))).toEqual({ kind: 'end' })
    const isKeyFrame = true
    expect(readVideoPacket(Buffer.from([0x17, 1, 0, 0, 80, 1]))).toEqual({
      kind: 'frame',
      isKeyFrame,
      compositionMs: 80,
    })
    expect(readVideoPacket(Buffer.from([0x27, 1, 0xff, 0xff, 0xd8]))).toEqual({
      kind: 'frame',
      isKeyFrame: false,
      compositionMs: -40,
    })
  })

  it('knows nothing of other codecs and of what is too short', () => {
    expect(readVideoPacket(Buffer.from([0x12, 1, 0, 0, 0]))).toBeUndefined()
    expect(readVideoPacket(Buffer.from([0x17, 1]))).toBeUndefined()
  })
})

describe('Unwrapper', () => {
  it('runs on across the wrap in both directions', () => {
    const time = new Unwrapper(2 ** 31)
    expect(time.next(5)).toBe(5)
    const far = new Unwrapper(1000)
    expect([400, 800, 100, 990, 20].map((value) => far.next(value))).toEqual([400, 800, 1100, 990, 1020])
  })
})
