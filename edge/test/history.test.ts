/** What the edge answers about its recordings: a real ring of pictures that ffmpeg coded, asked for by a real server. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { HistoryAsk } from '@patrolhub/protocol'
import { FlvReader, type FlvTag, MAX_FLV_TAG_BYTES, readVideoPacket } from '@patrolhub/protocol/flv'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { FlvFeed } from '../src/capture/flv-feed.ts'
import { History } from '../src/history/history.ts'
import { Pace } from '../src/history/pace.ts'
import { CameraRing } from '../src/recording/camera-ring.ts'
import { formatSegmentName } from '../src/recording/segment-name.ts'
import { readableLog } from './support/camera.ts'
import { waitFor } from './support/wait.ts'

const run = promisify(execFile)
/** The clock of the first picture: a day that is long past. */
const BEGIN_MS = 1_760_000_000_000
/** Two connections of 25 seconds, ten minutes apart. */
const SECOND_MS = BEGIN_MS + 600_000
const LENGTH_MS = 25_000

interface Answer {
  path: string
  authorization: string
  type: string
  fromMs: string | undefined
  bytes: Buffer
  isWhole: boolean
}

let folder: string
let ring: CameraRing
let history: History
let logText: () => string
const answers: Answer[] = []
const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('error', () => undefined)
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('close', () => {
    const { authorization = '', 'content-type': type = '' } = request.headers
    const fromMs = request.headers['x-patrolhub-from-ms']
    answers.push({
      path: request.url!,
      authorization,
      type,
      fromMs: fromMs === undefined ? undefined : String(fromMs),
      bytes: Buffer.concat(parts),
      isWhole: request.complete,
    })
  })
  request.on('end', () => response.writeHead(204).end())
})

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-history-'))
  const source = join(folder, 'source.flv')
  const lavfi = `testsrc2=size=160x120:rate=10:duration=${LENGTH_MS / 1000}`
  const coder = ['-c:v', 'libx264', '-g', '10', '-bf', '2', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']
  await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', lavfi, ...coder, '-f', 'flv', source])
  const bytes = await readFile(source)
  const limits = { maxBytes: 2 ** 30, maxAgeMs: 2 ** 45 }
  const options = { folder: join(folder, 'ring'), limits, log: readableLog().log, onSegment: () => undefined }
  const recorder = new CameraRing(options)
  await recorder.open()
  const feed = new FlvFeed()
  feed.record(recorder)
  // Only the wall clock is set: the ring writes with real timers to a real disk.
  vi.useFakeTimers({ toFake: ['Date'] })
  for (const beginMs of [BEGIN_MS, SECOND_MS]) {
    let at = 0
    for (const tag of new FlvReader({ maxTagBytes: MAX_FLV_TAG_BYTES }).push(bytes)) {
      const end = bytes.indexOf(tag.bytes, at) + tag.bytes.length
      vi.setSystemTime(beginMs + tag.timestampMs)
      feed.push(bytes.subarray(at, end))
      at = end
    }
    feed.reset('the camera went')
  }
  await recorder.close()
  vi.useRealTimers()
  // As after a restart: nothing of it is in memory.
  ring = new CameraRing(options)
  await ring.open()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { log, text } = readableLog()
  logText = text
  history = new History({
    hubUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    edgeId: 'edge-7',
    token: 'the-token',
    dataDir: folder,
    ringOf: (cameraId) => (cameraId === 'cam-01' ? ring : undefined),
    log,
  })
  await history.start()
})
afterAll(async () => {
  await history?.close()
  server.close()
  server.closeAllConnections()
  await ring?.close()
  await rm(folder, { recursive: true, force: true })
})

type Wish = { fromMs: number; toMs: number; cameraId?: string } & (
  | { action: 'play'; atMs: number }
  | { action: 'list' }
  | { action: 'clip'; maxBytes: number }
)
async function ask(wish: Wish): Promise<Answer> {
  const askId = randomUUID()
  const speed = wish.action === 'play' ? { speed: 8 } : {}
  const command = { askId, cameraId: 'cam-01', answerPath: `/answer/${askId}`, ...speed, ...wish }
  history.handle(command as HistoryAsk)
  return waitFor('the answer', () => answers.find(({ path }) => path.endsWith(askId)))
}

