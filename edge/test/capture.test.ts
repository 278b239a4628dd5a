/** Capture against cameras that we did not write: GStreamer's RTSP server, and servers that are no cameras at all. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { RtspCamera } from '../../test/simulator/rtsp-camera.ts'
import { makeTestClip } from '../../test/simulator/test-clip.ts'
import { CameraCapture, type CameraCaptureOptions, type CaptureState } from '../src/capture/camera-capture.ts'
import type { Frame } from '../src/capture/frame.ts'
import { cameraConfig, FORMAT, isAlive, readableLog } from './support/camera.ts'
import { type GstCamera, type GstCameraOptions, startGstCamera } from './support/gst-rtsp.ts'
import { waitFor } from './support/wait.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function gstCamera(options: GstCameraOptions = {}): Promise<GstCamera> {
  const camera = await startGstCamera(options)
  cleanups.push(() => camera.stop())
  return camera
}

interface Watched {
  capture: CameraCapture
  frames: { frame: Frame; gotAtMs: number }[]
  states: CaptureState[]
  logText: () => string
}

function watch(url: string, timings: CameraCaptureOptions['timings'] = {}): Watched {
  const { log, text } = readableLog()
  const capture = new CameraCapture({
    camera: cameraConfig(url),
    format: FORMAT,
    log,
    timings: { retryMinMs: 100, retryMaxMs: 300, ...timings },
  })
  const watched: Watched = { capture, frames: [], states: [], logText: text }
  capture.onFrame((frame) => watched.frames.push({ frame, gotAtMs: Date.now() }))
  capture.onState((state) => watched.states.push(state))
  cleanups.push(() => capture.close())
  capture.start(new AbortController().signal)
  return watched
}

const state = (watched: Watched, wanted: string): Promise<unknown> =>
  waitFor(`state ${wanted}`, () => watched.capture.state.state === wanted, {
    seen: () => ({ states: watched.states, log: watched.logText().slice(-1500) }),
  })

const frames = (watched: Watched, count: number): Promise<unknown> =>
  waitFor(`${count} frames`, () => watched.frames.length >= count, { seen: () => watched.states })

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return (server.address() as AddressInfo).port
}

describe('capture of a real RTSP camera', () => {
  it('gives padded frames of the detector’s size at the asked rate, with the time of their arrival', async () => {
    const watched = watch((await gstCamera({ fps: 25, gop: 25 })).url)
    await frames(watched, 16)
    expect(watched.capture.state).toEqual({ state: 'online', why: '' })
    for (const { frame, gotAtMs } of watched.frames) {
      expect(frame).toMatchObject({
        cameraId: 'cam-01',
        widthPx: 416,
        heightPx: 256,
        pictureWidthPx: 416,
        pictureHeightPx: 234,
      })
      expect(frame.data).toHaveLength(416 * 256 * 3)
      expect([...frame.data.subarray(416 * 234 * 3)].every((value) => value === 114)).toBe(true)
      expect(frame.capturedAtMs).toBeLessThanOrEqual(gotAtMs)
      expect(frame.capturedAtMs).toBeGreaterThan(gotAtMs - 1000)
    }
    const { frame: first } = watched.frames[1]!
    const { frame: last } = watched.frames.at(-1)!
    const perFrameMs = (last.streamMs - first.streamMs) / (watched.frames.length - 2)
    expect(perFrameMs).toBeGreaterThan(190)
    expect(perFrameMs).toBeLessThan(210)
    // Both clocks run alike: times come from the packets, not from when somebody looked.
    const drift = last.capturedAtMs - first.capturedAtMs - (last.streamMs - first.streamMs)
    expect(Math.abs(drift)).toBeLessThan(150)
    // No frame is held back for the next one (200 ms).
    const ages = watched.frames
      .map(({ frame, gotAtMs }) => gotAtMs - frame.capturedAtMs)
      .sort((a, b) => a - b)
    expect(ages[Math.floor(ages.length / 2)]).toBeLessThan(60)
  })

  it('keeps frames in order and dates them by their packet when pictures are reordered (B-frames)', async () => {
    const watched = watch((await gstCamera({ fps: 25, gop: 50, bframes: 2 })).url)
    await frames(watched, 20)
    const times = watched.frames.map(({ frame }) => frame.streamMs)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    const ages = watched.frames.slice(2).map(({ frame, gotAtMs }) => gotAtMs - frame.capturedAtMs)
    // A reference picture waits in the decoder for the two that are shown before it: three pictures of 40 ms.
    expect(Math.max(...ages)).toBeGreaterThan(80)
    expect(Math.min(...ages)).toBeGreaterThanOrEqual(0)
  })

  it('analyses H.265, and has it for those who view it', async () => {
    const watched = watch((await gstCamera({ codec: 'h265', fps: 10 })).url)
    await frames(watched, 8)
    expect(watched.capture.state).toEqual({ state: 'online', why: '' })
    expect(watched.capture.codec).toBe('h265')
    expect(watched.capture.flv.hasPicture).toBe(true)
    expect(watched.states.map((each) => each.state)).not.toContain('offline')
    const { frame, gotAtMs } = watched.frames.at(-1)!
    expect(gotAtMs - frame.capturedAtMs).toBeLessThan(1000)
    // A picture is known to be whole when the next one begins.
    await waitFor('a clip', () =>
      watched.frames.some((each) => watched.capture.clipUpTo(each.frame.streamMs)?.container === 'mpegts'),
    )
  })

  it('analyses even what no container of ours takes (Motion JPEG), and says what is missing', async () => {
    const watched = watch((await gstCamera({ codec: 'mjpeg', fps: 10 })).url)
    await frames(watched, 5)
    expect(watched.capture.state).toEqual({
      state: 'degraded',
      why: 'live viewing is not possible: FLV cannot carry mjpeg',
    })
    const { frame, gotAtMs } = watched.frames.at(-1)!
    expect(gotAtMs - frame.capturedAtMs).toBeLessThan(50)
    expect(watched.capture.clipUpTo(frame.streamMs)).toBeUndefined()
  })

  it('signs in with the credentials of the address and shows them to nobody', async () => {
    const camera = await gstCamera({ user: 'viewer', password: 's3cret-word' })
    const good = watch(camera.url)
    await frames(good, 2)
    const bad = watch(camera.url.replace('s3cret-word', 'wr0ng-word'))
    await state(bad, 'offline')
    expect(bad.capture.state.why).toBe('the camera refuses the user name or password')
    const everything = good.logText() + bad.logText() + JSON.stringify([good.states, bad.states])
    expect(everything).not.toMatch(/s3cret-word|wr0ng-word/)
  })

  it('goes offline when the camera stops and comes back when it is there again', async () => {
    const camera = await gstCamera()
    const watched = watch(camera.url)
    await state(watched, 'online')
    const ended: string[] = []
    watched.capture.flv.subscribe(new PassThrough().resume(), (why) => ended.push(why))
    await camera.stop()
    await state(watched, 'offline')
    expect(watched.capture.state.why).not.toBe('')
    expect(ended).toHaveLength(1)
    await waitFor(
      'a refused connection',
      () => watched.capture.state.why === 'nothing listens at this address',
      {
        seen: () => watched.states,
      },
    )
    const before = watched.frames.length
    await gstCamera({ port: camera.port })
    await state(watched, 'online')
    await frames(watched, before + 3)
  })

  it('notices a stream that stalls without closing, and starts it anew', async () => {
    const camera = await gstCamera()
    const watched = watch(camera.url, { stallMs: 1500 })
    await frames(watched, 3)
    camera.stall()
    await state(watched, 'offline')
    expect(watched.states.map((each) => each.state)).toContain('degraded')
    expect(watched.capture.state.why).toMatch(/stalled|in time|ended the stream/)
    camera.resume()
    const before = watched.frames.length
    await frames(watched, before + 3)
    expect(watched.capture.state.state).toBe('online')
  })
})

describe('a camera that misbehaves', () => {
  it('is read again when it comes back with another size and codec, and once more when it goes back', async () => {
    const camera = await gstCamera()
    const watched = watch(camera.url)
    await frames(watched, 3)
    await camera.stop()
    await state(watched, 'offline')
    const other = await gstCamera({ port: camera.port, codec: 'h265', width: 640, height: 480 })
    // 4:3 in a frame of 416 × 256.
    const isOther = () => watched.frames.at(-1)!.frame.pictureWidthPx === 341
    await waitFor('frames of the other size', isOther, { seen: () => watched.states })
    await state(watched, 'online')
    await other.stop()
    await state(watched, 'offline')
    await gstCamera({ port: camera.port })
    await waitFor('frames of the first size', () => !isOther(), { seen: () => watched.states })
    await state(watched, 'online')
  })

  it('that sends garbage is told of, hurts no neighbour, and is read again when it has come to its senses', async () => {
    const { clip, fps } = await makeTestClip()
    const mad = new RtspCamera({ clip, fps })
    const sane = new RtspCamera({ clip, fps })
    for (const camera of [mad, sane]) {
      await camera.start()
      cleanups.push(() => camera.close())
    }
    const watched = watch(mad.url, { stallMs: 1500, connectMs: 3000 })
    const neighbour = watch(sane.url)
    await frames(watched, 3)
    await frames(neighbour, 3)
    const ofNeighbour = neighbour.capture.runs
    mad.fault = 'garbage'
    await waitFor('trouble', () => ['degraded', 'offline'].includes(watched.capture.state.state), {
      seen: () => watched.states,
    })
    expect(watched.capture.state.why).not.toBe('')
    mad.fault = 'none'
    const before = watched.frames.length
    await frames(watched, before + 5)
    await state(watched, 'online')
    expect(neighbour.capture.runs).toBe(ofNeighbour)
    expect(neighbour.states.map((each) => each.state)).toEqual(['connecting', 'online'])
  })
})

describe('decoding only what is needed', () => {
  it.each(['h264', 'h265'] as const)(
    'decodes key frames while nothing moves, and tells of the moments between them (%s)',
    async (codec) => {
      const watched = watch((await gstCamera({ codec, pattern: 'smpte75', fps: 10, gop: 10 })).url)
      const stills: number[] = []
      watched.capture.onStill(({ streamMs }) => stills.push(streamMs))
      await waitFor('quiet moments', () => stills.length >= 6, { seen: () => watched.states })
      const quiet = watched.frames.filter(({ frame }) => frame.streamMs > stills[0]!)
      expect(quiet.length).toBeGreaterThan(0)
      for (const { frame, gotAtMs } of quiet) {
        expect(frame.isStill).toBe(true)
        expect(frame.streamMs % 1000).toBe(watched.frames[0]!.frame.streamMs % 1000)
        expect(gotAtMs - frame.capturedAtMs).toBeLessThan(500)
      }
      expect(watched.capture.decodesAllBecause).toBe('')
      // Anybody who knows better can have all of them.
      const { decoded, seen } = watched.capture.pictures
      watched.capture.keepAwake()
      await waitFor('more pictures', () => watched.capture.pictures.seen >= seen + 15)
      expect(watched.capture.pictures.decoded - decoded).toBeGreaterThanOrEqual(15)
    },
  )

  it('goes on when the decoder is killed', async () => {
    const watched = watch((await gstCamera()).url)
    await frames(watched, 2)
    const { decoderPid } = watched.capture
    process.kill(decoderPid!, 'SIGKILL')
    await state(watched, 'offline')
    expect(watched.capture.state.why).toContain('cannot be decoded')
    await state(watched, 'online')
    expect(watched.capture.decoderPid).not.toBe(decoderPid)
  })
})

describe('an address that is no camera', () => {
  it('says that nothing listens', async () => {
    const server = createServer()
    const port = await listening(server)
    server.close()
    const watched = watch(`rtsp://127.0.0.1:${port}/cam`)
    await state(watched, 'offline')
    expect(watched.capture.state.why).toBe('nothing listens at this address')
    await waitFor('another attempt', () => watched.capture.runs >= 3)
  })

  it('says that an HTTP server does not speak RTSP', async () => {
    const port = await listening(createHttpServer((_request, response) => response.end('hello')))
    const watched = watch(`rtsp://127.0.0.1:${port}/cam`)
    await state(watched, 'offline')
    expect(watched.capture.state.why).toBe('what answers at this address does not speak RTSP')
  })

  it('says that a server which accepts and is silent did not answer', async () => {
    const port = await listening(createServer((socket) => socket.on('error', () => undefined)))
    const watched = watch(`rtsp://127.0.0.1:${port}/cam`, { stallMs: 1000 })
    await state(watched, 'offline')
    expect(watched.capture.state.why).toBe('the camera did not answer in time')
  })

  it('says that the camera has no stream at this path', async () => {
    const watched = watch((await gstCamera()).url.replace('/cam', '/other'))
    await state(watched, 'offline')
    expect(watched.capture.state.why).toBe('the camera has no stream at this path')
  })
})

describe('the camera’s ffmpeg', () => {
  it('is gone when the capture has closed, before or after the first frame', async () => {
    const { url } = await gstCamera()
    const early = watch(url)
    await waitFor('ffmpeg', () => early.capture.pid)
    const earlyPid = early.capture.pid!
    await early.capture.close()
    expect(isAlive(earlyPid)).toBe(false)
    const late = watch(url)
    await frames(late, 2)
    const latePid = late.capture.pid!
    await late.capture.close()
    await late.capture.close()
    expect(isAlive(latePid)).toBe(false)
    expect(late.capture.state.state).toBe('offline')
  })

  it('is started anew when it is killed', async () => {
    const watched = watch((await gstCamera()).url)
    await frames(watched, 2)
    const first = watched.capture.pid!
    process.kill(first, 'SIGKILL')
    await state(watched, 'offline')
    await state(watched, 'online')
    expect(watched.capture.pid).not.toBe(first)
  })

  it('leaves no folder behind, and removes those of processes that were killed', async () => {
    // No process has this number: it is above the highest that Linux gives.
    const abandoned = join(tmpdir(), 'patrolhub-capture-99999999-x')
    await mkdir(abandoned, { recursive: true })
    const { url } = await gstCamera()
    const script = fileURLToPath(new URL('./support/capture-process.ts', import.meta.url))
    const edge = spawn(process.execPath, [script, url], { stdio: ['pipe', 'pipe', 'ignore'] })
    cleanups.push(() => edge.kill('SIGKILL'))
    await once(createInterface(edge.stdout), 'line', { signal: AbortSignal.timeout(15_000) })
    const names = await readdir(tmpdir())
    expect(names).not.toContain('patrolhub-capture-99999999-x')
    expect(names.filter((name) => name.startsWith(`patrolhub-capture-${edge.pid}-`))).toEqual([])
  })

  it.each(['SIGKILL', 'SIGTERM', 'an uncaught error'] as const)(
    'does not outlive an edge that ends by %s',
    async (way) => {
      const { url } = await gstCamera()
      const script = fileURLToPath(new URL('./support/capture-process.ts', import.meta.url))
      const edge = spawn(process.execPath, [script, url], { stdio: ['pipe', 'pipe', 'ignore'] })
      cleanups.push(() => edge.kill('SIGKILL'))
      const late = AbortSignal.timeout(15_000)
      const [line] = await once(createInterface(edge.stdout), 'line', { signal: late })
      const pids = JSON.parse(String(line)) as number[]
      expect(pids.map(isAlive)).toEqual([true, true])
      const ended = once(edge, 'exit')
      if (way === 'an uncaught error') edge.stdin.write('throw\n')
      else edge.kill(way)
      await ended
      await waitFor('the end of both ffmpegs', () => !pids.some(isAlive), { deadlineMs: 5000 })
    },
  )
})
