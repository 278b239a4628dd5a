/**
 * Converts a TensorFlow.js graph model of a convolutional network to ONNX: what enters is a graph over NHWC pictures,
 * what leaves is the same function over NCHW. It stops at the named heads; what comes after them (TopK, gathers) is
 * left to a decoder in code.
 *
 * Invariants: every value that flows between nodes is a picture of rank 4, so an axis has one meaning everywhere and
 * only filters and axes change; sizes are expressed by scale, never by number, so the result takes any height and
 * width that is a multiple of the network's stride. An operation that is not listed stops the conversion.
 */
import type { GraphModel, GraphNode } from './graph-model.ts'
import { type AttributeValue, OnnxGraph } from './onnx-model.ts'

/** The first with every operation used here in its present form; all runtimes since 2021 read it. */
const OPSET = 13

/** NHWC axis to NCHW axis. */
const AXIS_TO_NCHW = [0, 2, 3, 1] as const

export interface ConversionOptions {
  graphName: string
  /** Where the model comes from and its licence; stands in the file. */
  description: string
  input: { node: string; name: string }
  /** The heads to keep: name of the node, and of the output in the ONNX file. */
  outputs: readonly { node: string; name: string }[]
}

/** Throws an Error naming the node and what about it is not supported. */
export function convertGraphModel(model: GraphModel, options: ConversionOptions): Uint8Array {
  const conversion = new Conversion(model, options)
  return conversion.run()
}

/** What is known of a value: its channels, and its height and width at the size that the model was exported with. */
interface Picture {
  channels: number
  heightPx: number
  widthPx: number
}

class Conversion {
  readonly #model: GraphModel
  readonly #options: ConversionOptions
  readonly #graph: OnnxGraph
  readonly #pictures = new Map<string, Picture>()
  readonly #constants = new Set<string>()
  #inputPicture: Picture | undefined

  constructor(model: GraphModel, options: ConversionOptions) {
    this.#model = model
    this.#options = options
    this.#graph = new OnnxGraph(options.graphName, OPSET)
  }

  run(): Uint8Array {
    const needed = this.#nodesOfHeads()
    for (const node of this.#model.nodes) if (needed.has(node.name)) this.#convert(node)
    for (const { node, name } of this.#options.outputs) {
      const { channels, heightPx } = this.#picture(node, node)
      const stride = this.#inputPicture!.heightPx / heightPx
      this.#graph.addNode('Identity', [node], name)
      this.#graph.addOutput(name, ['batch', channels, `height/${stride}`, `width/${stride}`])
    }
    return this.#graph.encode(this.#options.description)
  }

  /** Names of the nodes that the heads depend on. */
  #nodesOfHeads(): Set<string> {
    const byName = new Map(this.#model.nodes.map((node) => [node.name, node]))
    const needed = new Set<string>()
    const open = this.#options.outputs.map(({ node }) => node)
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (needed.has(name) || this.#model.weights.has(name)) continue
      const node = byName.get(name)
      if (!node) throw new Error(`the model has no node ${name}`)
      needed.add(name)
      open.push(...(node.input ?? []))
    }
    return needed
  }

  #convert(node: GraphNode): void {
    switch (node.op) {
      case 'Placeholder':
        this.#convertInput(node)
        break
      case 'Conv2D':
      case '_FusedConv2D':
        this.#convertConvolution(node, false)
        break
      case 'DepthwiseConv2dNative':
      case 'FusedDepthwiseConv2dNative':
        this.#convertConvolution(node, true)
        break
      case 'Add':
      case 'AddV2':
        this.#convertBinary(node, 'Add')
        break
      case 'Mul':
        this.#convertBinary(node, 'Mul')
        break
      case 'Relu':
      case 'Sigmoid':
      case 'Identity':
        this.#convertUnary(node, node.op)
        break
      case 'Relu6':
        this.#pictures.set(node.name, this.#picture(argument(node, 0), node.name))
        this.#addClip(argument(node, 0), node.name)
        break
      case 'Mean':
        this.#convertMean(node)
        break
      case 'ConcatV2':
        this.#convertConcat(node)
        break
      case 'ResizeBilinear':
        this.#convertResize(node)
        break
      default:
        throw new Error(`${node.name}: operation ${node.op} is not supported`)
    }
  }

  #convertInput(node: GraphNode): void {
    if (node.name !== this.#options.input.node) throw new Error(`${node.name}: a second input`)
    const shape = node.attr?.shape as { shape?: { dim?: { size: string }[] } } | undefined
    const [, heightPx, widthPx, channels] = (shape?.shape?.dim ?? []).map(({ size }) => Number(size))
    if (!(heightPx! > 0 && widthPx! > 0 && channels! > 0))
      throw new Error(`${node.name}: its shape is not [batch, height, width, channels]`)
    this.#inputPicture = { channels: channels!, heightPx: heightPx!, widthPx: widthPx! }
    this.#pictures.set(node.name, this.#inputPicture)
    this.#graph.addInput(this.#options.input.name, ['batch', channels!, 'height', 'width'])
    this.#graph.addNode('Identity', [this.#options.input.name], node.name)
  }

