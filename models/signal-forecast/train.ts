/**
 * `node models/signal-forecast/train.ts [--evaluate]` trains the model anew and writes `signal-forecast.onnx` beside
 * this file: the same bytes each time. Prints the SHA-256 for the catalogue; with --evaluate also the table of the card.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { encodeModel } from './graph.ts'
import { forecast } from './network.ts'
import { calibrate, evaluate, type Predict, train } from './training.ts'

const { values } = parseArgs({ options: { evaluate: { type: 'boolean', default: false } } })
const startedMs = performance.now()
const layers = train((step, loss) => console.log(`step ${step}: loss ${loss.toFixed(4)}`))
const predict: Predict = (row) => forecast(layers, row)
const spreadFactor = calibrate(predict)
const bytes = encodeModel(layers, spreadFactor)
const path = join(import.meta.dirname, 'signal-forecast.onnx')
writeFileSync(path, bytes)
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
console.log(`${path}: ${bytes.length} bytes in ${seconds} s, spread factor ${spreadFactor}`)
console.log(`sha256 ${createHash('sha256').update(bytes).digest('hex')}`)
if (values.evaluate) {
  console.table([
    evaluate('signal-forecast', predict),
    evaluate('median and spread of the window', () => ({ mean: 0, spread: 1 })),
    evaluate('the last value, spread of the window', (row) => ({ mean: row[31]!, spread: 1 })),
  ])
}
