/**
 * The real detection worker, which dies at frames of the camera `crash`, as a fault in native code would end it; after a
 * frame of the camera `fragile` it does not survive its end either. From a frame of the camera `quick` on it says that
 * an inference took 1 ms, however slow the machine is.
 */
import { parentPort } from 'node:worker_threads'
import type { WorkerReply, WorkerRequest } from '../../src/detect/worker-messages.ts'
import '../../src/detect/detection-worker.ts'

const port = parentPort!
const post = port.postMessage.bind(port)
let isFragile = false
let isQuick = false

port.on('message', (request: WorkerRequest) => {
  if (request.kind === 'analyse' && request.cameraId === 'fragile') isFragile = true
  if (request.kind === 'analyse' && request.cameraId === 'quick') isQuick = true
  if (request.kind === 'close' && isFragile) throw new Error('a fault at the end')
  if (request.kind === 'analyse' && request.cameraId === 'crash') process.exit(7)
})
port.postMessage = (reply: WorkerReply, transfer) =>
  post(isQuick && reply.kind === 'analysed' ? { ...reply, inferenceMs: 1 } : reply, transfer)
