/**
 * The trained network as an ONNX graph. One row in, `ROW_LENGTH` numbers (see edge/src/signal/history.ts); out come the
 * expected value and its spread, both normalised, and the anomaly score of the value:
 *   z = (value - mean) / spread,  score = z^2 / (z^2 + 16)
 * so that 0.5 is 4 spreads away, 0.7 about 6, 0.9 is 12. The score grows with the distance and never quite reaches 1.
 */
import { HISTORY_LENGTH, ROW_LENGTH } from '../../edge/src/signal/history.ts'
import { OnnxGraph } from '../convert/onnx-model.ts'
import { type Layer, MIN_SPREAD } from './network.ts'

const OPSET = 17

/** @param spreadFactor what the learned spread is multiplied with, from calibration. */
export function encodeModel(layers: readonly Layer[], spreadFactor: number): Uint8Array {
  const graph = new OnnxGraph('signal-forecast', OPSET)
  graph.addInput('rows', ['batch', ROW_LENGTH])
  for (const name of ['mean', 'spread', 'score']) graph.addOutput(name, ['batch', 1])
  graph.addIntegers('zero', [0])
  graph.addIntegers('history_end', [2 * HISTORY_LENGTH])
  graph.addIntegers('row_end', [ROW_LENGTH])
  graph.addIntegers('columns', [1])
  graph.addNode('Slice', ['rows', 'zero', 'history_end', 'columns'], 'history')
  graph.addNode('Slice', ['rows', 'history_end', 'row_end', 'columns'], 'value')
  let before = 'history'
  for (const [depth, layer] of layers.slice(0, -1).entries()) {
    addDense(graph, layer, before, `dense${depth}`)
    graph.addNode('Relu', [`dense${depth}`], `active${depth}`)
    before = `active${depth}`
  }
  const [mean, spread] = splitOutputs(layers.at(-1)!)
  addDense(graph, mean!, before, 'mean')
  addDense(graph, spread!, before, 'spread_raw')
  addScalar(graph, 'min_spread', MIN_SPREAD)
  addScalar(graph, 'spread_factor', spreadFactor)
  addScalar(graph, 'half_score', 16)
  graph.addNode('Softplus', ['spread_raw'], 'spread_soft')
  graph.addNode('Add', ['spread_soft', 'min_spread'], 'spread_learned')
  graph.addNode('Mul', ['spread_learned', 'spread_factor'], 'spread')
  graph.addNode('Sub', ['value', 'mean'], 'distance')
  graph.addNode('Div', ['distance', 'spread'], 'z')
  graph.addNode('Mul', ['z', 'z'], 'z2')
  graph.addNode('Add', ['z2', 'half_score'], 'z2_shifted')
  graph.addNode('Div', ['z2', 'z2_shifted'], 'score')
  return graph.encode('Expected value and spread of a series; trained by models/signal-forecast/train.ts')
}

function addDense(graph: OnnxGraph, layer: Layer, input: string, output: string): void {
  graph.addConstant(`${output}_weights`, [layer.outputs, layer.inputs], Float32Array.from(layer.weights))
  graph.addConstant(`${output}_biases`, [layer.outputs], Float32Array.from(layer.biases))
  graph.addNode('Gemm', [input, `${output}_weights`, `${output}_biases`], output, {
    transB: { kind: 'int', value: 1 },
  })
}

function addScalar(graph: OnnxGraph, name: string, value: number): void {
  graph.addConstant(name, [], Float32Array.of(value))
}

/** The last layer, one layer an output. */
function splitOutputs({ inputs, outputs, weights, biases }: Layer): Layer[] {
  return Array.from({ length: outputs }, (_, out) => ({
    inputs,
    outputs: 1,
    weights: weights.slice(out * inputs, (out + 1) * inputs),
    biases: biases.slice(out, out + 1),
  }))
}
