/** The relay between a real camera and a real HTTP(S) server; what arrives is read by ffprobe. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FlvReader, MAX_FLV_TAG_BYTES, readVideoPacket } from '@patrolhub/protocol/flv'
import { afterEach, describe, expect, it } from 'vitest'
import { CameraCapture } from '../src/capture/camera-capture.ts'
import { FlvFeed } from '../src/capture/flv-feed.ts'
import { Relay, type RelayOptions } from '../src/relay/relay.ts'
import { cameraConfig, FORMAT, readableLog } from './support/camera.ts'
import { type GstCameraOptions, startGstCamera } from './support/gst-rtsp.ts'
import { waitFor } from './support/wait.ts'

const run = promisify(execFile)
const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Publish {
  path: string
  headers: IncomingMessage['headers']
  bytes: () => Buffer
  /** `open`, or how the body came to its end. */
  state: () => 'open' | 'ended' | 'cut'
  cut: () => void
}

interface HubOptions {
  port?: number
  status?: number
  tls?: { key: Buffer; cert: Buffer }
}

async function startHub({ port = 0, status, tls }: HubOptions = {}) {
  const publishes: Publish[] = []
  const handle: RequestListener = (request, response) => {
    const parts: Buffer[] = []
    let state: 'open' | 'ended' | 'cut' = 'open'
    publishes.push({
      path: request.url!,
      headers: request.headers,
      bytes: () => Buffer.concat(parts),
      state: () => state,
      cut: () => request.socket.destroy(),
    })
    if (status) response.writeHead(status).end()
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('error', () => undefined)
    request.on('close', () => {
      state = request.complete ? 'ended' : 'cut'
    })
    request.on('end', () => {
      if (!status) response.writeHead(204).end()
    })
  }
  const server = tls ? createHttpsServer(tls, handle) : createHttpServer(handle)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const stop = (): void => {
    server.close()
    server.closeAllConnections()
  }
  cleanups.push(stop)
  const bound = (server.address() as AddressInfo).port
  return { url: `${tls ? 'https' : 'http'}://127.0.0.1:${bound}`, port: bound, publishes, stop }
}

async function startCamera(options: GstCameraOptions = { gop: 10 }) {
  const gst = await startGstCamera(options)
  cleanups.push(() => gst.stop())
  const capture = new CameraCapture({
    camera: cameraConfig(gst.url),
    format: FORMAT,
    log: readableLog().log,
    timings: { retryMinMs: 100, retryMaxMs: 300 },
  })
  cleanups.push(() => capture.close())
  capture.start(new AbortController().signal)
  await waitFor('frames', () => capture.framesCaptured > 0)
  return { gst, capture }
}

function relayTo(hubUrl: string, cameras: RelayOptions['cameras'], extra: Partial<RelayOptions> = {}) {
  const { log, text } = readableLog()
  const relay = new Relay({
    hubUrl,
    edgeId: 'edge-7',
    token: 'the-token',
    cameras,
    log,
    retryMinMs: 50,
    retryMaxMs: 200,
    ...extra,
  })
  cleanups.push(() => relay.close())
  return { relay, logText: text }
}

const start = (forSeconds = 60) =>
  ({
    action: 'start',
    cameraId: 'cam-01',
    rendition: 'source',
    publishPath: '/media/publish/cam-01',
    forSeconds,
  }) as const
const stop = { action: 'stop', cameraId: 'cam-01', rendition: 'source' } as const

/** What ffprobe makes of the bytes: codec, size and how many pictures could be decoded. */
async function probe(bytes: Buffer): Promise<{ codec_name: string; width: number; nb_read_frames: string }> {
  const args = [
    '-v',
    'error',
    '-count_frames',
    '-show_entries',
    'stream=codec_name,width,nb_read_frames',
    '-of',
    'json',
  ]
  const child = spawn('ffprobe', [...args, '-f', 'flv', '-'], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => undefined)
  child.stdin.end(bytes)
  let text = ''
  for await (const part of child.stdout) text += part
  return JSON.parse(text).streams[0]
}

