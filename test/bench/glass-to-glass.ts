/// <reference lib="dom" />
/**
 * How old the picture is that an operator sees: a camera (GStreamer's RTSP server, H.264, key frame a second) draws the
 * time into each picture as it is taken; edge and hub are the processes that they are in production, the picture is
 * read from a canvas in Chromium with the delivered dashboard. Camera, hub and browser share one clock.
 *
 *   npm run bench -- glass-to-glass [--rounds 8] [--seconds 40] [--size 640x360] [--codec h264]
 *
 * `click`: from the click that asks for the grant to the first picture, with the camera not published before; its edge
 * is connected to the camera all the time. `age`: of each picture shown, from its taking to its pixels on the canvas,
 * after the player has settled. `atGate`: of the same stream at a player in this process, from taking to its last byte.
 * A camera with H.265 is converted at the edge, since Chromium plays none without a graphics card.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Grant } from '@patrolhub/protocol'
import { encodeFlvHeader, FlvReader, type FlvTag, readVideoPacket } from '@patrolhub/protocol/flv'
import type { Page } from 'playwright-core'
import { stringify } from 'yaml'
import { startEdge } from '../../edge/test/support/edge-process.ts'
import { startGstCamera } from '../../edge/test/support/gst-rtsp.ts'
import { signIn } from '../../server/test/support/dashboard-session.ts'
import { freshFolder, startHubProcess, testEnv } from '../../server/test/support/hub.ts'
import { eventually } from '../../server/test/support/streams.ts'
import { report, type Spread, spreadOf } from '../support/bench.ts'
import { launchChromium } from '../support/browser.ts'
import { readStamp, STAMP_BITS, STAMP_ROWS, stampCellPx } from '../support/picture-stamp.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '40' },
    size: { type: 'string', default: '640x360' },
    codec: { type: 'string', default: 'h264' },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const [width, height] = values.size.split('x').map(Number) as [number, number]
if (!(rounds >= 1) || !(seconds >= 1) || !(width >= STAMP_BITS * 4)) {
  throw new Error('--rounds and --seconds take a number above 0, --size a width and height in pixels')
}
const codec = (['h264', 'h265'] as const).find((one) => one === values.codec)
if (!codec) throw new Error('--codec takes h264 or h265')
const FPS = 25
const KBIT = 2000
const SETTLE_MS = 8000
const REGION = '410502003'
const CAMERA_ID = 'cam-bench'
const EDGE_ID = 'edge-bench'
const AGE_P50_BAR_MS = 200
const AGE_P95_BAR_MS = 300
const FIRST_PICTURE_BAR_MS = 1000

/** One picture that was shown: epoch ms of its reading, grey values of the cells. */
interface Shown {
  atMs: number
  greys: number[]
}
interface Watch {
  clickedAtMs: number
  shown: Shown[]
}

/** Runs in the page, before anything of it: notes the click on a dialog's own button and every picture of a video. */
function watchPictures({ bits, rows }: { bits: number; rows: number }): void {
  const watch: Watch = { clickedAtMs: 0, shown: [] }
  Object.assign(globalThis, { benchWatch: watch })
  const note = (event: Event): void => {
    if ((event.target as Element).closest('form button[type=submit]')) watch.clickedAtMs = Date.now()
  }
  document.addEventListener('click', note, { capture: true })
  const seen = new WeakSet<HTMLVideoElement>()
  const follow = (event: Event): void => {
    const video = event.target as HTMLVideoElement
    if (seen.has(video)) return
    seen.add(video)
    const canvas = document.createElement('canvas')
    const context = canvas.getContext('2d', { willReadFrequently: true })!
    const read = (): void => {
      if (canvas.width !== video.videoWidth) canvas.width = video.videoWidth
      canvas.height = rows
      context.drawImage(video, 0, 0, video.videoWidth, rows, 0, 0, canvas.width, rows)
      const { data } = context.getImageData(0, rows / 2, canvas.width, 1)
      const cell = Math.floor(canvas.width / bits)
      const greys = Array.from({ length: bits }, (_, bit) => data[4 * (bit * cell + (cell >> 1)) + 1]!)
      watch.shown.push({ atMs: Date.now(), greys })
      video.requestVideoFrameCallback(read)
    }
    video.requestVideoFrameCallback(read)
  }
  document.addEventListener('loadstart', follow, { capture: true })
}

