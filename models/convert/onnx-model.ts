/**
 * Writes ONNX files. A file is one protobuf message, `ModelProto`; only the fields that a feed-forward float graph
 * needs are described here, by their numbers in the ONNX specification (onnx.proto, IR version 8). Fields are written
 * in ascending order, so the same graph always gives the same bytes.
 */
import protobuf from 'protobufjs'

const IR_VERSION = 8
const FLOAT_TENSOR = 1
const INT64_TENSOR = 7
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: { type: 'int64', id: 1 },
        producerName: { type: 'string', id: 2 },
        docString: { type: 'string', id: 6 },
        graph: { type: 'GraphProto', id: 7 },
        opsetImport: { rule: 'repeated', type: 'OperatorSetIdProto', id: 8 },
      },
    },
    OperatorSetIdProto: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    GraphProto: {
      fields: {
        node: { rule: 'repeated', type: 'NodeProto', id: 1 },
        name: { type: 'string', id: 2 },
        initializer: { rule: 'repeated', type: 'TensorProto', id: 5 },
        input: { rule: 'repeated', type: 'ValueInfoProto', id: 11 },
        output: { rule: 'repeated', type: 'ValueInfoProto', id: 12 },
      },
    },
    NodeProto: {
      fields: {
        input: { rule: 'repeated', type: 'string', id: 1 },
        output: { rule: 'repeated', type: 'string', id: 2 },
        name: { type: 'string', id: 3 },
        opType: { type: 'string', id: 4 },
        attribute: { rule: 'repeated', type: 'AttributeProto', id: 5 },
      },
    },
    AttributeProto: {
      fields: {
        name: { type: 'string', id: 1 },
        f: { type: 'float', id: 2 },
        i: { type: 'int64', id: 3 },
        s: { type: 'bytes', id: 4 },
        ints: { rule: 'repeated', type: 'int64', id: 8, options: { packed: false } },
        type: { type: 'int32', id: 20 },
      },
    },
    TensorProto: {
      fields: {
        dims: { rule: 'repeated', type: 'int64', id: 1, options: { packed: false } },
        dataType: { type: 'int32', id: 2 },
        name: { type: 'string', id: 8 },
        rawData: { type: 'bytes', id: 9 },
      },
    },
    ValueInfoProto: { fields: { name: { type: 'string', id: 1 }, type: { type: 'TypeProto', id: 2 } } },
    TypeProto: { fields: { tensorType: { type: 'TensorTypeProto', id: 1 } } },
    TensorTypeProto: {
      fields: { elemType: { type: 'int32', id: 1 }, shape: { type: 'TensorShapeProto', id: 2 } },
    },
    TensorShapeProto: { fields: { dim: { rule: 'repeated', type: 'DimensionProto', id: 1 } } },
    DimensionProto: { fields: { dimValue: { type: 'int64', id: 1 }, dimParam: { type: 'string', id: 2 } } },
  },
})
const ModelProto = root.lookupType('ModelProto')

/** A number is a fixed size; a name is a size known only when the model runs. */
export type Dimension = number | string

export type AttributeValue =
  | { kind: 'float'; value: number }
  | { kind: 'int'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'ints'; value: readonly number[] }

/** Collects a graph node by node, in the order in which the nodes run, and encodes it. */
export class OnnxGraph {
  readonly #name: string
  readonly #opset: number
  readonly #nodes: object[] = []
  readonly #initializers: object[] = []
  readonly #inputs: object[] = []
  readonly #outputs: object[] = []

  constructor(name: string, opset: number) {
    this.#name = name
    this.#opset = opset
  }

  addInput(name: string, shape: readonly Dimension[]): void {
    this.#inputs.push(describeValue(name, shape))
  }

  addOutput(name: string, shape: readonly Dimension[]): void {
    this.#outputs.push(describeValue(name, shape))
  }

  /** A float32 constant. An empty `dims` is a scalar. */
  addConstant(name: string, dims: readonly number[], values: Float32Array): void {
    const size = dims.reduce((product, dim) => product * dim, 1)
    if (size !== values.length)
      throw new RangeError(`constant ${name}: shape [${dims}] wants ${size} values, got ${values.length}`)
    this.#initializers.push({ dims, dataType: FLOAT_TENSOR, name, rawData: littleEndian(values) })
  }

  /** An int64 constant of rank 1, as shape arguments want it. */
  addIntegers(name: string, values: readonly number[]): void {
    const bytes = new Uint8Array(values.length * 8)
    const view = new DataView(bytes.buffer)
    values.forEach((value, index) => {
      view.setBigInt64(index * 8, BigInt(value), true)
    })
    this.#initializers.push({ dims: [values.length], dataType: INT64_TENSOR, name, rawData: bytes })
  }

  /** One operation with one output; the node carries the name of its output. An empty input name is an omitted one. */
  addNode(
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): void {
    this.#nodes.push({
      input: inputs,
      output: [output],
      name: output,
      opType,
      attribute: Object.entries(attributes).map(([name, attribute]) => encodeAttribute(name, attribute)),
    })
  }

  /** The bytes of the file. `description` says where the model comes from. */
  encode(description: string): Uint8Array {
    return ModelProto.encode({
      irVersion: IR_VERSION,
      producerName: 'patrolhub',
      docString: description,
      graph: {
        node: this.#nodes,
        name: this.#name,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
      opsetImport: [{ domain: '', version: this.#opset }],
    }).finish()
  }
}

function describeValue(name: string, shape: readonly Dimension[]): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }))
  return { name, type: { tensorType: { elemType: FLOAT_TENSOR, shape: { dim } } } }
}

function encodeAttribute(name: string, attribute: AttributeValue): object {
  const type = ATTRIBUTE_TYPE[attribute.kind]
  switch (attribute.kind) {
    case 'float':
      return { name, type, f: attribute.value }
    case 'int':
      return { name, type, i: attribute.value }
    case 'string':
      return { name, type, s: new TextEncoder().encode(attribute.value) }
    case 'ints':
      return { name, type, ints: attribute.value }
  }
}

/** `TensorProto.raw_data` is little-endian whatever the machine. */
function littleEndian(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < values.length; index++) view.setFloat32(index * 4, values[index]!, true)
  return bytes
}
