import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeFlvHeader,
  encodeFlvTag,
  FlvError,
  FlvReader,
  type FlvTag,
  isAudioSequenceHeader,
  payloadOf,
  readTimestamp,
  readVideoPacket,
  setTimestamp,
} from './flv.ts'

const START = encodeFlvHeader({ audio: false, video: true })
const NUMBERS = { audio: 8, video: 9, script: 18 } as const

/** A tag written without the codec. */
function rawTag(kind: keyof typeof NUMBERS, timestampMs: number, payload: Uint8Array, streamId = 0): Buffer {
  const header = Buffer.alloc(11)
  header[0] = NUMBERS[kind]
  header.writeUIntBE(payload.length, 1, 3)
  header.writeUIntBE(timestampMs % 2 ** 24, 4, 3)
  header[7] = Math.floor(timestampMs / 2 ** 24)
  header.writeUIntBE(streamId, 8, 3)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(header.length + payload.length)
  return Buffer.concat([header, payload, size])
}

const anyTag = fc.record({
  kind: fc.constantFrom('audio', 'video', 'script'),
  timestampMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  payload: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
})
const pieces = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 6 })

const newReader = () => new FlvReader({ maxTagBytes: 1000 })

/** Feeds the bytes in pieces of these lengths, again and again; what was fed is overwritten, as a caller may. */
function feed(reader: FlvReader, bytes: Buffer, lengths: readonly number[]): FlvTag[] {
  const tags: FlvTag[] = []
  for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
    const length = lengths[turn % lengths.length]!
    const piece = Buffer.from(bytes.subarray(offset, offset + length))
    tags.push(...reader.push(piece))
    piece.fill(0xaa)
    offset += length
  }
  return tags
}

const hex = (bytes: readonly Buffer[]) => bytes.map((each) => each.toString('hex'))

describe('FlvReader', () => {
  it('gives every tag back, whole and untouched, wherever the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(anyTag, { maxLength: 20 }), pieces, fc.boolean(), (tags, lengths, audio) => {
        const encoded = tags.map((tag) => rawTag(tag.kind, tag.timestampMs, tag.payload))
        const reader = newReader()
        const start = encodeFlvHeader({ audio, video: true })
        const read = feed(reader, Buffer.concat([start, ...encoded]), lengths)
        expect(reader.contains).toEqual({ audio, video: true })
        expect(hex(read.map((tag) => tag.bytes))).toEqual(hex(encoded))
        expect(read.map(({ kind, timestampMs }) => ({ kind, timestampMs }))).toEqual(
          tags.map(({ kind, timestampMs }) => ({ kind, timestampMs })),
        )
        expect(hex(read.map(payloadOf))).toEqual(hex(tags.map((tag) => tag.payload)))
      }),
    )
  })

  it('gives each tag bytes that no other tag shares', () => {
    const stream = Buffer.concat([
      START,
      rawTag('video', 0, Buffer.alloc(9)),
      rawTag('video', 40, Buffer.alloc(9)),
    ])
    const [first, second] = newReader().push(stream)
    first!.bytes.fill(0xff)
    expect(second!.bytes).toEqual(rawTag('video', 40, Buffer.alloc(9)))
    expect(stream.includes(0xff)).toBe(false)
  })

  it('throws an FlvError, and nothing else, for bytes that are no FLV, and the same from then on', () => {
    let refused = 0
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), pieces, fc.boolean(), (bytes, lengths, hasStart) => {
        const reader = newReader()
        const input = Buffer.concat([hasStart ? START : Buffer.alloc(0), bytes])
        try {
          feed(reader, input, lengths)
        } catch (error) {
          refused += 1
          expect(error).toBeInstanceOf(FlvError)
          expect((error as FlvError).offset).toBeLessThan(input.length)
          expect(() => reader.push(START)).toThrow(error as FlvError)
        }
      }),
    )
    expect(refused).toBeGreaterThan(0)
  })

  it('says what is wrong and where, with the first byte that shows it', () => {
    const good = rawTag('video', 0, Buffer.from([0x17, 1, 2]))
    const wrongSize = Buffer.concat([good.subarray(0, -1), Buffer.from([9])])
    const cases: [Buffer[], string][] = [
      [[Buffer.from('HTTP/1.1')], 'the file header is wrong (at byte 0)'],
      [[Buffer.from([0x46, 0x4c, 0x56, 2])], 'the file header is wrong (at byte 3)'],
      [[START.subarray(0, 8), Buffer.from([10])], 'the file header is wrong (at byte 8)'],
      [[START.subarray(0, 12), Buffer.from([1])], 'the file header is wrong (at byte 12)'],
      [[START, Buffer.from([10])], 'a tag of type 10; expected audio, video or script (at byte 13)'],
      [
        [START, good, Buffer.alloc(20, 0xee)],
        `a tag of type 238; expected audio, video or script (at byte 31)`,
      ],
      [[START, good, rawTag('audio', 0, Buffer.alloc(0))], 'an empty tag (at byte 31)'],
      [[START, good, wrongSize], 'a tag of 14 bytes whose size field says 9 (at byte 45)'],
      [
        [START, rawTag('video', 0, Buffer.alloc(986)).subarray(0, 11)],
        'of 1001 bytes; at most 1000 are taken (at byte 13)',
      ],
      [[START, rawTag('video', 0, Buffer.alloc(1), 1)], 'a tag whose stream id is not 0 (at byte 13)'],
    ]
    for (const [parts, message] of cases) {
      const bytes = Buffer.concat(parts)
      for (const lengths of [[1], [bytes.length]])
        expect(() => feed(newReader(), bytes, lengths)).toThrow(message)
    }
    expect(
      feed(newReader(), Buffer.concat([START, rawTag('video', 0, Buffer.alloc(985))]), [1]),
    ).toHaveLength(1)
  })
})