function pictures({ bytes }: Answer): (FlvTag & { ptsMs: number; isKey: boolean })[] {
  return new FlvReader({ maxTagBytes: MAX_FLV_TAG_BYTES }).push(bytes).flatMap((tag) => {
    const packet = readVideoPacket(tag)
    if (packet.role !== 'key-frame' && packet.role !== 'frame') return []
    const ptsMs = tag.timestampMs + packet.compositionMs
    return [{ ...tag, ptsMs, isKey: packet.role === 'key-frame' }]
  })
}

/** Pictures that are sent in another order than shown: this far ahead. */
const REORDER_MS = 200

describe('recorded history', () => {
  it('is listed without its holes, cut to the span', async () => {
    const answer = await ask({ action: 'list', fromMs: BEGIN_MS + 5000, toMs: SECOND_MS + 60_000 })
    expect(answer.authorization).toBe(`Basic ${Buffer.from('edge-7:the-token').toString('base64')}`)
    const { stretches } = JSON.parse(answer.bytes.toString())
    expect(stretches).toHaveLength(2)
    expect(stretches[0].fromMs).toBe(BEGIN_MS + 5000)
    for (const [value, wanted] of [
      [stretches[0].toMs, BEGIN_MS + LENGTH_MS],
      [stretches[1].fromMs, SECOND_MS],
      [stretches[1].toMs, SECOND_MS + LENGTH_MS],
    ]) {
      expect(Math.abs(value - wanted)).toBeLessThan(400)
    }
  })

  it('is played from a key frame on, over a hole, with every time inside the span', async () => {
    const span = { fromMs: BEGIN_MS + 12_000, toMs: SECOND_MS + 3000 }
    const answer = await ask({ action: 'play', ...span, atMs: BEGIN_MS + 18_500 })
    expect(answer).toMatchObject({ type: 'video/x-flv', isWhole: true })
    const shown = pictures(answer)
    expect(shown[0]!.isKey).toBe(true)
    // The key frame at or before the position; the clock begins with the span.
    expect(shown[0]!.timestampMs).toBeGreaterThan(5300)
    expect(shown[0]!.timestampMs).toBeLessThanOrEqual(6500)
    expect(Math.max(...shown.map(({ ptsMs }) => ptsMs))).toBeLessThanOrEqual(span.toMs - span.fromMs)
    const times = shown.map(({ timestampMs }) => timestampMs)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    const steps = times.slice(1).map((time, index) => time - times[index]!)
    expect(steps.filter((step) => step > 500)).toHaveLength(1)
    expect(Math.max(...steps)).toBeGreaterThan(570_000)
    expect(shown.length).toBeGreaterThan(65 + 25)
    const file = join(folder, 'played.flv')
    await writeFile(file, answer.bytes)
    const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-'])
    expect(stderr).toBe('')
  })

  it('begins inside the span, wherever it is asked for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -3000, max: LENGTH_MS + 3000 }),
        fc.integer({ min: 1, max: 8000 }),
        fc.integer({ min: -5000, max: LENGTH_MS }),
        async (from, length, at) => {
          const span = { fromMs: BEGIN_MS + from, toMs: BEGIN_MS + from + length }
          const answer = await ask({ action: 'play', ...span, atMs: BEGIN_MS + at })
          if (answer.type === 'application/json') {
            expect(JSON.parse(answer.bytes.toString()).refused).toBe('nothing')
            return
          }
          const shown = pictures(answer)
          expect(shown[0]!.isKey).toBe(true)
          for (const { ptsMs, timestampMs } of shown) {
            expect(timestampMs).toBeGreaterThanOrEqual(0)
            // A key frame that is decoded before the span begins is sent at its begin, and shown as much later.
            expect(ptsMs).toBeLessThanOrEqual(length + REORDER_MS)
          }
        },
      ),
      { numRuns: 25, examples: [[0, 1, 0]] },
    )
  })

  it('is cut into a clip that holds nothing of before or after the span', async () => {
    const span = { fromMs: BEGIN_MS + 4400, toMs: BEGIN_MS + 14_600 }
    const answer = await ask({ action: 'clip', ...span, maxBytes: 2 ** 26 })
    expect(answer.type).toBe('video/mp4')
    const beginMs = Number(answer.fromMs)
    expect(beginMs).toBeGreaterThanOrEqual(span.fromMs)
    expect(beginMs).toBeLessThan(span.fromMs + 1100)
    const file = join(folder, 'clip.mp4')
    await writeFile(file, answer.bytes)
    const { stdout } = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'format=duration',
      '-of',
      'csv=p=0',
      file,
    ])
    expect(beginMs + Number(stdout) * 1000).toBeLessThanOrEqual(span.toMs + 101)
    expect(Number(stdout)).toBeGreaterThan(8.5)
    expect(await readdir(join(folder, 'history'))).toEqual([])
    const large = await ask({ action: 'clip', ...span, maxBytes: 1000 })
    expect(JSON.parse(large.bytes.toString())).toMatchObject({ refused: 'failed' })
  })

  it('says why there is none', async () => {
    const span = { fromMs: BEGIN_MS + 100_000, toMs: BEGIN_MS + 110_000 }
    const why = async (wish: Wish) => JSON.parse((await ask(wish)).bytes.toString()).refused
    expect(await why({ action: 'play', ...span, atMs: span.fromMs })).toBe('nothing')
    expect(await why({ action: 'clip', ...span, maxBytes: 2 ** 20 })).toBe('nothing')
    expect(await why({ action: 'list', ...span, cameraId: 'cam-99' })).toBe('not-recorded')
    const list = await ask({ action: 'list', ...span })
    expect(JSON.parse(list.bytes.toString())).toEqual({ stretches: [] })
  })

  it('stops when the hub says so', async () => {
    const askId = randomUUID()
    const wish = { action: 'play', fromMs: BEGIN_MS, toMs: BEGIN_MS + LENGTH_MS, atMs: BEGIN_MS, speed: 1 }
    history.handle({ askId, cameraId: 'cam-01', answerPath: `/answer/${askId}`, ...wish } as HistoryAsk)
    expect(history.active).toBe(1)
    history.handle({ action: 'stop', askId })
    await waitFor('the end', () => history.active === 0)
    expect(answers.find(({ path }) => path.endsWith(askId))?.isWhole ?? false).toBe(false)
  })

  it('goes on behind a segment that is damaged', async () => {
    const [first] = await ring.held()
    const path = join(folder, 'ring', formatSegmentName(first!.name))
    const whole = await readFile(path)
    await truncate(path, 2000)
    await appendFile(path, Buffer.alloc(whole.length - 2000, 7))
    const span = { fromMs: BEGIN_MS, toMs: BEGIN_MS + LENGTH_MS }
    const shown = pictures(await ask({ action: 'play', ...span, atMs: BEGIN_MS }))
    expect(shown.at(-1)!.timestampMs).toBeGreaterThan(LENGTH_MS - 1500)
    expect(logText()).toContain('a recorded segment is damaged')
    await writeFile(path, whole)
  })
})

describe('the pace', () => {
  it('is the speed that was asked for, with some in hand and the holes left out', () => {
    const pace = new Pace(2, 1000)
    expect(pace.waitMs(50_000, 1000)).toBe(0)
    // 4 s of pictures take 2 s, of which 1.5 are sent ahead.
    for (let step = 1; step < 40; step += 1) pace.waitMs(50_000 + step * 100, 1000)
    expect(pace.waitMs(54_000, 1000)).toBe(500)
    expect(pace.waitMs(54_000 + 3_600_000, 1000)).toBe(500)
    expect(pace.waitMs(54_100 + 3_600_000, 1550)).toBe(0)
  })
})
