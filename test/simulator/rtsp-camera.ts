/**
 * A simulated network camera: serves one H.264 clip over RTSP in a loop, in real time, to any number of clients at
 * once (RFC 2326: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN; RTP over the RTSP
 * connection). Like a live camera it has one clock for all: a client joins at the next key picture, and timestamps go
 * on across the loop. Faults can be switched for tests.
 */
import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { AccessUnit, H264Clip } from './h264.ts'
import { RTP_CLOCK_HZ } from './rtp.ts'
import type { RtspCredentials } from './rtsp-auth.ts'
import { RtspConnection } from './rtsp-connection.ts'

export interface CameraOptions {
  clip: H264Clip
  /** Pictures a second, constant. */
  fps: number
  host?: string
  /** 0 takes a free one. */
  port?: number
  /** Path of the stream, beginning with `/`. */
  path?: string
  credentials?: RtspCredentials
  /** Where in the clip it begins, so that two cameras with the same clip show different moments. */
  startSeconds?: number
  /** The clip begins when the first player asks for pictures, as if the camera had been switched on for it. */
  waitsForPlayer?: boolean
}

/**
 * `none`: works. `stall`: connections stay open, no picture comes. `garbage`: media packets hold random bytes.
 * `refuse`: every request is answered with an error.
 */
export type CameraFault = 'none' | 'stall' | 'garbage' | 'refuse'

/** One picture at its moment. */
export interface CameraPicture {
  unit: AccessUnit
  /** 90 kHz since the camera was started; goes on across the loop, never back. */
  timestamp: number
}

/** A machine that was asleep does not get minutes of pictures at once. */
const MAX_LATE_SECONDS = 2

export class RtspCamera {
  readonly #pictures = new EventEmitter<{ picture: [] }>()
  readonly #options: CameraOptions
  readonly #connections = new Set<RtspConnection>()
  #server: Server | undefined
  #port: number
  #timer: NodeJS.Timeout | undefined
  /** Monotonic clock, ms, of picture 0. */
  #beganMs: number | undefined
  /** Number of the next picture since the start, over all loops. */
  #next = 0
  #fault: CameraFault = 'none'

  constructor(options: CameraOptions) {
    this.#options = options
    this.#port = options.port ?? 0
  }

  /** With the credentials that a client needs. Known once started; stays the same after `close` and `start`. */
  get url(): string {
    const { credentials, host = '127.0.0.1' } = this.#options
    const user = credentials
      ? `${encodeURIComponent(credentials.username)}:${encodeURIComponent(credentials.password)}@`
      : ''
    return `rtsp://${user}${host}:${this.#port}${this.path}`
  }

  get path(): string {
    return this.#options.path ?? '/stream'
  }

  get clip(): H264Clip {
    return this.#options.clip
  }

  get fps(): number {
    return this.#options.fps
  }

  get credentials(): RtspCredentials | undefined {
    return this.#options.credentials
  }

  get fault(): CameraFault {
    return this.#fault
  }

  set fault(fault: CameraFault) {
    this.#fault = fault
  }

  /** Clients that are being sent pictures. */
  get playing(): number {
    return [...this.#connections].filter((connection) => connection.isPlaying).length
  }

  /** Wall clock of the clip's first picture; `undefined` before the camera has begun. */
  get beganAtMs(): number | undefined {
    return this.#beganMs === undefined ? undefined : performance.timeOrigin + this.#beganMs
  }

  /** Pictures not sent because a client did not read, over all clients so far. */
  picturesDropped = 0

  /** 90 kHz timestamp of the next key picture: what a PLAY answer announces. */
  nextKeyTimestamp(): number {
    const { units } = this.clip
    let index = this.#next
    while (!units[index % units.length]!.isKey) index += 1
    return this.#timestampOf(index)
  }

  /** Resolves after this many more pictures had their moment, whether or not anybody was sent them. */
  async nextPicture(count = 1): Promise<void> {
    for (let left = count; left > 0; left -= 1) await once(this.#pictures, 'picture')
  }

  /** Listens; a camera that was closed comes back on the same port. */
  async start(): Promise<void> {
    if (this.#server) return
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    server.listen(this.#port, this.#options.host ?? '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    const skip = Math.round((this.#options.startSeconds ?? 0) * this.fps)
    if (this.#next === 0) this.#next = skip
    this.#beganMs = undefined
    if (!this.#options.waitsForPlayer) this.begin()
  }

  /** Shows the next picture now and the others after it, in real time. Idempotent. */
  begin(): void {
    if (this.#beganMs !== undefined) return
    this.#beganMs = performance.now() - (this.#next * 1000) / this.fps
    this.#schedule(this.#beganMs)
  }

  /** Ends all connections and the listener. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    const server = this.#server
    this.#server = undefined
    for (const connection of this.#connections) connection.close()
    if (!server?.listening) return
    server.close()
    await once(server, 'close')
  }

  #accept(socket: Socket): void {
    const connection = new RtspConnection(socket, this)
    this.#connections.add(connection)
    socket.once('close', () => {
      this.#connections.delete(connection)
      this.picturesDropped += connection.picturesDropped
    })
  }

  #timestampOf(index: number): number {
    return Math.round((index * RTP_CLOCK_HZ) / this.fps)
  }

  #schedule(beganMs: number): void {
    const dueMs = beganMs + (this.#next * 1000) / this.fps
    this.#timer = setTimeout(() => this.#tick(beganMs), Math.max(0, dueMs - performance.now()))
  }

  #tick(beganMs: number): void {
    const { units } = this.clip
    const due = Math.floor(((performance.now() - beganMs) * this.fps) / 1000)
    if (due - this.#next > MAX_LATE_SECONDS * this.fps) {
      this.#next = due
      for (const connection of this.#connections) connection.waitForKey()
    }
    for (; this.#next <= due; this.#next += 1) {
      const picture = { unit: units[this.#next % units.length]!, timestamp: this.#timestampOf(this.#next) }
      for (const connection of this.#connections) connection.send(picture)
      this.#pictures.emit('picture')
    }
    this.#schedule(beganMs)
  }
}