const takeWatch = (page: Page): Promise<Watch> =>
  page.evaluate(() => {
    const { benchWatch } = globalThis as unknown as { benchWatch: Watch }
    return { clickedAtMs: benchWatch.clickedAtMs, shown: benchWatch.shown.splice(0) }
  })

/** Ages in ms; pictures that carry no time are an error, since everything shown was stamped. */
function agesOf(shown: readonly Shown[]): number[] {
  return shown.map(({ atMs, greys }) => {
    const takenAtMs = readStamp(greys, atMs)
    if (takenAtMs === undefined) throw new Error(`a picture without a readable time: ${greys.join(' ')}`)
    return atMs - takenAtMs
  })
}

/** Plays beside the browser and gives the age of every picture when its last byte was there. */
function playAtGate(url: string, cookie: string) {
  const reader = new FlvReader({ maxTagBytes: 16 * 1024 * 1024 })
  const came: { tag: FlvTag; atMs: number }[] = []
  const player = request(url, { headers: { cookie }, agent: false }, (response) => {
    response.on('data', (chunk: Buffer) => {
      const atMs = Date.now()
      for (const tag of reader.push(chunk)) came.push({ tag, atMs })
    })
    response.on('error', () => undefined)
  })
  player.on('error', () => undefined)
  player.end()
  return {
    async ages(): Promise<number[]> {
      player.destroy()
      const strips = await decodeStrips(came.map(({ tag }) => tag))
      const pictures = came.filter(({ tag }) => /frame/.test(readVideoPacket(tag).role))
      const cell = stampCellPx(width)
      const shown = strips.map((strip, index) => ({
        atMs: pictures[index]!.atMs,
        greys: Array.from({ length: STAMP_BITS }, (_, bit) => strip[bit * cell + (cell >> 1)]!),
      }))
      // What was kept from before it came is old by nature.
      return agesOf(shown).slice(FPS)
    },
  }
}

/** One line of grey values of every picture, in order. */
async function decodeStrips(tags: readonly FlvTag[]): Promise<Buffer[]> {
  const args = ['-v', 'error', '-f', 'flv', '-i', 'pipe:0', '-fps_mode', 'passthrough']
  const crop = ['-vf', `crop=iw:2:0:${STAMP_ROWS / 2}`, '-pix_fmt', 'gray', '-f', 'rawvideo', 'pipe:1']
  const child = spawn('ffmpeg', [...args, ...crop], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => undefined)
  child.stdin.end(
    Buffer.concat([encodeFlvHeader({ audio: false, video: true }), ...tags.map(({ bytes }) => bytes)]),
  )
  const parts: Buffer[] = []
  for await (const part of child.stdout) parts.push(part)
  const grey = Buffer.concat(parts)
  return Array.from({ length: grey.length / width / 2 }, (_, index) =>
    grey.subarray(index * width * 2, index * width * 2 + width),
  )
}

const stack = new AsyncDisposableStack()
const dataDir = await freshFolder()
stack.defer(() => rm(dataDir, { recursive: true, force: true }))

async function startSystem() {
  const gst = await startGstCamera({ stamped: true, codec, width, height, fps: FPS, gop: FPS, bitrate: KBIT })
  stack.defer(() => gst.stop())
  const hub = await startHubProcess(testEnv(dataDir, { PATROLHUB_LOG_LEVEL: 'info' }))
  stack.defer(async () => void (await hub.stop('SIGTERM')))
  const url = `http://127.0.0.1:${hub.httpPort}`
  const admin = await signIn(url, 'admin', /admin \/ (\S+)/.exec(hub.lines.join('\n'))![1]!)
  const made = async <T>(path: string, body: object): Promise<T> => {
    const { status, json } = await admin.ask('POST', path, body)
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(json)}`)
    return json as T
  }
  const { token } = await made<{ token: string }>('/api/edges', {
    edgeId: EDGE_ID,
    name: 'Bench',
    region: REGION,
  })
  const user = { username: 'operator', displayName: 'Operator', role: 'operator', scope: '410502' }
  const { oneTimePassword } = await made<{ oneTimePassword: string }>('/api/users', user)
  const operator = await signIn(url, 'operator', oneTimePassword)
  const tokenFile = join(dataDir, 'edge-token')
  writeFileSync(tokenFile, token, { mode: 0o600 })
  const config = join(dataDir, 'edge.yaml')
  const camera = {
    ...{ cameraId: CAMERA_ID, name: 'Bench', region: REGION, sensitivity: 'public' },
    ...{ url: gst.url, analysisFps: 2, rules: [] },
  }
  const edgeSettings = {
    ...{ edgeId: EDGE_ID, name: 'Bench', region: REGION, dataDir: join(dataDir, 'edge'), healthSeconds: 2 },
    hub: { url, mqttUrl: `mqtt://127.0.0.1:${hub.mqttPort}`, tokenFile },
    cameras: [camera],
  }
  writeFileSync(config, stringify(edgeSettings))
  const edge = startEdge(['--config', config])
  stack.defer(async () => {
    edge.child.kill('SIGTERM')
    await edge.ended
  })
  await eventually(
    async () => {
      const { json } = await operator.ask('GET', '/api/devices')
      const { cameras } = json as { cameras: { health?: { state: string } }[] }
      return cameras[0]?.health?.state === 'online'
    },
    60_000,
    'the camera is online',
  ).catch((error) => {
    throw new Error(`${error.message}\n${edge.output()}`)
  })
  return { url, operator }
}

