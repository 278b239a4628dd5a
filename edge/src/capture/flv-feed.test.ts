import { PassThrough, Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { encodeFlvTag, FlvParser, type FlvTag, readVideoPacket } from './flv.ts'
import { FlvFeed } from './flv-feed.ts'

const metadata = encodeFlvTag('script', 0, Buffer.from('about'))
const sequenceHeader = encodeFlvTag('video', 0, Buffer.from([0x17, 0, 0, 0, 0, 1, 2, 3]))

function picture(timestampMs: number, isKeyFrame = false, compositionMs = 0, size = 20): FlvTag {
  const payload = Buffer.alloc(size, timestampMs & 0xff)
  payload[0] = isKeyFrame ? 0x17 : 0x27
  payload[1] = 1
  payload.writeIntBE(compositionMs, 2, 3)
  return encodeFlvTag('video', timestampMs, payload)
}

function feedWith(...tags: FlvTag[]): FlvFeed {
  const feed = new FlvFeed({ maxSinkBytes: 200 })
  for (const tag of [metadata, sequenceHeader, ...tags]) feed.push(tag)
  return feed
}

/** A sink and what has reached it: `k120` key frame, `p160` picture, `h` sequence header, `m` metadata. */
function collect(): { sink: PassThrough; seen: () => string[] } {
  const sink = new PassThrough()
  const parser = new FlvParser()
  const seen: string[] = []
  sink.on('data', (chunk: Buffer) => {
    for (const tag of parser.push(chunk)) {
      const packet = tag.kind === 'video' ? readVideoPacket(tag.payload) : undefined
      if (packet?.kind === 'frame') seen.push(`${packet.isKeyFrame ? 'k' : 'p'}${tag.timestampMs}`)
      else seen.push(`${tag.kind === 'script' ? 'm' : 'h'}${tag.timestampMs}`)
    }
  })
  return { sink, seen: () => seen }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('FlvFeed', () => {
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
    feed.push(picture(40, true))
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
    for (const tag of [sequenceHeader, picture(0, true, 0, 300), picture(40, false, 0, 300)]) feed.push(tag)
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
