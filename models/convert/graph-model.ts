/**
 * Reads a TensorFlow.js graph model: `model.json` with the nodes in running order and the list of weights, and one
 * binary file with the weights end to end. Weights stored as float16 are widened to float32, which is exact.
 */
import { parser } from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'

const Attribute = Type.Object({
  /** Base64. */
  s: Type.Optional(Type.String()),
  b: Type.Optional(Type.Boolean()),
  i: Type.Optional(Type.String()),
  list: Type.Optional(
    Type.Object({ i: Type.Optional(Type.Array(Type.String())), s: Type.Optional(Type.Array(Type.String())) }),
  ),
})

const Node = Type.Object({
  name: Type.String(),
  op: Type.String(),
  input: Type.Optional(Type.Array(Type.String())),
  attr: Type.Optional(Type.Record(Type.String(), Attribute)),
})
export type GraphNode = Static<typeof Node>

const Weight = Type.Object({
  name: Type.String(),
  shape: Type.Array(Type.Integer({ minimum: 0 })),
  dtype: Type.Union([Type.Literal('float32'), Type.Literal('int32')]),
  quantization: Type.Optional(Type.Object({ dtype: Type.Literal('float16') })),
})

const ModelJson = Type.Object({
  format: Type.Literal('graph-model'),
  modelTopology: Type.Object({ node: Type.Array(Node) }),
  weightsManifest: Type.Array(Type.Object({ weights: Type.Array(Weight) }), { minItems: 1, maxItems: 1 }),
})
const parseModelJson = parser(ModelJson)

export interface GraphWeight {
  /** Empty for a scalar. */
  shape: number[]
  values: Float32Array | Int32Array
}

export interface GraphModel {
  /** Constants left out; each node stands after those that it reads. */
  nodes: GraphNode[]
  weights: Map<string, GraphWeight>
}

/**
 * Parses the two files of a graph model. Throws an Error that says what does not fit when the JSON has another form
 * or the binary file is shorter or longer than its list of weights says.
 */
export function readGraphModel(modelJson: Uint8Array, weightBytes: Uint8Array): GraphModel {
  const parsed = parseModelJson(JSON.parse(new TextDecoder().decode(modelJson)))
  if (!parsed.ok) throw new Error(`not a TensorFlow.js graph model: ${parsed.problems.join('; ')}`)
  const view = new DataView(weightBytes.buffer, weightBytes.byteOffset, weightBytes.byteLength)
  const weights = new Map<string, GraphWeight>()
  let offset = 0
  for (const { name, shape, dtype, quantization } of parsed.value.weightsManifest[0]!.weights) {
    const count = shape.reduce((product, dim) => product * dim, 1)
    const bytesEach = quantization ? 2 : 4
    const end = offset + count * bytesEach
    if (end > view.byteLength)
      throw new Error(`weights end at byte ${view.byteLength}, ${name} wants bytes up to ${end}`)
    const values = dtype === 'int32' ? new Int32Array(count) : new Float32Array(count)
    for (let index = 0; index < count; index++) {
      const at = offset + index * bytesEach
      if (dtype === 'int32') values[index] = view.getInt32(at, true)
      else values[index] = quantization ? widenHalf(view.getUint16(at, true)) : view.getFloat32(at, true)
    }
    weights.set(name, { shape, values })
    offset = end
  }
  if (offset !== view.byteLength)
    throw new Error(`the list of weights covers ${offset} bytes of ${view.byteLength}`)
  return { nodes: parsed.value.modelTopology.node.filter((node) => node.op !== 'Const'), weights }
}

/** IEEE 754 binary16 to a number: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
export function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
