/** One RTSP client of the simulated camera: its requests, and the pictures it is sent, with a bounded buffer. */
import { randomBytes, randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  interleaved,
  modulo32,
  PAYLOAD_TYPE,
  packetize,
  RTP_CLOCK_HZ,
  type RtpState,
  senderReport,
} from './rtp.ts'
import { RtspAuth } from './rtsp-auth.ts'
import type { CameraPicture, RtspCamera } from './rtsp-camera.ts'
import { RtspReader, type RtspRequest, rtspResponse } from './rtsp-message.ts'

const METHODS = 'OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN'
/** Above this a client that does not read loses whole pictures until the next key picture. */
const MAX_BUFFERED_BYTES = 1024 * 1024
/** RFC 3550 6.2 recommends five seconds; the first goes out with the first picture, so that clocks can be matched at once. */
const REPORT_MS = 5000
const SESSION_TIMEOUT_SECONDS = 60

interface Reply {
  status: number
  reason: string
  headers?: Readonly<Record<string, string>>
  body?: string
}

function ok(headers: Readonly<Record<string, string>> = {}): Reply {
  return { status: 200, reason: 'OK', headers }
}

export class RtspConnection {
  readonly #socket: Socket
  readonly #camera: RtspCamera
  readonly #reader = new RtspReader()
  readonly #auth: RtspAuth | undefined
  readonly #rtp: RtpState = {
    ssrc: randomInt(1, 2 ** 32 - 1),
    sequence: randomInt(0, 2 ** 16),
    packetCount: 0,
    octetCount: 0,
  }
  /** RFC 3550 5.1: the timestamps of a stream begin anywhere. */
  readonly #timestampOffset = randomInt(0, 2 ** 32 - 1)
  readonly #sessionId = randomBytes(8).toString('hex')
  #channel: number | undefined
  #isPlaying = false
  #needsKey = true
  #lastReportMs = Number.NEGATIVE_INFINITY
  /** Pictures left out because the client did not read. */
  picturesDropped = 0

  constructor(socket: Socket, camera: RtspCamera) {
    this.#socket = socket
    this.#camera = camera
    this.#auth = camera.credentials ? new RtspAuth(camera.credentials) : undefined
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#receive(chunk))
    // A client that goes away is ordinary; 'close' follows.
    socket.on('error', () => {})
  }

  get isPlaying(): boolean {
    return this.#isPlaying
  }

  close(): void {
    this.#socket.destroy()
  }

  /** The pictures in between are lost: goes on with the next key picture. */
  waitForKey(): void {
    this.#needsKey = true
  }

  send({ unit, timestamp }: CameraPicture): void {
    if (!this.#isPlaying || this.#channel === undefined || this.#camera.fault === 'stall') return
    if (this.#needsKey && !unit.isKey) return
    if (this.#socket.writableLength > MAX_BUFFERED_BYTES) {
      this.picturesDropped += 1
      this.#needsKey = true
      return
    }
    this.#needsKey = false
    const rtpTimestamp = modulo32(timestamp + this.#timestampOffset)
    const packets = packetize(unit.nals, rtpTimestamp, this.#rtp)
    if (this.#camera.fault === 'garbage')
      for (const packet of packets) randomBytes(packet.length - 12).copy(packet, 12)
    this.#socket.cork()
    for (const packet of packets) this.#socket.write(interleaved(this.#channel, packet))
    const nowMs = performance.now()
    if (nowMs - this.#lastReportMs >= REPORT_MS) {
      this.#lastReportMs = nowMs
      this.#socket.write(interleaved(this.#channel + 1, senderReport(this.#rtp, Date.now(), rtpTimestamp)))
    }
    this.#socket.uncork()
  }

  #receive(chunk: Buffer): void {
    let requests: RtspRequest[]
    try {
      requests = this.#reader.push(chunk)
    } catch {
      this.#socket.end(rtspResponse(400, 'Bad Request', {}))
      return
    }
    for (const request of requests) this.#handle(request)
  }

  #handle(request: RtspRequest): void {
    const { status, reason, headers = {}, body = '' } = this.#reply(request)
    const all: Record<string, string> = { Server: 'Patrolhub simulator' }
    const cseq = request.headers.get('cseq')
    if (cseq !== undefined) all.CSeq = cseq
    if (this.#channel !== undefined) all.Session = this.#sessionId
    this.#socket.write(rtspResponse(status, reason, { ...all, ...headers }, body))
    if (request.method === 'TEARDOWN' && status === 200) this.#socket.end()
  }

  #reply(request: RtspRequest): Reply {
    if (this.#camera.fault === 'refuse') return { status: 503, reason: 'Service Unavailable' }
    if (request.method === 'OPTIONS') return ok({ Public: METHODS })
    if (this.#auth && !this.#auth.accepts(request)) {
      return { status: 401, reason: 'Unauthorized', headers: { 'WWW-Authenticate': this.#auth.challenge } }
    }
    if (!this.#isMine(request.url)) return { status: 404, reason: 'Not Found' }
    switch (request.method) {
      case 'DESCRIBE':
        return this.#describe(request)
      case 'SETUP':
        return this.#setup(request)
      case 'PLAY':
        return this.#play(request)
      case 'GET_PARAMETER':
      case 'SET_PARAMETER':
        return ok()
      case 'TEARDOWN':
        this.#isPlaying = false
        return ok()
      default:
        return { status: 405, reason: 'Method Not Allowed', headers: { Allow: METHODS } }
    }
  }

  #describe(request: RtspRequest): Reply {
    const headers = { 'Content-Type': 'application/sdp', 'Content-Base': `${baseOf(request.url)}/` }
    return { ...ok(headers), body: this.#sessionDescription() }
  }

  #setup(request: RtspRequest): Reply {
    const transport = request.headers.get('transport') ?? ''
    // A list of alternatives is allowed (12.39): the first that goes over this connection is taken.
    const chosen = transport.split(',').find((each) => /^\s*RTP\/AVP\/TCP/i.test(each))
    if (chosen === undefined) return { status: 461, reason: 'Unsupported Transport' }
    const channel = Number(/interleaved=(\d+)/.exec(chosen)?.[1] ?? 0)
    if (channel > 254) return { status: 400, reason: 'Bad Request' }
    this.#channel = channel
    const ssrc = this.#rtp.ssrc.toString(16).padStart(8, '0')
    return ok({
      Transport: `RTP/AVP/TCP;unicast;interleaved=${channel}-${channel + 1};ssrc=${ssrc};mode="PLAY"`,
      Session: `${this.#sessionId};timeout=${SESSION_TIMEOUT_SECONDS}`,
    })
  }

  #play(request: RtspRequest): Reply {
    if (this.#channel === undefined) return { status: 455, reason: 'Method Not Valid In This State' }
    const rtptime = modulo32(this.#camera.nextKeyTimestamp() + this.#timestampOffset)
    this.#needsKey = true
    this.#isPlaying = true
    this.#camera.begin()
    return ok({
      Range: 'npt=now-',
      'RTP-Info': `url=${baseOf(request.url)}/track1;seq=${this.#rtp.sequence};rtptime=${rtptime}`,
    })
  }

  #isMine(url: string): boolean {
    const base = baseOf(url)
    return base === '*' || new RegExp(`^rtsps?://[^/]+${this.#camera.path}$`).test(base)
  }

  /** SDP (RFC 4566) with the parameter sets (RFC 6184 8.1), so that a decoder can begin with the first key picture. */
  #sessionDescription(): string {
    const { sps, pps } = this.#camera.clip
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
    const profile = Buffer.from(sps.subarray(1, 4)).toString('hex').toUpperCase()
    const parameters = `profile-level-id=${profile};sprop-parameter-sets=${base64(sps)},${base64(pps)}`
    const lines = [
      'v=0',
      `o=- ${this.#rtp.ssrc} 1 IN IP4 127.0.0.1`,
      's=Simulated camera',
      'c=IN IP4 0.0.0.0',
      't=0 0',
      'a=control:*',
      'a=range:npt=now-',
      `m=video 0 RTP/AVP ${PAYLOAD_TYPE}`,
      `a=rtpmap:${PAYLOAD_TYPE} H264/${RTP_CLOCK_HZ}`,
      `a=fmtp:${PAYLOAD_TYPE} packetization-mode=1;${parameters}`,
      `a=framerate:${this.#camera.fps}`,
      'a=control:track1',
    ]
    return `${lines.join('\r\n')}\r\n`
  }
}

/** The URL of the stream without a track and without a slash at its end. */
function baseOf(url: string): string {
  return url.replace(/\/track1\/?$/, '').replace(/\/$/, '')
}
