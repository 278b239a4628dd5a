/**
 * A small fully connected network with two outputs, expected value and (before softplus) spread, and its training by
 * back-propagation with Adam (Kingma and Ba, 2015). Plain loops over Float64Array in a fixed order: the same seed gives
 * the same bits.
 */
import type { Random } from './random.ts'

export interface Layer {
  inputs: number
  outputs: number
  /** Row by output: `weights[output * inputs + input]`. */
  weights: Float64Array
  biases: Float64Array
}

export const MIN_SPREAD = 0.05

export function makeNetwork(sizes: readonly number[], random: Random): Layer[] {
  return sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index]!
    // He et al. 2015, for rectified units; the last layer starts near "no change, spread 1".
    const deviation = index === sizes.length - 2 ? 0.01 : Math.sqrt(2 / inputs)
    const weights = Float64Array.from({ length: inputs * outputs }, () => deviation * random.normal())
    return { inputs, outputs, weights, biases: new Float64Array(outputs) }
  })
}

export interface Forecast {
  mean: number
  spread: number
}

export function softplus(value: number): number {
  return Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))
}

/** Expected value and spread for one row of inputs. */
export function forecast(layers: readonly Layer[], input: ArrayLike<number>): Forecast {
  const output = forward(layers, input).at(-1)!
  return { mean: output[0]!, spread: softplus(output[1]!) + MIN_SPREAD }
}

function forward(layers: readonly Layer[], input: ArrayLike<number>): Float64Array[] {
  const activations = [Float64Array.from({ length: layers[0]!.inputs }, (_, index) => input[index]!)]
  for (const [depth, { inputs, outputs, weights, biases }] of layers.entries()) {
    const before = activations[depth]!
    const after = new Float64Array(outputs)
    for (let out = 0; out < outputs; out++) {
      let sum = biases[out]!
      for (let index = 0; index < inputs; index++) sum += weights[out * inputs + index]! * before[index]!
      after[out] = depth < layers.length - 1 ? Math.max(0, sum) : sum
    }
    activations.push(after)
  }
  return activations
}

/**
 * Loss of one sample: negative log-likelihood of a normal distribution whose tails beyond 3 spreads count linearly
 * (Huber), so that values that are odd by themselves do not widen the spread for all.
 */
export function lossOf(z: number, spread: number): number {
  const distance = Math.abs(z)
  return Math.log(spread) + (distance < 3 ? (z * z) / 2 : 3 * distance - 4.5)
}

interface Moments {
  m: Float64Array
  v: Float64Array
}

export class Trainer {
  readonly #layers: Layer[]
  readonly #gradients: { weights: Float64Array; biases: Float64Array }[]
  readonly #moments: { weights: Moments; biases: Moments }[]
  #steps = 0

  constructor(layers: Layer[]) {
    this.#layers = layers
    const zeros = (like: Float64Array) => new Float64Array(like.length)
    this.#gradients = layers.map(({ weights, biases }) => ({
      weights: zeros(weights),
      biases: zeros(biases),
    }))
    this.#moments = layers.map(({ weights, biases }) => ({
      weights: { m: zeros(weights), v: zeros(weights) },
      biases: { m: zeros(biases), v: zeros(biases) },
    }))
  }

  /** Adds the gradient of one sample; returns its loss. */
  add(input: ArrayLike<number>, target: number): number {
    const layers = this.#layers
    const activations = forward(layers, input)
    const output = activations.at(-1)!
    const raw = output[1]!
    const spread = softplus(raw) + MIN_SPREAD
    const z = (target - output[0]!) / spread
    const pull = Math.max(-3, Math.min(3, z))
    const sigmoid = 1 / (1 + Math.exp(-raw))
    let gradient = Float64Array.of(-pull / spread, (sigmoid * (1 - pull * z)) / spread)
    for (let depth = layers.length - 1; depth >= 0; depth--) {
      gradient = this.#addLayer(depth, activations[depth]!, gradient)
    }
    return lossOf(z, spread)
  }

  /** One step of Adam with what was added since the last one. */
  step(samples: number, learningRate: number): void {
    this.#steps += 1
    const correction = Math.sqrt(1 - 0.999 ** this.#steps) / (1 - 0.9 ** this.#steps)
    for (const [depth, layer] of this.#layers.entries()) {
      for (const part of ['weights', 'biases'] as const) {
        const values = layer[part]
        const gradients = this.#gradients[depth]![part]
        const { m, v } = this.#moments[depth]![part]
        for (let index = 0; index < values.length; index++) {
          const gradient = gradients[index]! / samples
          m[index] = 0.9 * m[index]! + 0.1 * gradient
          v[index] = 0.999 * v[index]! + 0.001 * gradient * gradient
          values[index]! -= (learningRate * correction * m[index]!) / (Math.sqrt(v[index]!) + 1e-8)
        }
        gradients.fill(0)
      }
    }
  }

  #addLayer(depth: number, before: Float64Array, gradient: Float64Array): Float64Array<ArrayBuffer> {
    const { inputs, outputs, weights } = this.#layers[depth]!
    const sums = this.#gradients[depth]!
    const back = new Float64Array(inputs)
    for (let out = 0; out < outputs; out++) {
      const g = gradient[out]!
      if (g === 0) continue
      sums.biases[out]! += g
      for (let index = 0; index < inputs; index++) {
        sums.weights[out * inputs + index]! += g * before[index]!
        back[index]! += g * weights[out * inputs + index]!
      }
    }
    // Rectified units pass a gradient only where they were active.
    if (depth > 0) for (let index = 0; index < inputs; index++) if (before[index] === 0) back[index] = 0
    return back
  }
}
