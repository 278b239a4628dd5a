import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EdgeError } from '../errors.ts'
import { TsFeed } from './ts-feed.ts'

const VIDEO_PID = 0x100

function packet(pid: number, startsUnit: boolean, body: Buffer, isKeyFrame = false): Buffer {
  const bytes = Buffer.alloc(188, 0xff)
  bytes[0] = 0x47
  bytes.writeUInt16BE((startsUnit ? 0x4000 : 0) | pid, 1)
  // An adaptation field with the random access indicator, or none.
  bytes[3] = isKeyFrame ? 0x30 : 0x10
  if (isKeyFrame) {
    bytes[4] = 1
    bytes[5] = 0x40
  }
  body.copy(bytes, isKeyFrame ? 6 : 4)
  return bytes
}

function pesStart(ticks: number): Buffer {
  const pts = ((ticks % 2 ** 33) + 2 ** 33) % 2 ** 33
  const [high, middle, low] = [Math.floor(pts / 2 ** 30), Math.floor(pts / 2 ** 15) % 2 ** 15, pts % 2 ** 15]
  const bytes = Buffer.from([0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21 | (high << 1), 0, 0, 0, 0])
  bytes.writeUInt16BE((middle << 1) | 1, 10)
  bytes.writeUInt16BE((low << 1) | 1, 12)
  return bytes
}

/** Tables, the start and one more packet of a picture. */
function picture(ms: number, isKeyFrame = false): Buffer {
  return Buffer.concat([
    packet(0, true, Buffer.from([0])),
    packet(0x1000, true, Buffer.from([0, 2])),
    packet(VIDEO_PID, true, pesStart(ms * 90), isKeyFrame),
    packet(VIDEO_PID, false, Buffer.from([1, 2, 3])),
  ])
}

describe('TsFeed', () => {
  it('tells the time of every picture, wherever the stream is cut', () => {
    const times = fc.array(fc.integer({ min: -1000, max: 90_000_000 }), { maxLength: 10 })
    const sizes = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1 })
    fc.assert(
      fc.property(times, sizes, (all, cuts) => {
        const bytes = Buffer.concat(all.map((ms) => picture(ms)))
        const feed = new TsFeed()
        const seen: number[] = []
        for (let at = 0, index = 0; at < bytes.length; index += 1) {
          const size = cuts[index % cuts.length]!
          seen.push(...feed.push(bytes.subarray(at, at + size)))
          at += size
        }
        // The clock wraps after 26.5 h: a jump of more than half of that cannot be told from its complement.
        const within = all.every((ms, index) => Math.abs(ms - (all[index - 1] ?? 0)) < 47_000_000)
        if (within) expect(seen).toEqual(all)
        else expect(seen).toHaveLength(all.length)
      }),
    )
  })

  it('runs on when the 33 bits of the clock wrap', () => {
    const wrapMs = 2 ** 33 / 90
    const feed = new TsFeed()
    const start = Math.floor(wrapMs / 2)
    const seen = [start - 1000, start, Math.floor(wrapMs) - 40, Math.floor(wrapMs) + 40].flatMap((ms) =>
      feed.push(picture(ms)),
    )
    expect(seen.map((ms, index) => (index === 0 ? 0 : ms - seen[index - 1]!)).slice(1)).toEqual([
      1000,
      Math.floor(wrapMs) - 40 - start,
      80,
    ])
  })

  it('cuts a clip from the tables of the key frame to the wanted picture, once that is whole', () => {
    const feed = new TsFeed()
    feed.push(picture(0))
    feed.push(Buffer.concat([picture(40, true), picture(80)]))
    expect(feed.clipUpTo(0)).toBeUndefined()
    expect(feed.clipUpTo(80)).toBeUndefined()
    feed.push(picture(120))
    const clip = feed.clipUpTo(80)
    expect(clip?.ptsMs).toBe(80)
    expect(Buffer.concat(clip!.chunks)).toEqual(Buffer.concat([picture(40, true), picture(80)]))
    feed.reset()
    expect(feed.clipUpTo(80)).toBeUndefined()
  })

  it('answers arbitrary bytes with a typed error or with nothing, never with a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1200 }), fc.boolean(), (bytes, isInStep) => {
        const data = Buffer.from(bytes)
        if (isInStep) for (let at = 0; at < data.length; at += 188) data[at] = 0x47
        try {
          new TsFeed().push(data)
        } catch (error) {
          expect((error as EdgeError).code).toBe('EDGE_TS_MALFORMED')
          expect(error).toBeInstanceOf(EdgeError)
        }
      }),
    )
  })
})
