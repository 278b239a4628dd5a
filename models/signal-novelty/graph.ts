/**
 * The trained model as an ONNX graph. One row in (see edge/src/signal/series-model.ts). Out come the anomaly score, what
 * each measure contributed to it, and the expected value with its spread:
 *   evidence = 2 mean over episodes of clip((level - episode) / 1.1 + 0.5) + clip((level - worst) / 1.5)
 *   score = sigmoid(bias + sum of weight * evidence)
 *   expected = sum of share * forecast, share = error^-4 over the sum of all error^-4
 * Every number of a row's output depends on that row alone: sums are taken along the row, never by matrix products, and
 * there are no logarithms and powers, as the rounding of these depends on the place in the batch.
 */

import { FORECASTS } from '../../edge/src/signal/forecast.ts'
import { MEASURE_COUNT } from '../../edge/src/signal/measures.ts'
import { ERRORS_AT, FORECASTS_AT, ROW_LENGTH, WORST_AT } from '../../edge/src/signal/series-model.ts'
import { WORST } from '../../edge/src/signal/worst-episodes.ts'
import { OnnxGraph } from '../convert/onnx-model.ts'
import { BEYOND, PASSING } from './evidence.ts'
import type { Weights } from './training.ts'

const OPSET = 17
/** Floats in the widest register. */
const ALIGNED = 16

export function encodeModel({ weights, bias }: Weights): Uint8Array {
  const graph = new OnnxGraph('signal-novelty', OPSET)
  graph.addInput('rows', ['batch', ROW_LENGTH])
  for (const name of ['score', 'offset', 'spread']) graph.addOutput(name, ['batch', 1])
  graph.addOutput('contributions', ['batch', MEASURE_COUNT])
  graph.addIntegers('columns', [1])
  graph.addIntegers('episodes', [2])
  const scalar = (name: string, value: number) => graph.addConstant(name, [], Float32Array.of(value))
  scalar('zero', 0)
  scalar('one', 1)
  const slice = (output: string, from: number, to: number) => {
    graph.addIntegers(`${output}_from`, [from])
    graph.addIntegers(`${output}_to`, [to])
    graph.addNode('Slice', ['rows', `${output}_from`, `${output}_to`, 'columns'], output)
  }
  const reshape = (input: string, shape: readonly number[], output: string) => {
    graph.addIntegers(`${output}_shape`, shape)
    graph.addNode('Reshape', [input, `${output}_shape`], output)
  }

  /** Sums up along the last axis, filled up with zeros so that every row begins where the first does in a register. */
  const sum = (input: string, rank: number, length: number, output: string, keepdims: 0 | 1) => {
    const fill = Math.ceil(length / ALIGNED) * ALIGNED - length
    graph.addIntegers(`${output}_fill`, [...new Array(2 * rank - 1).fill(0), fill])
    graph.addNode('Pad', [input, `${output}_fill`], `${output}_filled`)
    graph.addIntegers(`${output}_axis`, [rank - 1])
    graph.addNode('ReduceSum', [`${output}_filled`, `${output}_axis`], output, {
      keepdims: { kind: 'int', value: keepdims },
    })
  }

  slice('measures', 0, WORST_AT)
  slice('worst', WORST_AT, FORECASTS_AT)
  reshape('measures', [-1, MEASURE_COUNT, 1], 'measures_column')
  reshape('worst', [-1, MEASURE_COUNT, WORST], 'worst_table')
  graph.addNode('Sub', ['measures_column', 'worst_table'], 'beyond')

  scalar('passing', 1 / PASSING)
  scalar('half', 0.5)
  graph.addNode('Mul', ['beyond', 'passing'], 'beyond_scaled')
  graph.addNode('Add', ['beyond_scaled', 'half'], 'passed_open')
  graph.addNode('Clip', ['passed_open', 'zero', 'one'], 'passed')
  sum('passed', 3, WORST, 'passed_sum', 0)
  scalar('per_episode', 2 / WORST)
  graph.addNode('Mul', ['passed_sum', 'per_episode'], 'passed_share')
  graph.addIntegers('first_from', [0])
  graph.addIntegers('first_to', [1])
  graph.addNode('Slice', ['beyond', 'first_from', 'first_to', 'episodes'], 'first')
  reshape('first', [-1, MEASURE_COUNT], 'first_row')
  scalar('per_beyond', 1 / BEYOND)
  graph.addNode('Mul', ['first_row', 'per_beyond'], 'first_open')
  graph.addNode('Clip', ['first_open', 'zero', 'one'], 'first_beyond')
  graph.addNode('Add', ['passed_share', 'first_beyond'], 'evidence')

  graph.addConstant('weights', [MEASURE_COUNT], Float32Array.from(weights))
  scalar('bias', bias)
  graph.addNode('Mul', ['evidence', 'weights'], 'contributions')
  sum('contributions', 2, MEASURE_COUNT, 'contributed', 1)
  graph.addNode('Add', ['contributed', 'bias'], 'log_odds')
  graph.addNode('Sigmoid', ['log_odds'], 'score')

  slice('forecasts', FORECASTS_AT, ERRORS_AT)
  slice('errors', ERRORS_AT, ERRORS_AT + FORECASTS)
  graph.addNode('ReduceMin', ['errors'], 'least_error', { axes: { kind: 'ints', value: [1] } })
  graph.addNode('Div', ['least_error', 'errors'], 'accuracy')
  graph.addNode('Mul', ['accuracy', 'accuracy'], 'accuracy_squared')
  graph.addNode('Mul', ['accuracy_squared', 'accuracy_squared'], 'trust')
  sum('trust', 2, FORECASTS, 'trust_sum', 1)
  graph.addNode('Div', ['trust', 'trust_sum'], 'shares')
  graph.addNode('Mul', ['shares', 'forecasts'], 'forecast_shares')
  sum('forecast_shares', 2, FORECASTS, 'offset', 1)
  graph.addNode('Mul', ['shares', 'errors'], 'error_shares')
  sum('error_shares', 2, FORECASTS, 'spread', 1)
  return graph.encode('How new a value is in its series; trained by models/signal-novelty/train.ts')
}
