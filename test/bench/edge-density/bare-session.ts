/** A thread that runs a detection model and nothing around it, for comparison; says how many runs it made. */
import { parentPort, workerData } from 'node:worker_threads'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const { path, input, widthPx, heightPx, seconds } = workerData as {
  path: string
  input: string
  widthPx: number
  heightPx: number
  seconds: number
}
const session = await InferenceSession.create(path, {
  graphOptimizationLevel: 'all',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  freeDimensionOverrides: { batch: 1, height: heightPx, width: widthPx },
  logSeverityLevel: 3,
})
const data = new Float32Array(3 * widthPx * heightPx).fill(114)
const feeds = { [input]: new Tensor('float32', data, [1, 3, heightPx, widthPx]) }
await session.run(feeds)
const begunMs = performance.now()
let runs = 0
for (; performance.now() - begunMs < seconds * 1000; runs += 1) await session.run(feeds)
const perSecond = (runs * 1000) / (performance.now() - begunMs)
await session.release()
parentPort!.postMessage(perSecond)
