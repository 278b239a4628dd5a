import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { H264Clip } from './h264.ts'
import { type CameraOptions, RtspCamera } from './rtsp-camera.ts'
import { makeTestClip } from './test-clip.ts'

const execute = promisify(execFile)
const CLIP_SECONDS = 2
const FPS = 10
const PICTURES = CLIP_SECONDS * FPS

let clip: H264Clip
const cameras: RtspCamera[] = []
const sockets: Socket[] = []

beforeAll(async () => {
  ;({ clip } = await makeTestClip({ seconds: CLIP_SECONDS, fps: FPS }))
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(cameras.splice(0).map((camera) => camera.close()))
})

async function startCamera(options: Partial<CameraOptions> = {}): Promise<RtspCamera> {
  const camera = new RtspCamera({ clip, fps: FPS, ...options })
  cameras.push(camera)
  await camera.start()
  return camera
}

interface Packet {
  ptsSeconds: number
  isKey: boolean
}

/**
 * What ffprobe, a client we did not write, receives over TCP: the first `count` pictures. It gives the very first no
 * time, whatever the camera; the others are counted from it.
 */
async function probePackets(url: string, count: number): Promise<Packet[]> {
  const { stdout } = await execute('ffprobe', [
    ...['-v', 'error', '-rtsp_transport', 'tcp', '-analyzeduration', '300000'],
    ...['-read_intervals', `%+#${count}`],
    ...['-show_entries', 'packet=pts_time,flags', '-of', 'json', url],
  ])
  const { packets } = JSON.parse(stdout) as { packets: { pts_time: string; flags: string }[] }
  return packets.map((packet, index) => ({
    ptsSeconds: index === 0 ? 0 : Number(packet.pts_time),
    isKey: packet.flags.startsWith('K'),
  }))
}

/** Pictures that ffmpeg decodes without a complaint. */
async function decode(url: string, pictures: number): Promise<{ decoded: number; complaints: string }> {
  const { stdout, stderr } = await execute('ffmpeg', [
    ...['-nostdin', '-v', 'warning', '-rtsp_transport', 'tcp', '-i', url, '-frames:v', String(pictures)],
    ...['-progress', 'pipe:1', '-f', 'null', '-'],
  ])
  const frames = [...stdout.matchAll(/^frame=\s*(\d+)$/gm)].map((match) => Number(match[1]))
  return { decoded: frames.at(-1) ?? 0, complaints: stderr }
}