describe('Relay', () => {
  it('sends header, current group and live pictures with the edge’s credential until it is told to stop', async () => {
    const { capture } = await startCamera()
    const hub = await startHub()
    const { relay } = relayTo(hub.url, new Map([['cam-01', capture]]))
    relay.handle(start())
    const publish = await waitFor('a publish', () => hub.publishes[0])
    await waitFor('some pictures', () => publish.bytes().length > 20_000)
    expect(publish.path).toBe('/media/publish/cam-01')
    expect(publish.headers).toMatchObject({
      'transfer-encoding': 'chunked',
      'content-type': 'video/x-flv',
      authorization: `Basic ${Buffer.from('edge-7:the-token').toString('base64')}`,
    })
    relay.handle(stop)
    await waitFor('the end', () => publish.state() === 'ended')
    await waitFor('no relay', () => relay.active.length === 0)
    const pictures = new FlvReader({ maxTagBytes: MAX_FLV_TAG_BYTES })
      .push(publish.bytes())
      .filter((tag) => tag.kind === 'video')
      .map((tag) => readVideoPacket(tag).role)
      .filter((role) => role === 'key-frame' || role === 'frame')
    expect(pictures[0]).toBe('key-frame')
    expect(await probe(publish.bytes())).toEqual({
      codec_name: 'h264',
      width: 640,
      nb_read_frames: String(pictures.length),
    })
    expect(capture.flv.subscribers).toBe(0)
    expect(capture.state.state).toBe('online')
  })

  it('takes a repeated start for the same relay and stops by itself when the time is over', async () => {
    const { capture } = await startCamera()
    const hub = await startHub()
    const { relay } = relayTo(hub.url, new Map([['cam-01', capture]]))
    relay.handle(start(0.3))
    const publish = await waitFor('a publish', () => hub.publishes[0])
    const untilMs = Date.now() + 1200
    relay.handle(start(1.2))
    await waitFor('the end', () => publish.state() === 'ended')
    expect(Date.now()).toBeGreaterThanOrEqual(untilMs)
    expect(Date.now()).toBeLessThan(untilMs + 1000)
    await waitFor('no relay', () => relay.active.length === 0)
    expect(hub.publishes).toHaveLength(1)
  })

  it('connects again while it is wanted: hub cut, hub away, hub refusing', async () => {
    const { capture } = await startCamera()
    const hub = await startHub()
    const { relay } = relayTo(hub.url, new Map([['cam-01', capture]]))
    relay.handle(start())
    const first = await waitFor('a publish', () => hub.publishes[0])
    await waitFor('pictures', () => first.bytes().length > 1000)
    first.cut()
    await waitFor('a second publish', () => hub.publishes.length === 2)
    hub.stop()
    const refusing = await startHub({ port: hub.port, status: 403 })
    await waitFor('refused attempts', () => refusing.publishes.length >= 2)
    refusing.stop()
    const back = await startHub({ port: hub.port })
    const last = await waitFor('a publish', () => back.publishes[0])
    await waitFor('pictures', () => last.bytes().length > 1000)
    expect((await probe(last.bytes())).codec_name).toBe('h264')
  })

  it('begins a new publish with new headers when the camera comes back', async () => {
    const { gst, capture } = await startCamera()
    const hub = await startHub()
    const { relay } = relayTo(hub.url, new Map([['cam-01', capture]]))
    relay.handle(start())
    const first = await waitFor('a publish', () => hub.publishes[0])
    await waitFor('pictures', () => first.bytes().length > 1000)
    await gst.stop()
    await waitFor('the end of the first', () => first.state() !== 'open')
    expect(first.state()).toBe('ended')
    const again = await startGstCamera({ port: gst.port, gop: 10, width: 320, height: 180 })
    cleanups.push(() => again.stop())
    const last = await waitFor('pictures of the new stream', () => {
      const publish = hub.publishes.at(-1)!
      return publish !== first && publish.bytes().length > 5000 && publish
    })
    expect((await probe(last.bytes())).width).toBe(320)
  })

  it('speaks TLS with the hub’s own authority, and with no other', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'patrolhub-tls-'))
    cleanups.push(() => rm(folder, { recursive: true, force: true }))
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=hub'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certFile],
    ])
    const cert = await readFile(certFile)
    const hub = await startHub({ tls: { key: await readFile(keyFile), cert } })
    const { capture } = await startCamera()
    const cameras = new Map([['cam-01', capture]])
    const stranger = relayTo(hub.url, cameras)
    stranger.relay.handle(start())
    await waitFor('a refused certificate', () => stranger.logText().includes('self-signed certificate'))
    expect(hub.publishes).toEqual([])
    await stranger.relay.close()
    const { relay } = relayTo(hub.url, cameras, { ca: cert.toString() })
    relay.handle(start())
    const publish = await waitFor('a publish', () => hub.publishes[0])
    await waitFor('pictures', () => publish.bytes().length > 1000)
  })

  it('says why a camera cannot be relayed, and knows only its own cameras', async () => {
    const flv = new FlvFeed()
    flv.setUnavailable('live viewing is not possible: FLV cannot carry mjpeg')
    const camera = { flv, h264: flv, useH264: () => () => undefined }
    const { relay, logText } = relayTo('http://127.0.0.1:1', new Map([['cam-01', camera]]))
    relay.handle(start())
    relay.handle({ ...start(), cameraId: 'cam-99' })
    expect(relay.active).toEqual([])
    expect(logText()).toContain('FLV cannot carry mjpeg')
    expect(logText()).toContain('a camera that this edge does not have')
  })

  it('ends everything when it closes', async () => {
    const { capture } = await startCamera()
    const hub = await startHub()
    const { relay } = relayTo(hub.url, new Map([['cam-01', capture]]))
    relay.handle(start())
    const publish = await waitFor('a publish', () => hub.publishes[0])
    await relay.close()
    await relay.close()
    await waitFor('the end', () => publish.state() === 'ended')
    relay.handle(start())
    expect(relay.active).toEqual([])
  })
})
