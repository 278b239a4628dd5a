/** Starts GStreamer's RTSP server for a test: a camera that we did not write. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface GstCameraOptions {
  /** 0 or absent: a free port. */
  port?: number
  /** A video file, played once; without it a moving ball for ever. */
  clip?: string
  codec?: 'h264' | 'h265' | 'mjpeg'
  width?: number
  height?: number
  fps?: number
  /** Pictures from one key frame to the next. */
  gop?: number
  bframes?: number
  /** H.264, kbit/s. */
  bitrate?: number
  /** Pictures that carry the time at which they were taken; see picture-stamp.ts. */
  stamped?: boolean
  /** The pictures of a Matroska clip as they are coded there; all options of coding count for nothing. */
  untouched?: boolean
  pattern?: string
  user?: string
  password?: string
}

export interface GstCamera {
  port: number
  /** Address with the credentials that it asks for. */
  url: string
  pid: number
  /** Keeps the connections but sends no more pictures. */
  stall(): void
  resume(): void
  /** Ends it by its pid. Idempotent. */
  stop(): Promise<void>
}

const SCRIPT = fileURLToPath(new URL('./gst-rtsp-server.py', import.meta.url))
const READY_MS = 15_000

/** Rejects with what the server said when it is not ready in time, so that a missing package is seen at once. */
export async function startGstCamera(options: GstCameraOptions = {}): Promise<GstCamera> {
  const args = Object.entries({ port: 0, ...options }).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : value === false ? [] : [`--${name}`, String(value)],
  )
  // Debian's own Python: its packages hold the bindings.
  const child = spawn('/usr/bin/python3', [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000)
  })
  const port = await readPort(child, () => said)
  const credentials = options.user ? `${options.user}:${options.password}@` : ''
  const command = (name: string): void => {
    child.stdin.write(`${name}\n`)
  }
  return {
    port,
    url: `rtsp://${credentials}127.0.0.1:${port}/cam`,
    pid: child.pid!,
    stall: () => command('stall'),
    resume: () => command('resume'),
    stop: () => stop(child),
  }
}

async function readPort(child: ChildProcess, said: () => string): Promise<number> {
  const ended = once(child, 'exit').then(() => {
    throw new Error(
      `GStreamer's RTSP server did not start (python3-gi, gir1.2-gst-rtsp-server-1.0): ${said()}`,
    )
  })
  const late = AbortSignal.timeout(READY_MS)
  const ready = once(createInterface(child.stdout!), 'line', { signal: late }).then(([line]) => String(line))
  try {
    return (JSON.parse(await Promise.race([ready, ended])) as { port: number }).port
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    // Whichever lost the race may reject later; it has been read.
    ended.catch(() => undefined)
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await ended
  clearTimeout(timer)
}
