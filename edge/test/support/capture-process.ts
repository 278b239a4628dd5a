/** A process of its own that captures one camera; prints the pids of its two ffmpegs once frames arrive. For kill tests. */
import pino from 'pino'
import { CameraCapture } from '../../src/capture/camera-capture.ts'
import { cameraConfig, FORMAT } from './camera.ts'

const capture = new CameraCapture({
  camera: cameraConfig(process.argv[2]!),
  format: FORMAT,
  log: pino({ level: 'silent' }),
})
capture.start(new AbortController().signal)
let isTold = false
capture.onFrame(() => {
  if (!isTold) process.stdout.write(`${JSON.stringify([capture.pid, capture.decoderPid])}\n`)
  isTold = true
})
// `throw` on standard input ends this process as an error that nobody caught would.
process.stdin.on('data', () => {
  throw new Error('asked to fail')
})
