/** The thread in which one detection model runs: `workerData` in, then one reply for each request. */
import { parentPort, workerData } from 'node:worker_threads'
import { EdgeError } from '../errors.ts'
import { DetectionSession } from './detection-session.ts'
import type { AnalyseRequest, DetectionWorkerData, WorkerReply, WorkerRequest } from './worker-messages.ts'

const port = parentPort!

function reply(message: WorkerReply, pixels?: Uint8Array<ArrayBuffer>): void {
  port.postMessage(message, pixels ? [pixels.buffer] : [])
}

async function analyse(sessions: readonly DetectionSession[], request: AnalyseRequest): Promise<void> {
  const { pixels } = request
  const session = sessions.find(
    ({ widthPx, heightPx }) => widthPx === request.widthPx && heightPx === request.heightPx,
  )!
  const picture = { widthPx: request.pictureWidthPx, heightPx: request.pictureHeightPx }
  try {
    reply({ kind: 'analysed', ...(await session.detect(pixels, picture)), pixels }, pixels)
  } catch (error) {
    reply({ kind: 'failed', message: (error as Error).message, pixels }, pixels)
  }
}

try {
  const { sizes, ...settings } = workerData as DetectionWorkerData
  const sessions: DetectionSession[] = []
  for (const size of sizes) sessions.push(await DetectionSession.open({ ...settings, ...size }))
  let analysing: Promise<void> = Promise.resolve()
  port.on('message', (request: WorkerRequest) => {
    // One at a time: a session keeps its input in memory of its own.
    if (request.kind === 'analyse') analysing = analysing.then(() => analyse(sessions, request))
    // Without its port the thread has nothing to wait for, and ends.
    else {
      void analysing
        .then(() => Promise.all(sessions.map((session) => session.close())))
        .finally(() => port.close())
    }
  })
  reply({ kind: 'ready' })
} catch (error) {
  if (!(error instanceof EdgeError)) throw error
  reply({ kind: 'refused', code: error.code, message: error.message })
}
