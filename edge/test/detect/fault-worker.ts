/**
 * The real detection worker, which dies at frames of the camera `crash`, as a fault in native code would end it; after a
 * frame of the camera `fragile` it does not survive its end either.
 */
import { parentPort } from 'node:worker_threads'
import type { WorkerRequest } from '../../src/detect/worker-messages.ts'
import '../../src/detect/detection-worker.ts'

let isFragile = false
parentPort!.on('message', (request: WorkerRequest) => {
  if (request.kind === 'analyse' && request.cameraId === 'fragile') isFragile = true
  if (request.kind === 'close' && isFragile) throw new Error('a fault at the end')
  if (request.kind === 'analyse' && request.cameraId === 'crash') process.exit(7)
})
