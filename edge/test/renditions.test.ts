/** A camera with H.265: sent as it is and as H.264, at once, from one connection to it; decoded here by ffmpeg. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  FlvReader,
  type FlvTag,
  MAX_FLV_TAG_BYTES,
  payloadOf,
  readVideoPacket,
} from '@patrolhub/protocol/flv'
import { afterEach, describe, expect, it } from 'vitest'
import { CameraCapture } from '../src/capture/camera-capture.ts'
import { Relay } from '../src/relay/relay.ts'
import { cameraConfig, FORMAT, isAlive, readableLog } from './support/camera.ts'
import { startGstCamera } from './support/gst-rtsp.ts'
import { waitFor } from './support/wait.ts'

const run = promisify(execFile)
const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const START_CODE = Buffer.from([0, 0, 0, 1])

/** What the tags of one rendition are to ffprobe: codec, size and pictures that could be decoded. */
async function probe(bytes: Buffer, format: 'flv' | 'hevc') {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-rendition-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'stream')
  await writeFile(file, bytes)
  const entries = ['-show_entries', 'stream=codec_name,width,height,nb_read_frames']
  const args = ['-v', 'error', '-f', format, '-count_frames', ...entries, '-of', 'json', file]
  const { stdout, stderr } = await run('ffprobe', args)
  return { ...JSON.parse(stdout).streams[0], errors: stderr }
}

/** Back to start codes: the parameter sets of the configuration, then every picture. */
function annexB(tags: readonly FlvTag[]): Buffer {
  const parts: Buffer[] = []
  for (const tag of tags) {
    const payload = payloadOf(tag)
    expect(payload.toString('latin1', 1, 5)).toBe('hvc1')
    if (readVideoPacket(tag).role === 'sequence-header') {
      const record = payload.subarray(5)
      expect(record[0]).toBe(1)
      let at = 23
      for (let array = 0; array < record[22]!; array += 1) {
        const count = record.readUInt16BE(at + 1)
        at += 3
        for (let set = 0; set < count; set += 1) {
          const length = record.readUInt16BE(at)
          parts.push(START_CODE, record.subarray(at + 2, at + 2 + length))
          at += 2 + length
        }
      }
      expect(at).toBe(record.length)
      continue
    }
    for (let at = 8; at < payload.length; ) {
      const length = payload.readUInt32BE(at)
      parts.push(START_CODE, payload.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
  }
  return Buffer.concat(parts)
}

describe('a camera with H.265', () => {
  it('is sent as it is and converted at the same time, for as long as each is wanted', async () => {
    const gst = await startGstCamera({ codec: 'h265', fps: 10, gop: 10, width: 320, height: 192 })
    cleanups.push(() => gst.stop())
    const { log } = readableLog()
    const capture = new CameraCapture({ camera: cameraConfig(gst.url), format: FORMAT, log })
    cleanups.push(() => capture.close())
    capture.start(new AbortController().signal)

    const publishes = new Map<string, Buffer[]>()
    const server = createServer((request, response) => {
      const parts: Buffer[] = []
      publishes.set(request.url!, parts)
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => response.writeHead(204).end())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanups.push(() => {
      server.close()
      server.closeAllConnections()
    })
    const hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const relay = new Relay({
      hubUrl,
      edgeId: 'edge-7',
      token: 't',
      cameras: new Map([['cam-01', capture]]),
      log,
    })
    cleanups.push(() => relay.close())
    const wish = (rendition: 'source' | 'h264') => ({ cameraId: 'cam-01', rendition })
    for (const rendition of ['source', 'h264'] as const) {
      // Wanted before the camera has told what it is: the edge finds out.
      relay.handle({ action: 'start', ...wish(rendition), publishPath: `/${rendition}`, forSeconds: 60 })
    }
    const tagsOf = (path: string) =>
      new FlvReader({ maxTagBytes: MAX_FLV_TAG_BYTES })
        .push(Buffer.concat(publishes.get(path) ?? []))
        .filter(({ kind }) => kind === 'video')
    const pictures = (path: string) => tagsOf(path).filter((tag) => /frame/.test(readVideoPacket(tag).role))
    await waitFor(
      'pictures of both',
      () => pictures('/source').length > 25 && pictures('/h264').length > 25,
      {
        seen: () => [capture.state, pictures('/source').length, pictures('/h264').length],
      },
    )
    expect(capture.codec).toBe('h265')
    const pid = capture.transcoderPid!
    expect(isAlive(pid)).toBe(true)

    relay.handle({ action: 'stop', ...wish('h264') })
    await waitFor('the end of the conversion', () => !isAlive(pid))
    const atStop = pictures('/source').length
    await waitFor('the source goes on', () => pictures('/source').length > atStop + 5)
    relay.handle({ action: 'stop', ...wish('source') })
    await waitFor('no relay', () => relay.active.length === 0)

    const source = pictures('/source')
    expect(readVideoPacket(source[0]!).role).toBe('key-frame')
    const times = source.map(({ timestampMs }) => timestampMs)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    const size = { width: 320, height: 192, errors: '' }
    expect(await probe(annexB(tagsOf('/source')), 'hevc')).toEqual({
      ...size,
      codec_name: 'hevc',
      nb_read_frames: String(source.length),
    })
    expect(await probe(Buffer.concat(publishes.get('/h264')!), 'flv')).toEqual({
      ...size,
      codec_name: 'h264',
      nb_read_frames: String(pictures('/h264').length),
    })
  })
})
