import { PassThrough, Writable } from 'node:stream'
import {
  encodeFlvHeader,
  encodeFlvTag,
  FlvReader,
  type FlvTag,
  MAX_FLV_TAG_BYTES,
  readVideoPacket,
} from '@patrolhub/protocol/flv'
import { describe, expect, it } from 'vitest'
import { FlvFeed } from './flv-feed.ts'

const header = encodeFlvHeader({ audio: false, video: true })
const metadata = encodeFlvTag('script', 0, Buffer.from('about')).bytes
const sequenceHeader = encodeFlvTag('video', 0, Buffer.from([0x17, 0, 0, 0, 0, 1, 2, 3])).bytes

function picture(timestampMs: number, isKeyFrame = false, compositionMs = 0, size = 20): Buffer {
  const payload = Buffer.alloc(size, timestampMs & 0xff)
  payload[0] = isKeyFrame ? 0x17 : 0x27
  payload[1] = 1
  payload.writeIntBE(compositionMs, 2, 3)
  return encodeFlvTag('video', timestampMs, payload).bytes
}

function feedWith(...tags: Buffer[]): FlvFeed {
  const feed = new FlvFeed({ maxSinkBytes: 200 })
  feed.push(Buffer.concat([header, metadata, sequenceHeader, ...tags]))
  return feed
}

function letterOf(tag: FlvTag): string {
  if (tag.kind === 'script') return 'm'
  return { 'sequence-header': 'h', 'key-frame': 'k', frame: 'p', other: '?' }[readVideoPacket(tag).role]
}

