/** The real detection worker, which dies at frames of the camera `crash`, as a fault in native code would end it. */
import { parentPort } from 'node:worker_threads'
import type { WorkerRequest } from '../../src/detect/worker-messages.ts'
import '../../src/detect/detection-worker.ts'

parentPort!.on('message', (request: WorkerRequest) => {
  if (request.kind === 'analyse' && request.cameraId === 'crash') process.exit(7)
})