async function isPublished(url: string): Promise<boolean> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return !/^patrolhub_cameras_published 0$/m.test(metrics)
}

const figures: Record<string, unknown> = {
  codec,
  picture: `${width}x${height}`,
  fps: FPS,
  gop: FPS,
  kbit: KBIT,
}
let firstMs: Spread
let ageMs: Spread
try {
  const { url, operator } = await startSystem()
  const browser = await launchChromium()
  stack.defer(() => browser.close())
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 } })
  const [name, value] = operator.cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url }])
  const page = await context.newPage()
  await page.addInitScript(watchPictures, { bits: STAMP_BITS, rows: STAMP_ROWS })
  await page.goto(`${url}/live?camera=${CAMERA_ID}`)
  const firsts: number[] = []
  /** Age of the picture shown so long after the first, ms. */
  const catchUp = new Map([0, 500, 1000, 2000, 4000].map((afterMs) => [afterMs, [] as number[]]))
  const ask = async (): Promise<void> => {
    await page.getByRole('button', { name: 'Ask for live video' }).click()
    await page.getByRole('button', { name: 'Request' }).click()
  }
  for (let round = 0; round < rounds; round += 1) {
    await eventually(async () => !(await isPublished(url)), 30_000, 'the camera is not published any more')
    await ask()
    await delay(5000)
    const { clickedAtMs, shown } = await takeWatch(page)
    if (shown.length === 0) throw new Error('no picture within 5 s')
    firsts.push(shown[0]!.atMs - clickedAtMs)
    const ages = agesOf(shown)
    for (const [afterMs, list] of catchUp) {
      const index = shown.findIndex(({ atMs }) => atMs >= shown[0]!.atMs + afterMs)
      if (index >= 0) list.push(ages[index]!)
    }
    console.log(`round ${round + 1}: first picture after ${firsts.at(-1)} ms, ${ages[0]} ms old`)
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByRole('button', { name: 'Ask for live video' }).waitFor()
    await takeWatch(page)
  }
  await ask()
  await delay(SETTLE_MS)
  await takeWatch(page)
  const { items } = (await operator.ask('GET', '/api/grants')).json as { items: Grant[] }
  const grant = items.find(({ state }) => state === 'active')!
  const atGate = playAtGate(url + grant.cameras[0]!.playPath!, operator.cookie)
  await delay(seconds * 1000)
  const { shown } = await takeWatch(page)
  const ages = agesOf(shown)
  const gateAges = await atGate.ages()
  firstMs = spreadOf(firsts)
  ageMs = spreadOf(ages)
  Object.assign(figures, {
    clickToFirstPictureMs: firstMs,
    ageMs,
    ageAtGateMs: spreadOf(gateAges),
    ageAfterFirstMs: Object.fromEntries([...catchUp].map(([afterMs, list]) => [afterMs, spreadOf(list).p50])),
    shownPerSecond: Math.round((shown.length / seconds) * 10) / 10,
  })
} finally {
  await stack.disposeAsync()
}
for (const [key, value] of Object.entries(figures)) console.log(`${key}: ${JSON.stringify(value)}`)
const bar = (title: string, value: number | null, limit: number) => ({
  ...{ name: title, value: value ?? Number.NaN, unit: 'ms', bar: limit },
  ok: value !== null && value < limit,
})
report('glass-to-glass', figures, [
  bar('age of the picture, p50', ageMs.p50, AGE_P50_BAR_MS),
  bar('age of the picture, p95', ageMs.p95, AGE_P95_BAR_MS),
  bar('click to the first picture, p95', firstMs.p95, FIRST_PICTURE_BAR_MS),
])
