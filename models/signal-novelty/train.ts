/**
 * Makes the anomaly model: node models/signal-novelty/train.ts [--evaluate]. Always the same bytes; `--evaluate` also
 * judges series that were not trained on.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REASON_OF_MEASURE, SERIES_MEASURES, VIEW_MEASURES } from '../../edge/src/signal/measures.ts'
import { encodeModel } from './graph.ts'
import { makeStretches, ranking, train } from './training.ts'

const trained = train()
const names = [...VIEW_MEASURES, ...VIEW_MEASURES.map((name) => `${name}, compressed`), ...SERIES_MEASURES]
for (const [index, name] of names.entries())
  console.log(`${trained.weights[index]!.toFixed(3)} ${name} (${REASON_OF_MEASURE[index]})`)
console.log(`${trained.bias.toFixed(3)} bias`)
if (process.argv.includes('--evaluate'))
  console.log(`ranks ${(100 * ranking(makeStretches(12, 100), trained)).toFixed(1)} % of new pairs rightly`)
const bytes = encodeModel(trained)
writeFileSync(join(import.meta.dirname, 'signal-novelty.onnx'), bytes)
console.log(`${bytes.length} bytes, sha256 ${createHash('sha256').update(bytes).digest('hex')}`)