  #convertConvolution(node: GraphNode, isDepthwise: boolean): void {
    if (text(node, 'data_format') !== 'NHWC')
      throw new Error(`${node.name}: only the layout NHWC is supported`)
    const padding = text(node, 'padding')
    if (padding !== 'SAME' && padding !== 'VALID')
      throw new Error(`${node.name}: padding ${padding} is not supported`)
    const input = this.#picture(argument(node, 0), node.name)
    const [, strideY = 1, strideX = 1] = integers(node, 'strides')
    const [, dilationY = 1, dilationX = 1] = integers(node, 'dilations')
    const filter = this.#weight(argument(node, 1), node.name)
    const [kernelY, kernelX, channelsIn, perChannel] = filter.shape as [number, number, number, number]
    if (channelsIn !== input.channels)
      throw new Error(`${node.name}: filter takes ${channelsIn} channels, its input has ${input.channels}`)
    const channels = isDepthwise ? channelsIn * perChannel : perChannel

    const filterName = `${node.name}/filter`
    if (isDepthwise)
      this.#graph.addConstant(
        filterName,
        [channels, 1, kernelY, kernelX],
        channelsFirst(filter.values, channels),
      )
    else
      this.#graph.addConstant(
        filterName,
        [channels, channelsIn, kernelY, kernelX],
        outputsFirst(filter.values, channelsIn, channels),
      )
    const inputs = [argument(node, 0), filterName]
    const fused = texts(node, 'fused_ops')
    if (fused[0] === 'BiasAdd') {
      const bias = this.#weight(argument(node, 2), node.name)
      this.#graph.addConstant(`${node.name}/bias`, [channels], bias.values)
      inputs.push(`${node.name}/bias`)
      fused.shift()
    }

    const [activation, ...rest] = fused
    if (rest.length > 0 || (activation !== undefined && activation !== 'Relu' && activation !== 'Relu6'))
      throw new Error(`${node.name}: fused operations ${texts(node, 'fused_ops')} are not supported`)
    const result = activation === undefined ? node.name : `${node.name}/linear`
    this.#graph.addNode('Conv', inputs, result, {
      // TensorFlow puts the odd pixel of SAME padding at the bottom and right.
      auto_pad: { kind: 'string', value: padding === 'SAME' ? 'SAME_UPPER' : 'VALID' },
      dilations: { kind: 'ints', value: [dilationY, dilationX] },
      group: { kind: 'int', value: isDepthwise ? channelsIn : 1 },
      kernel_shape: { kind: 'ints', value: [kernelY, kernelX] },
      strides: { kind: 'ints', value: [strideY, strideX] },
    })
    if (activation === 'Relu') this.#graph.addNode('Relu', [result], node.name)
    if (activation === 'Relu6') this.#addClip(result, node.name)
    const lostPx = padding === 'SAME' ? [0, 0] : [(kernelY - 1) * dilationY, (kernelX - 1) * dilationX]
    this.#pictures.set(node.name, {
      channels,
      heightPx: Math.ceil((input.heightPx - lostPx[0]!) / strideY),
      widthPx: Math.ceil((input.widthPx - lostPx[1]!) / strideX),
    })
  }

  #convertUnary(node: GraphNode, opType: string): void {
    this.#pictures.set(node.name, this.#picture(argument(node, 0), node.name))
    this.#graph.addNode(opType, [argument(node, 0)], node.name)
  }

  /** One side may be a scalar; two pictures must have one size or one of them height and width 1. */
  #convertBinary(node: GraphNode, opType: 'Add' | 'Mul'): void {
    let result: Picture | undefined
    for (const name of [argument(node, 0), argument(node, 1)]) {
      const weight = this.#model.weights.get(name)
      if (weight) {
        if (weight.values.length !== 1)
          throw new Error(
            `${node.name}: a constant of shape [${weight.shape}] is not supported, only a scalar`,
          )
        this.#addScalar(name, weight.values[0]!)
        continue
      }
      const picture = this.#picture(name, node.name)
      if (result && picture.channels !== result.channels)
        throw new Error(`${node.name}: ${result.channels} channels against ${picture.channels}`)
      if (!result || picture.heightPx > result.heightPx) result = picture
    }
    if (!result) throw new Error(`${node.name}: both sides are constant`)
    this.#pictures.set(node.name, result)
    this.#graph.addNode(opType, [argument(node, 0), argument(node, 1)], node.name)
  }

  #convertMean(node: GraphNode): void {
    const axes = [...this.#weight(argument(node, 1), node.name).values].toSorted()
    if (axes.join() !== '1,2' || node.attr?.keep_dims?.b !== true)
      throw new Error(`${node.name}: only a mean over height and width that keeps its axes is supported`)
    const { channels } = this.#picture(argument(node, 0), node.name)
    this.#pictures.set(node.name, { channels, heightPx: 1, widthPx: 1 })
    this.#graph.addNode('GlobalAveragePool', [argument(node, 0)], node.name)
  }

  #convertConcat(node: GraphNode): void {
    const inputs = (node.input ?? []).slice(0, -1)
    const [axis] = this.#weight(node.input!.at(-1)!, node.name).values
    if (axis !== 3 && axis !== -1) throw new Error(`${node.name}: only channels can be concatenated`)
    const pictures = inputs.map((name) => this.#picture(name, node.name))
    const channels = pictures.reduce((sum, picture) => sum + picture.channels, 0)
    this.#pictures.set(node.name, { ...pictures[0]!, channels })
    this.#graph.addNode('Concat', inputs, node.name, { axis: { kind: 'int', value: AXIS_TO_NCHW[3] } })
  }

  #convertResize(node: GraphNode): void {
    if (node.attr?.align_corners?.b || node.attr?.half_pixel_centers?.b)
      throw new Error(`${node.name}: only the plain coordinate rule x·in/out is supported`)
    const input = this.#picture(argument(node, 0), node.name)
    const [heightPx, widthPx] = this.#weight(argument(node, 1), node.name).values
    const scaleY = heightPx! / input.heightPx
    const scaleX = widthPx! / input.widthPx
    const scales = `${node.name}/scales`
    this.#graph.addConstant(scales, [4], Float32Array.of(1, 1, scaleY, scaleX))
    const attributes: Record<string, AttributeValue> = {
      coordinate_transformation_mode: { kind: 'string', value: 'asymmetric' },
      mode: { kind: 'string', value: 'linear' },
    }
    // The region of interest, second input, belongs to another mode.
    this.#graph.addNode('Resize', [argument(node, 0), '', scales], node.name, attributes)
    this.#pictures.set(node.name, { channels: input.channels, heightPx: heightPx!, widthPx: widthPx! })
  }

  #addClip(input: string, output: string): void {
    this.#addScalar('clip/0', 0)
    this.#addScalar('clip/6', 6)
    this.#graph.addNode('Clip', [input, 'clip/0', 'clip/6'], output)
  }

  #addScalar(name: string, value: number): void {
    if (this.#constants.has(name)) return
    this.#constants.add(name)
    this.#graph.addConstant(name, [], Float32Array.of(value))
  }

  #picture(name: string, reader: string): Picture {
    const picture = this.#pictures.get(name)
    if (!picture) throw new Error(`${reader}: its input ${name} is not a picture computed before it`)
    return picture
  }

  #weight(name: string, reader: string): { shape: number[]; values: Float32Array } {
    const weight = this.#model.weights.get(name)
    if (!weight) throw new Error(`${reader}: its input ${name} is not a constant`)
    return { shape: weight.shape, values: Float32Array.from(weight.values) }
  }
}