/** A sink and what has reached it: `k120` key frame, `p160` picture, `h` sequence header, `m` metadata. */
function collect(): { sink: PassThrough; seen: () => string[] } {
  const sink = new PassThrough()
  const reader = new FlvReader({ maxTagBytes: MAX_FLV_TAG_BYTES })
  const seen: string[] = []
  sink.on('data', (chunk: Buffer) => {
    for (const tag of reader.push(chunk)) seen.push(`${letterOf(tag)}${tag.timestampMs}`)
  })
  return { sink, seen: () => seen }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('FlvFeed', () => {
  it('gives the times at which pictures are shown, across the wrap of the clock, wherever the bytes are cut', () => {
    const feed = new FlvFeed()
    const stream = [header, metadata, sequenceHeader, picture(2 ** 31 - 40, true), picture(0, false, 80)]
    const times = [...Buffer.concat([...stream, picture(40, false, -40)])].flatMap((byte) =>
      feed.push(Buffer.from([byte])),
    )
    expect(times.map((ms) => ms - times[0]!)).toEqual([0, 120, 40])
  })

  it('says where a stream is no FLV, and reads the next one after a reset', () => {
    const feed = feedWith(picture(0, true))
    const at = header.length + metadata.length + sequenceHeader.length + picture(0, true).length
    const malformed = expect.objectContaining({
      code: 'EDGE_FLV_MALFORMED',
      message: expect.stringContaining(`a tag of type 238; expected audio, video or script (at byte ${at})`),
    })
    expect(() => feed.push(Buffer.alloc(20, 0xee))).toThrow(malformed)
    expect(() => feed.push(picture(40))).toThrow(malformed)
    feed.reset('connected anew')
    expect(feed.push(Buffer.concat([header, sequenceHeader, picture(0, true)]))).toEqual([0])
  })

  it('gives a new sink headers at the time of the key frame, the group so far, then live tags', async () => {
    const feed = feedWith(picture(80), picture(120, true), picture(160))
    const { sink, seen } = collect()
    feed.subscribe(sink, () => undefined)
    feed.push(picture(200))
    await settled()
    expect(seen()).toEqual(['m0', 'h120', 'k120', 'p160', 'p200'])
  })

  it('lets a sink wait for the first key frame', async () => {
    const feed = feedWith(picture(40))
    const { sink, seen } = collect()
    feed.subscribe(sink, () => undefined)
    feed.push(picture(80))
    feed.push(picture(120, true))
    await settled()
    expect(seen()).toEqual(['m0', 'h120', 'k120'])
  })

  it('drops a slow sink to the next key frame once it has caught up, and counts what it missed', () => {
    const feed = feedWith(picture(0, true))
    const written: Buffer[] = []
    const release: (() => void)[] = []
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk)
        release.push(done)
      },
    })
    const subscription = feed.subscribe(slow, () => undefined)
    for (let time = 40; time < 800; time += 40) feed.push(picture(time))
    const held = slow.writableLength
    expect(held).toBeLessThan(400)
    expect(subscription.droppedTags).toBeGreaterThan(0)
    feed.push(picture(800, true))
    expect(slow.writableLength).toBe(held)
    while (release.length > 0) release.shift()!()
    feed.push(picture(840))
    const missed = subscription.droppedTags
    feed.push(picture(880, true))
    feed.push(picture(920))
    while (release.length > 0) release.shift()!()
    expect(subscription.droppedTags).toBe(missed)
    expect(feed.droppedTags).toBe(missed)
    const times = written.filter((bytes) => bytes[0] === 9).map((bytes) => bytes.readUIntBE(4, 3))
    expect(times.slice(-2)).toEqual([880, 920])
    expect(times).not.toContain(840)
  })

  it('keeps a slow sink from anybody else', async () => {
    const feed = feedWith(picture(0, true))
    feed.subscribe(new Writable({ highWaterMark: 1, write: () => undefined }), () => undefined)
    const { sink, seen } = collect()
    feed.subscribe(sink, () => undefined)
    for (let time = 40; time <= 2000; time += 40) feed.push(picture(time))
    await settled()
    expect(seen()).toHaveLength(2 + 51)
  })

  it('ends subscriptions with the stream and forgets its pictures', async () => {
    const feed = feedWith(picture(0, true))
    const ends: string[] = []
    const { sink, seen } = collect()
    feed.subscribe(sink, (why) => ends.push(why))
    feed.reset('the camera is gone')
    feed.push(Buffer.concat([header, picture(40, true)]))
    await settled()
    expect(ends).toEqual(['the camera is gone'])
    expect(feed.subscribers).toBe(0)
    expect(seen()).toEqual(['m0', 'h0', 'k0'])
    expect(feed.clipUpTo(0)).toBeUndefined()
  })

  it('unsubscribes a sink that closes', async () => {
    const feed = feedWith(picture(0, true))
    const sink = new PassThrough()
    feed.subscribe(sink, () => undefined)
    sink.destroy()
    await settled()
    expect(feed.subscribers).toBe(0)
  })

  it('cuts a clip at the wanted picture in decoding order, from this group or one of the last seconds', () => {
    // Decoding order P at 120 before the B pictures at 40 and 80.
    const feed = feedWith(
      picture(0, true),
      picture(40, false, 80),
      picture(80, false, -40),
      picture(120, false, -40),
    )
    const clip = feed.clipUpTo(40)
    expect(clip?.ptsMs).toBe(40)
    expect(clip?.chunks).toHaveLength(3 + 3)
    feed.push(picture(160, true))
    expect(feed.clipUpTo(80)?.chunks).toHaveLength(3 + 4)
    expect(feed.clipUpTo(160)?.chunks).toHaveLength(3 + 1)
    expect(feed.clipUpTo(300)).toBeUndefined()
    // Key frames may come close together: what was shown just now stays.
    for (let time = 200; time <= 5160; time += 40) feed.push(picture(time, true))
    expect(feed.clipUpTo(80)).toBeDefined()
    feed.push(picture(5200, true))
    expect(feed.clipUpTo(80)).toBeUndefined()
    expect(feed.clipUpTo(200)).toBeDefined()
  })

  it('holds no more than its bound and forgets a group that alone passes it', () => {
    const feed = new FlvFeed({ maxCacheBytes: 1000 })
    feed.push(Buffer.concat([header, sequenceHeader, picture(0, true, 0, 300), picture(40, false, 0, 300)]))
    expect(feed.clipUpTo(40)).toBeDefined()
    feed.push(picture(80, true, 0, 500))
    expect(feed.clipUpTo(40)).toBeUndefined()
    expect(feed.clipUpTo(80)).toBeDefined()
    feed.push(picture(120, false, 0, 600))
    expect(feed.clipUpTo(80)).toBeUndefined()
    feed.push(picture(160, true, 0, 300))
    expect(feed.clipUpTo(160)).toBeDefined()
  })
})
