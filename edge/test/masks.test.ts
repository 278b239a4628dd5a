/** Privacy masks: whatever leaves the edge is decoded here, and every pixel of the masked area looked at. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { promisify } from 'node:util'
import type { NormPoint } from '@patrolhub/protocol'
import { decode } from 'jpeg-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CameraCapture } from '../src/capture/camera-capture.ts'
import type { Frame } from '../src/capture/frame.ts'
import { decodePicture } from '../src/evidence/snapshot.ts'
import { isInside } from '../src/judge/polygon.ts'
import { CameraRing } from '../src/recording/camera-ring.ts'
import { cutClip } from '../src/recording/clip.ts'
import { cameraConfig, FORMAT, readableLog } from './support/camera.ts'
import { startGstCamera } from './support/gst-rtsp.ts'
import { waitFor } from './support/wait.ts'

const run = promisify(execFile)
const WIDTH = 640
const HEIGHT = 360
/** Coding lets black grow a little lighter beside bright. */
const BLACK = 40
const BRIGHT = 90
const MASKS: NormPoint[][] = [
  [
    [0.1, 0.2],
    [0.45, 0.15],
    [0.3, 0.8],
  ],
  [
    [0.8, 0.7],
    [1, 0.7],
    [1, 1],
    [0.8, 1],
  ],
]

let folder = ''
const cleanups: (() => Promise<unknown> | unknown)[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-masks-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A picture that is bright everywhere and never the same. */
async function brightClip(): Promise<string> {
  const path = join(folder, 'bright.mkv')
  const source = `color=black:s=${WIDTH}x${HEIGHT}:r=10:d=8,format=gray,geq=lum='150+80*sin(X/9+N)*cos(Y/7)',format=yuv420p`
  await run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', source, '-c:v', 'mjpeg', '-q:v', '2', path])
  return path
}

/** 1 for every pixel whose middle lies inside a mask. */
function insideOf(width: number, height: number): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, index) => {
    const point: NormPoint = [((index % width) + 0.5) / width, (Math.floor(index / width) + 0.5) / height]
    return MASKS.some((mask) => isInside(point, mask)) ? 1 : 0
  })
}

/** The lightest value inside the masks and the mean outside; `at(x, y)` is the grey value of a pixel. */
function look(masked: Uint8Array, width: number, at: (x: number, y: number) => number) {
  let inside = 0
  let outside = 0
  let count = 0
  for (let index = 0; index < masked.length; index += 1) {
    const value = at(index % width, Math.floor(index / width))
    if (masked[index]) inside = Math.max(inside, value)
    else {
      outside += value
      count += 1
    }
  }
  return { inside, outside: outside / count }
}

const MASKED = insideOf(WIDTH, HEIGHT)

/** The same of every picture of a file. */
async function lookAt(file: string) {
  const args = [
    '-v',
    'error',
    '-i',
    file,
    '-fps_mode',
    'passthrough',
    '-pix_fmt',
    'gray',
    '-f',
    'rawvideo',
    '-',
  ]
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 512 * 1024 ** 2 })
  const size = WIDTH * HEIGHT
  return Array.from({ length: stdout.length / size }, (_, number) =>
    look(MASKED, WIDTH, (x, y) => stdout[number * size + y * WIDTH + x]!),
  )
}

describe('a masked area', () => {
  it.each(['h264', 'h265'] as const)(
    'appears in no analysis frame, snapshot, clip or live picture (%s)',
    async (codec) => {
      const gst = await startGstCamera({ clip: await brightClip(), fps: 10, gop: 10, codec })
      cleanups.push(() => gst.stop())
      const ring = new CameraRing({
        folder: join(folder, 'ring'),
        limits: { maxBytes: 2 ** 26, maxAgeMs: 3_600_000 },
        log: readableLog().log,
        onSegment: () => undefined,
      })
      cleanups.push(() => ring.close())
      await ring.open()
      const capture = new CameraCapture({
        camera: cameraConfig(gst.url, { masks: MASKS }),
        format: FORMAT,
        log: readableLog().log,
      })
      cleanups.push(() => capture.close())
      capture.record(ring)
      const frames: Frame[] = []
      capture.onFrame((frame) => frames.push(frame))
      const live: Buffer[] = []
      const player = new Writable({
        write(chunk: Buffer, _encoding, done) {
          live.push(chunk)
          done()
        },
      })
      capture.flv.subscribe(player, () => undefined)
      capture.start(new AbortController().signal)
      await waitFor('four seconds', () => ring.position.ptsMs > 4000, { seen: () => capture.state })
      expect(capture.state).toEqual({ state: 'online', why: '' })

      const small = insideOf(frames[0]!.pictureWidthPx, frames[0]!.pictureHeightPx)
      for (const { data, pictureWidthPx, widthPx } of frames) {
        const seen = look(small, pictureWidthPx, (x, y) => data[(y * widthPx + x) * 3 + 1]!)
        // A small picture mixes neighbours: the outermost pixels of the mask are part of what lies beside it.
        expect(seen.inside).toBeLessThan(BRIGHT)
        expect(seen.outside).toBeGreaterThan(BRIGHT)
      }
      const { streamMs } = frames.at(-4)!
      const jpeg = decode(await decodePicture(capture.clipUpTo(streamMs)!))
      const snapshot = look(MASKED, WIDTH, (x, y) => jpeg.data[(y * WIDTH + x) * 4 + 1]!)
      const clip = join(folder, 'clip.mp4')
      const { streamId } = ring.position
      const wish = { streamId, fromMs: 0, atMs: 2000, toMs: 4000, maxBytes: 2 ** 24 }
      expect(await cutClip(ring, wish, clip, new AbortController().signal)).toBeDefined()
      const liveFile = join(folder, 'live.flv')
      await writeFile(liveFile, Buffer.concat(live))
      const pictures = [snapshot, ...(await lookAt(clip)), ...(await lookAt(liveFile))]
      expect(pictures.length).toBeGreaterThan(60)
      expect(Math.max(...pictures.map(({ inside }) => inside))).toBeLessThan(BLACK)
      expect(Math.min(...pictures.map(({ outside }) => outside))).toBeGreaterThan(BRIGHT)
    },
  )
})
