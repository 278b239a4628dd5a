/** What one judgement of the anomaly model costs, for several numbers of series a run: npm run bench -- signal-cost */
import { join } from 'node:path'
import { findModel, readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { Forecaster } from '../../edge/src/signal/forecaster.ts'
import { HISTORY_LENGTH } from '../../edge/src/signal/history.ts'
import { report } from '../support/bench.ts'

const SECONDS = 2
const MODELS = join(import.meta.dirname, '..', '..', 'models')
const catalogue = await readModelCatalogue(join(MODELS, 'catalogue.json'))
const forecaster = await Forecaster.open(
  await findModel({ wanted: 'auto', catalogue, folders: [MODELS], task: 'signal' }),
)
const recent = Array.from({ length: HISTORY_LENGTH }, (_, index) => 10 + Math.sin(index))
const results: object[] = []
console.log(`The model that every edge runs over numbers, ${SECONDS} s for each number of series in a run.`)
for (const batch of [1, 10, 100, 1000]) {
  const judged = Array.from({ length: batch }, (_, index) => ({
    recent,
    value: 10 + index / batch,
    resolution: 0,
  }))
  for (let warmUp = 0; warmUp < 20; warmUp++) await forecaster.judge(judged)
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  let runs = 0
  while (performance.now() - start < SECONDS * 1000) {
    await forecaster.judge(judged)
    runs += 1
  }
  const elapsedMs = performance.now() - start
  const { user, system } = process.cpuUsage(cpuBefore)
  const result = {
    seriesInARun: batch,
    valuesPerSecond: Math.round((runs * batch * 1000) / elapsedMs),
    wallMicrosPerValue: Math.round((elapsedMs * 10_000) / (runs * batch)) / 10,
    cpuMicrosPerValue: Math.round(((user + system) * 10) / (runs * batch)) / 10,
  }
  results.push(result)
  console.log(JSON.stringify(result))
}
await forecaster.close()
report('signal-cost', { results }, [])