describe('encodeFlvTag', () => {
  it('writes what a reader gives back, the time modulo 2^32', () => {
    const time = fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 })
    fc.assert(
      fc.property(anyTag, time, ({ kind, payload }, timestampMs) => {
        const tag = encodeFlvTag(kind, timestampMs, payload)
        expect(tag.bytes).toEqual(rawTag(kind, timestampMs >>> 0, payload))
        expect(newReader().push(Buffer.concat([START, tag.bytes]))).toEqual([tag])
      }),
    )
  })

  it('refuses a payload that no reader takes', () => {
    expect(() => encodeFlvTag('video', 0, Buffer.alloc(0))).toThrow(RangeError)
    expect(() => encodeFlvTag('video', 0, Buffer.alloc(2 ** 24))).toThrow(RangeError)
  })
})

describe('a tag', () => {
  it('takes another time, of 32 bits, the upper 8 of them last (E.4.1)', () => {
    const tag = encodeFlvTag('video', 0x12345678, Buffer.from([0x17, 1, 0, 0, 0]))
    expect(tag.bytes.toString('hex', 4, 8)).toBe('34567812')
    setTimestamp(tag, 0xfedcba98)
    expect(tag.bytes.toString('hex', 4, 8)).toBe('dcba98fe')
    expect(tag.timestampMs).toBe(0xfedcba98)
    expect(readTimestamp(tag.bytes)).toBe(0xfedcba98)
  })

  it('knows the header of AAC and of extended audio', () => {
    const isHeader = (...payload: number[]) =>
      isAudioSequenceHeader(encodeFlvTag('audio', 0, Buffer.from(payload)))
    expect([isHeader(0xaf, 0, 0x12), isHeader(0x90, 0x4f)]).toEqual([true, true])
    expect([isHeader(0xaf, 1, 0x21), isHeader(0x91, 0x4f), isHeader(0x2f, 0), isHeader(0xaf)]).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

describe('readVideoPacket', () => {
  const read = (...payload: (number | string)[]) => {
    const bytes = payload.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part])))
    return readVideoPacket(encodeFlvTag('video', 0, Buffer.concat(bytes)))
  }
  const header = { role: 'sequence-header' }
  const other = { role: 'other' }
  const keyFrame = (compositionMs: number) => ({ role: 'key-frame', compositionMs })
  const frame = (compositionMs: number) => ({ role: 'frame', compositionMs })

  it('reads AVC, and HEVC as cameras write it, with a composition time of either sign', () => {
    for (const codec of [7, 12]) {
      expect(read(0x10 | codec, 0, 0, 0, 0)).toEqual(header)
      expect(read(0x10 | codec, 1, 0, 0, 80, 1)).toEqual(keyFrame(80))
      expect(read(0x20 | codec, 1, 0xff, 0xff, 0xd8)).toEqual(frame(-40))
      expect(read(0x10 | codec, 2, 0, 0, 0)).toEqual(other)
      expect(read(0x10 | codec, 3, 0, 0, 0)).toEqual(other)
    }
  })

  it('reads extended headers, where the codec decides whether there is a composition time', () => {
    expect(read(0x90, 'hvc1')).toEqual(header)
    expect(read(0x91, 'hvc1', 0, 0, 80)).toEqual(keyFrame(80))
    expect(read(0xa1, 'hvc1', 0xff, 0xff, 0xd8)).toEqual(frame(-40))
    expect(read(0xa3, 'hvc1', 0xff, 0xff, 0xd8)).toEqual(frame(0))
    expect(read(0x91, 'av01', 0, 0, 80)).toEqual(keyFrame(0))
    expect(read(0xa1, 'vp09', 0, 0, 80)).toEqual(frame(0))
    expect(read(0x93, 'av01')).toEqual(keyFrame(0))
    expect(read(0x92, 'hvc1')).toEqual(other)
    expect(read(0x94, 'hvc1')).toEqual(other)
  })

  it('reads codecs without sequence headers', () => {
    expect(read(0x12, 0)).toEqual(keyFrame(0))
    expect(read(0x22, 0)).toEqual(frame(0))
  })

  it('shows nothing of commands (frame type 5) and of headers that are cut short', () => {
    expect([read(0x52, 0), read(0x57, 1, 0, 0, 0), read(0xd1, 'hvc1', 0, 0, 0)]).toEqual([
      other,
      other,
      other,
    ])
    expect([read(0x17), read(0x17, 1), read(0x17, 0, 0, 0), read(0x12)]).toEqual([other, other, other, other])
    expect([read(0x90, 'hvc'), read(0x91, 'hvc1', 0, 0)]).toEqual([other, other])
  })

  it('never throws, whatever the payload', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (payload) => {
        const tag = encodeFlvTag('video', 0, payload)
        expect(readVideoPacket(tag).role).toMatch(/^(sequence-header|key-frame|frame|other)$/)
        expect(isAudioSequenceHeader({ ...tag, kind: 'audio' })).toBeTypeOf('boolean')
      }),
    )
  })
})
