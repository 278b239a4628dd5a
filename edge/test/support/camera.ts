/** What tests of the video path share: a camera's configuration, a log that can be read, and a check for processes. */
import { Writable } from 'node:stream'
import pino, { type Logger } from 'pino'
import type { FrameFormat } from '../../src/capture/frame.ts'
import type { CameraConfig } from '../../src/config.ts'

export const FORMAT: FrameFormat = { widthPx: 416, heightPx: 256, channels: 'BGR', padding: 114 }

export function cameraConfig(url: string, extra: Partial<CameraConfig> = {}): CameraConfig {
  return {
    cameraId: 'cam-01',
    name: 'East gate',
    region: '410502003',
    sensitivity: 'public',
    url,
    analysisFps: 5,
    decode: 'needed',
    detail: 1,
    masks: [],
    recording: { isOn: true, maxMegabytes: 512 },
    rules: [],
    ...extra,
  }
}

/** A logger of everything, and the text that it has written. */
export function readableLog(): { log: Logger; text: () => string } {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  return { log: pino({ level: 'trace' }, stream), text: () => text }
}

/** True while a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
