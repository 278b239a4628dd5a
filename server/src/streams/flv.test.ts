import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FlvError, FlvReader, type FlvTag, flvStart, payloadOf, setTimestamp, videoRole } from './flv.ts'

const NUMBERS = { audio: 8, video: 9, script: 18 } as const

function tagBytes(kind: keyof typeof NUMBERS, timestampMs: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(11)
  header[0] = NUMBERS[kind]
  header.writeUIntBE(payload.length, 1, 3)
  header.writeUIntBE(timestampMs % 2 ** 24, 4, 3)
  header[7] = Math.floor(timestampMs / 2 ** 24)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(header.length + payload.length)
  return Buffer.concat([header, payload, size])
}

const anyTag = fc.record({
  kind: fc.constantFrom('audio', 'video', 'script'),
  timestampMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  payload: fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
})

/** Feeds the bytes in pieces of these lengths, again and again. */
function feed(reader: FlvReader, bytes: Buffer, lengths: readonly number[]): FlvTag[] {
  const tags: FlvTag[] = []
  for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
    const length = lengths[turn % lengths.length]!
    tags.push(...reader.push(bytes.subarray(offset, offset + length)))
    offset += length
  }
  return tags
}

const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })

describe('FlvReader', () => {
  it('gives every tag whole, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(anyTag, { maxLength: 12 }), pieces, fc.boolean(), (tags, lengths, audio) => {
        const encoded = tags.map((tag) => tagBytes(tag.kind, tag.timestampMs, tag.payload))
        const reader = new FlvReader({ maxTagBytes: 1000 })
        const read = feed(reader, Buffer.concat([flvStart({ audio, video: true }), ...encoded]), lengths)
        expect(reader.contains).toEqual({ audio, video: true })
        expect(read.map((tag) => tag.bytes.toString('hex'))).toEqual(encoded.map((b) => b.toString('hex')))
        expect(read.map(({ kind, timestampMs }) => ({ kind, timestampMs }))).toEqual(
          tags.map(({ kind, timestampMs }) => ({ kind, timestampMs })),
        )
        expect(read.map((tag) => payloadOf(tag).toString('hex'))).toEqual(
          tags.map((tag) => tag.payload.toString('hex')),
        )
      }),
    )
  })

  it('throws an FlvError, and nothing else, for bytes that are no FLV', () => {
    const start = flvStart({ audio: false, video: true })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), pieces, fc.boolean(), (bytes, lengths, hasStart) => {
        const reader = new FlvReader({ maxTagBytes: 1000 })
        const input = hasStart ? Buffer.concat([start, bytes]) : Buffer.from(bytes)
        try {
          feed(reader, input, lengths)
        } catch (error) {
          expect(error).toBeInstanceOf(FlvError)
        }
      }),
    )
  })

  it('says what is wrong and where, with the first byte that is wrong', () => {
    const start = flvStart({ audio: false, video: true })
    const good = tagBytes('video', 0, Buffer.from([0x17, 1, 2]))
    const cases: [Buffer, RegExp][] = [
      [Buffer.from('HTTP/1.1'), /file header is wrong \(at byte 0\)/],
      [Buffer.from([0x46, 0x4c, 0x56, 2]), /file header is wrong \(at byte 3\)/],
      [Buffer.concat([start, Buffer.from([10])]), /type 10.*\(at byte 13\)/],
      [
        Buffer.concat([start, good, tagBytes('audio', 0, Buffer.alloc(0))]),
        new RegExp(`empty tag \\(at byte ${13 + good.length}\\)`),
      ],
      [Buffer.concat([start, good.subarray(0, -1), Buffer.from([9])]), /size field says 9/],
      [Buffer.concat([start, Buffer.from([9, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0])]), /at most 1000/],
      [Buffer.concat([start, Buffer.from([9, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1])]), /stream id/],
    ]
    for (const [bytes, message] of cases) {
      expect(() => feed(new FlvReader({ maxTagBytes: 1000 }), bytes, [1]), String(message)).toThrow(message)
    }
  })
})

describe('a tag', () => {
  const tag = (payload: number[]): FlvTag => ({
    kind: 'video',
    timestampMs: 0,
    bytes: tagBytes('video', 0, Buffer.from(payload)),
  })

  it('takes another time, of 32 bits', () => {
    const changed = tag([0x17, 1, 0, 0, 0])
    setTimestamp(changed, 0xfedcba98)
    expect(changed.bytes.toString('hex', 4, 8)).toBe('dcba98fe')
    const [read] = new FlvReader({ maxTagBytes: 100 }).push(
      Buffer.concat([flvStart({ audio: false, video: true }), changed.bytes]),
    )
    expect(read?.timestampMs).toBe(0xfedcba98)
  })

  it('has a role: AVC and HEVC as cameras write it, extended headers, codecs without sequence headers', () => {
    const roles = {
      'sequence-header': [
        [0x17, 0],
        [0x1c, 0],
        [0x90, ...Buffer.from('hvc1')],
      ],
      'key-frame': [
        [0x17, 1],
        [0x1c, 1],
        [0x91, ...Buffer.from('hvc1')],
        [0x93, ...Buffer.from('av01')],
        [0x12, 0],
      ],
      frame: [
        [0x27, 1],
        [0x2c, 1],
        [0xa1, ...Buffer.from('hvc1')],
        [0xa3, ...Buffer.from('hvc1')],
        [0x22, 0],
      ],
      other: [[0x17, 2], [0x92, ...Buffer.from('hvc1')], [0x94, ...Buffer.from('hvc1')], [0x17]],
    }
    for (const [role, payloads] of Object.entries(roles)) {
      for (const payload of payloads) expect(videoRole(tag(payload)), `${role} ${payload}`).toBe(role)
    }
  })
})
