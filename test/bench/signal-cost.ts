/**
 * What it costs to judge values of many series: learning, measuring and the anomaly model, on one core.
 *
 *   npm run bench -- signal-cost [--seconds 3]
 *
 * The series are counts of vehicles a window with a habit of the day, and have each filled their memory.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findModel, readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { Scorer } from '../../edge/src/signal/scorer.ts'
import { ROW_LENGTH, SeriesModel, STATE_BYTES } from '../../edge/src/signal/series-model.ts'
import { MEMORY_LENGTH } from '../../edge/src/signal/value-memory.ts'
import { Random } from '../../models/signal-novelty/random.ts'
import { report } from '../support/bench.ts'

const WANTED_VALUES_PER_SECOND = 50_000
const STEP_MS = 300_000
const SERIES = [1, 10, 100, 1000]

const { values: options } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } })
const seconds = Number(options.seconds)
if (!(seconds > 0)) throw new Error('--seconds has to be a number above 0')

const models = join(import.meta.dirname, '..', '..', 'models')
const catalogue = await readModelCatalogue(join(models, 'catalogue.json'))
const scorer = await Scorer.open(
  await findModel({ wanted: 'auto', catalogue, folders: [models], task: 'signal' }),
)
const random = new Random(1)
const countAt = (step: number) => random.poisson(12 + 10 * Math.sin((step * 2 * Math.PI) / 288))

const heapBefore = memoryBytes()
const row = new Float32Array(ROW_LENGTH)
const all = Array.from({ length: Math.max(...SERIES) }, () => {
  const series = new SeriesModel()
  for (let step = 0; step <= MEMORY_LENGTH; step++) series.take(countAt(step), step * STEP_MS, 1, row)
  return series
})
const bytesPerSeries = Math.round((memoryBytes() - heapBefore) / all.length)

const results = []
let step = MEMORY_LENGTH + 1
for (const count of SERIES) {
  const { user: before } = process.cpuUsage()
  const beganAt = performance.now()
  let judged = 0
  while (performance.now() - beganAt < seconds * 1000) {
    const atMs = step * STEP_MS
    await scorer.judge(
      all.slice(0, count).map((series) => ({ series, value: countAt(step), atMs, resolution: 1 })),
    )
    step += 1
    judged += count
  }
  const elapsedMs = performance.now() - beganAt
  const result = {
    seriesInARun: count,
    valuesPerSecond: Math.round((judged * 1000) / elapsedMs),
    cpuMicrosPerValue: Math.round(((process.cpuUsage().user - before) * 10) / judged) / 10,
  }
  results.push(result)
  console.log(JSON.stringify(result))
}
await scorer.close()
const best = Math.max(...results.map(({ valuesPerSecond }) => valuesPerSecond))
report('signal-cost', { results, bytesPerSeries, stateBytes: STATE_BYTES }, [
  {
    name: 'values judged a second on one core',
    value: best,
    unit: 'values/s',
    bar: WANTED_VALUES_PER_SECOND,
    ok: best >= WANTED_VALUES_PER_SECOND,
  },
])

function memoryBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