function argument(node: GraphNode, index: number): string {
  const name = node.input?.[index]
  if (name === undefined) throw new Error(`${node.name}: input ${index} is missing`)
  return name
}

function integers(node: GraphNode, attribute: string): number[] {
  return (node.attr?.[attribute]?.list?.i ?? []).map(Number)
}

function text(node: GraphNode, attribute: string): string {
  return atob(node.attr?.[attribute]?.s ?? '')
}

function texts(node: GraphNode, attribute: string): string[] {
  return (node.attr?.[attribute]?.list?.s ?? []).map(atob)
}

/** `[position, channel]` to `[channel, position]`; a depthwise filter is `[y, x, channel, multiplier]`. */
function channelsFirst(values: Float32Array, channels: number): Float32Array {
  const positions = values.length / channels
  const result = new Float32Array(values.length)
  for (let channel = 0; channel < channels; channel++)
    for (let position = 0; position < positions; position++)
      result[channel * positions + position] = values[position * channels + channel]!
  return result
}

/** `[position, in, out]` to `[out, in, position]`. */
function outputsFirst(values: Float32Array, channelsIn: number, channelsOut: number): Float32Array {
  const positions = values.length / (channelsIn * channelsOut)
  const result = new Float32Array(values.length)
  for (let out = 0; out < channelsOut; out++)
    for (let input = 0; input < channelsIn; input++)
      for (let position = 0; position < positions; position++)
        result[(out * channelsIn + input) * positions + position] =
          values[(position * channelsIn + input) * channelsOut + out]!
  return result
}