/** Speaks RTSP by hand as far as PLAY and then reads nothing more. */
async function playWithoutReading(url: string): Promise<Socket> {
  const { port, pathname } = new URL(url.replace('rtsp:', 'http:'))
  const base = `rtsp://127.0.0.1:${port}${pathname}`
  const socket = connect({ port: Number(port), host: '127.0.0.1' })
  sockets.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  const ask = async (method: string, address: string, cseq: number, more = '') => {
    socket.write(`${method} ${address} RTSP/1.0\r\nCSeq: ${cseq}\r\n${more}\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString('latin1')
  }
  expect(
    await ask('SETUP', `${base}/track1`, 1, 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n'),
  ).toContain('200 OK')
  expect(await ask('PLAY', base, 2)).toContain('200 OK')
  socket.pause()
  return socket
}

describe('the simulated camera', () => {
  it('goes on across the loop with even timestamps and a key picture every second', async () => {
    const camera = await startCamera()
    const packets = await probePackets(camera.url, PICTURES * 2 + FPS)
    expect(packets.length).toBeGreaterThan(PICTURES * 2)
    for (const [index, packet] of packets.entries()) {
      expect(packet.isKey, `picture ${index}`).toBe(index % FPS === 0)
      if (index > 0) expect(packet.ptsSeconds - packets[index - 1]!.ptsSeconds).toBeCloseTo(1 / FPS, 3)
    }
  })

  it('is decoded without errors over more than a loop, in real time', async () => {
    const camera = await startCamera()
    const beganMs = performance.now()
    const { decoded, complaints } = await decode(camera.url, PICTURES + FPS)
    const seconds = (performance.now() - beganMs) / 1000
    expect(decoded).toBe(PICTURES + FPS)
    expect(complaints).not.toMatch(/error|corrupt|concealing|missed|DTS/i)
    // ffmpeg reads ahead for its analysis, but nothing is there before its time.
    expect(seconds).toBeGreaterThan((PICTURES + FPS) / FPS - 1)
  })

  it('begins its clip with the first player, if it waits for one', async () => {
    const camera = await startCamera({ waitsForPlayer: true })
    // Far more than the time of a picture: one that does not wait has begun by then.
    await probePackets(`${camera.url}-other`, 1).catch(() => undefined)
    expect(camera.beganAtMs).toBeUndefined()
    const askedAtMs = Date.now()
    const [packets] = await Promise.all([probePackets(camera.url, 5), camera.nextPicture()])
    expect(packets[0]!.isKey).toBe(true)
    expect(camera.beganAtMs).toBeGreaterThanOrEqual(askedAtMs - 1)
  })

  it('serves two clients at once, each from a key picture on', async () => {
    const camera = await startCamera()
    const [first, second] = await Promise.all([
      probePackets(camera.url, PICTURES),
      probePackets(camera.url, PICTURES),
    ])
    for (const packets of [first, second]) {
      expect(packets.length).toBeGreaterThanOrEqual(PICTURES - 1)
      expect(packets[0]!.isKey).toBe(true)
    }
  })

  it('is not disturbed by a client that does not read, and drops its pictures instead of keeping them', async () => {
    // Larger pictures than the sockets of the system buffer in a few seconds.
    const heavy = {
      ...clip,
      units: clip.units.map((unit) => ({ ...unit, nals: [...unit.nals, fillerNal(400_000)] })),
    }
    const camera = await startCamera({ clip: heavy, fps: 25 })
    const stalled = await playWithoutReading(camera.url)
    const packets = await probePackets(camera.url, 25 * 3)
    expect(packets.length).toBeGreaterThan(25 * 2)
    for (const [index, packet] of packets.entries()) {
      if (index > 0) expect(packet.ptsSeconds - packets[index - 1]!.ptsSeconds).toBeCloseTo(1 / 25, 3)
    }
    expect(camera.playing).toBeGreaterThanOrEqual(1)
    stalled.destroy()
    await expect.poll(() => camera.picturesDropped, { timeout: 5000 }).toBeGreaterThan(0)
  })

  it.each(['basic', 'digest'] as const)(
    'asks for %s credentials and takes only the right ones',
    async (scheme) => {
      const camera = await startCamera({ credentials: { scheme, username: 'viewer', password: 'pass:wörd' } })
      const packets = await probePackets(camera.url, FPS)
      expect(packets.length).toBeGreaterThan(0)
      const wrong = camera.url.replace(/\/\/.*@/, '//viewer:wrong@')
      await expect(probePackets(wrong, FPS)).rejects.toThrow(/401/)
    },
  )

  it('answers what it does not serve with the status that says so', async () => {
    const camera = await startCamera()
    await expect(probePackets(`${camera.url}-other`, 1)).rejects.toThrow(/404/)
    const { port } = new URL(camera.url.replace('rtsp:', 'http:'))
    const socket = connect({ port: Number(port), host: '127.0.0.1' })
    sockets.push(socket)
    const ask = async (request: string) => {
      socket.write(request)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      return answer.toString('latin1').split('\r\n')[0]
    }
    const udp = 'Transport: RTP/AVP;unicast;client_port=5000-5001\r\n'
    expect(await ask(`SETUP ${camera.url}/track1 RTSP/1.0\r\nCSeq: 1\r\n${udp}\r\n`)).toBe(
      'RTSP/1.0 461 Unsupported Transport',
    )
    expect(await ask(`PLAY ${camera.url} RTSP/1.0\r\nCSeq: 2\r\n\r\n`)).toBe(
      'RTSP/1.0 455 Method Not Valid In This State',
    )
    expect(await ask(`RECORD ${camera.url} RTSP/1.0\r\nCSeq: 3\r\n\r\n`)).toBe(
      'RTSP/1.0 405 Method Not Allowed',
    )
    expect(await ask('GET / HTTP/1.1\r\nHost: camera\r\n\r\n')).toBe('RTSP/1.0 400 Bad Request')
  })

  it('comes back on the same address after it was away', async () => {
    const camera = await startCamera()
    const url = camera.url
    await camera.close()
    await expect(probePackets(url, 1)).rejects.toThrow(/refused/i)
    await camera.start()
    expect(camera.url).toBe(url)
    expect((await probePackets(url, FPS)).length).toBeGreaterThan(0)
  })

  it('can stand still without closing the connection, and refuse', async () => {
    const camera = await startCamera()
    camera.fault = 'refuse'
    await expect(probePackets(camera.url, 1)).rejects.toThrow(/503/)
    camera.fault = 'stall'
    let hasPictures = false
    const probe = probePackets(camera.url, FPS).finally(() => {
      hasPictures = true
    })
    await expect.poll(() => camera.playing).toBe(1)
    await camera.nextPicture(3)
    expect(hasPictures).toBe(false)
    camera.fault = 'none'
    expect((await probe).length).toBeGreaterThan(0)
  })
})

/** A NAL unit of type 12 (filler data): carried by RTP, ignored by decoders. */
function fillerNal(bytes: number): Uint8Array {
  const nal = new Uint8Array(bytes).fill(0xff)
  nal[0] = 12
  nal[bytes - 1] = 0x80
  return nal
}
