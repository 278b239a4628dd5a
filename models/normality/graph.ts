/**
 * The normality model as an ONNX graph. It holds no weights that were learned: what a camera has learned is its input,
 * counts of samples by class and place, movement, size and hour. The graph spreads the counts over neighbouring places,
 * movements and sizes, mixes what is known of a place with what is known of the whole picture as far as the place has
 * been seen little (Dirichlet smoothing), and gives for each factor of a sample the probability of everything that is
 * at most as likely: 1 is as usual as can be, 0.001 is rarer than 999 in 1000.
 */
import {
  CELLS,
  CLASSES,
  COLUMNS,
  DIRECTIONS,
  FACTORS,
  HOURS,
  MOVES,
  ROWS,
  SIZES,
  SPEEDS,
} from '../../edge/src/judge/normality/layout.ts'
import { OnnxGraph } from '../convert/onnx-model.ts'

const OPSET = 17
const KINDS = CLASSES.length
/** Samples of the whole picture that a place of its own has to have seen to count as much as they do. */
const LOCAL_PRIOR = 12
/** Samples that are assumed of everything before anything was seen. */
const GLOBAL_PRIOR = 20
/** A likelihood that is as small but for rounding is as small. */
const ROUNDING = 1.0001
const INT64 = 7
const FLOAT = 1

export function encodeModel(): Uint8Array {
  const graph = new OnnxGraph('normality', OPSET)
  graph.addInput('place', [1, KINDS, ROWS, COLUMNS])
  graph.addInput('movement', [1, KINDS * MOVES, ROWS, COLUMNS])
  graph.addInput('size', [1, KINDS * SIZES, ROWS, COLUMNS])
  graph.addInput('hour', [KINDS, HOURS])
  graph.addInput('samples', ['batch', FACTORS.length])
  graph.addOutput('rarity', ['batch', FACTORS.length])
  const build = new Build(graph)

  const [kind, cell, move, size, hour] = FACTORS.map((_, index) => build.column(index))
  const place = build.spread('place', KINDS)
  const byCell = build.perCell(place, KINDS, 1)
  const kindsOfAll = build.reshape(build.sum(place, [2, 3]), [1, KINDS])
  const kindPrior = build.mix(kindsOfAll, build.uniform(KINDS), GLOBAL_PRIOR)
  // [cells * kinds, 1] read as [cells, kinds].
  const kindsHere = build.gather(build.reshape(byCell, [CELLS, KINDS]), cell!)
  const rarities = [build.tail(build.mix(kindsHere, kindPrior, LOCAL_PRIOR), kind!, KINDS)]

  const places = build.reshape(place, [KINDS, CELLS])
  const anyPlace = build.mix(build.sum(places, [0]), build.uniform(CELLS), GLOBAL_PRIOR)
  rarities.push(build.tail(build.mix(build.gather(places, kind!), anyPlace, LOCAL_PRIOR), cell!, CELLS))

  const here = build.rowOf(cell!, kind!)
  for (const [name, bins, matrix, bin] of [
    ['movement', MOVES, alikeMoves(), move],
    ['size', SIZES, alikeSteps(SIZES), size],
  ] as const) {
    const counts = build.spread(name, KINDS * bins)
    const local = build.matrix(build.perCell(counts, KINDS, bins), matrix, bins)
    const all = build.matrix(build.reshape(build.sum(counts, [2, 3]), [KINDS, bins]), matrix, bins)
    const prior = build.mix(build.gather(all, kind!), build.uniform(bins), GLOBAL_PRIOR)
    rarities.push(build.tail(build.mix(build.gather(local, here), prior, LOCAL_PRIOR), bin!, bins))
  }

  const hours = build.matrix('hour', alikeHours(), HOURS)
  const ofKind = build.mix(build.gather(hours, kind!), build.uniform(HOURS), GLOBAL_PRIOR)
  rarities.push(build.tail(ofKind, hour!, HOURS))

  graph.addNode('Concat', rarities, 'rarity', { axis: { kind: 'int', value: 1 } })
  return graph.encode(
    'Rarity of what a camera sees against what it has learned; made by models/normality/make.ts',
  )
}

/** Nodes that are needed more than once. Every method answers the name of what it has added. */
class Build {
  readonly #graph: OnnxGraph
  #count = 0

  constructor(graph: OnnxGraph) {
    this.#graph = graph
  }

  #name(): string {
    this.#count += 1
    return `n${this.#count}`
  }

  #node(op: string, inputs: readonly string[], attributes = {}): string {
    const name = this.#name()
    this.#graph.addNode(op, inputs, name, attributes)
    return name
  }

  #constant(dims: readonly number[], values: readonly number[]): string {
    const name = this.#name()
    this.#graph.addConstant(name, dims, Float32Array.from(values))
    return name
  }

  #integers(values: readonly number[]): string {
    const name = this.#name()
    this.#graph.addIntegers(name, values)
    return name
  }

  /** A column of the samples as whole numbers, [batch]. */
  column(index: number): string {
    const column = this.#node('Gather', ['samples', this.#integers([index])], {
      axis: { kind: 'int', value: 1 },
    })
    const flat = this.reshape(column, [-1])
    return this.#node('Cast', [flat], { to: { kind: 'int', value: INT64 } })
  }

  reshape(input: string, shape: readonly number[]): string {
    return this.#node('Reshape', [input, this.#integers(shape)])
  }

  /** Sum over these dimensions, which stay with length 1. */
  sum(input: string, axes: readonly number[]): string {
    return this.#node('ReduceSum', [input, this.#integers(axes)], { keepdims: { kind: 'int', value: 1 } })
  }

  gather(input: string, rows: string): string {
    return this.#node('Gather', [input, rows], { axis: { kind: 'int', value: 0 } })
  }

  uniform(length: number): string {
    return this.#constant(
      [1, length],
      Array.from({ length }, () => 1 / length),
    )
  }

  /** Each map of counts spread over neighbouring cells; their sum stays the same inside the picture. */
  spread(input: string, maps: number): string {
    const kernel = [-2, -1, 0, 1, 2].flatMap((y) =>
      [-2, -1, 0, 1, 2].map((x) => Math.exp(-(x * x + y * y) / 2)),
    )
    const total = kernel.reduce((sum, value) => sum + value, 0)
    const weights = Array.from({ length: maps }, () => kernel.map((value) => value / total)).flat()
    return this.#node('Conv', [input, this.#constant([maps, 1, 5, 5], weights)], {
      group: { kind: 'int', value: maps },
      kernel_shape: { kind: 'ints', value: [5, 5] },
      pads: { kind: 'ints', value: [2, 2, 2, 2] },
    })
  }

  /** [1, kinds * bins, rows, columns] as [cells * kinds, bins]. */
  perCell(maps: string, kinds: number, bins: number): string {
    const split = this.reshape(maps, [kinds, bins, CELLS])
    const turned = this.#node('Transpose', [split], { perm: { kind: 'ints', value: [2, 0, 1] } })
    return this.reshape(turned, [CELLS * kinds, bins])
  }

  /** Row of a cell and a class in what `perCell` gives. */
  rowOf(cell: string, kind: string): string {
    return this.#node('Add', [this.#node('Mul', [cell, this.#integers([KINDS])]), kind])
  }

  matrix(rows: string, matrix: readonly number[], length: number): string {
    return this.#node('MatMul', [rows, this.#constant([length, length], matrix)])
  }

  /** Likelihoods from counts [n, bins] and a prior [n or 1, bins] that counts as much as `weight` samples. */
  mix(counts: string, prior: string, weight: number): string {
    const weighed = this.#node('Mul', [prior, this.#constant([1], [weight])])
    const total = this.#node('Add', [this.sum(counts, [1]), this.#constant([1], [weight])])
    return this.#node('Div', [this.#node('Add', [counts, weighed]), total])
  }

  /** The probability of all that is at most as likely as the given one, [n, 1]. */
  tail(likelihoods: string, index: string, bins: number): string {
    const all = this.#constant(
      [1, bins],
      Array.from({ length: bins }, (_, bin) => bin),
    )
    const asFloat = this.#node('Cast', [this.reshape(index, [-1, 1])], { to: { kind: 'int', value: FLOAT } })
    const isIt = this.#node('Cast', [this.#node('Equal', [all, asFloat])], {
      to: { kind: 'int', value: FLOAT },
    })
    const own = this.sum(this.#node('Mul', [likelihoods, isIt]), [1])
    const limit = this.#node('Mul', [own, this.#constant([1], [ROUNDING])])
    const isRarer = this.#node('Cast', [this.#node('LessOrEqual', [likelihoods, limit])], {
      to: { kind: 'int', value: FLOAT },
    })
    return this.sum(this.#node('Mul', [likelihoods, isRarer]), [1])
  }
}

/** Rows of a matrix by which counts are shared with what is alike; each sums to 1. */
function sharing(length: number, likeness: (from: number, to: number) => number): number[] {
  return Array.from({ length }, (_, from) => {
    const row = Array.from({ length }, (_, to) => likeness(from, to))
    const total = row.reduce((sum, value) => sum + value, 0)
    return row.map((value) => value / total)
  }).flat()
}

const near = (distance: number): number => (distance === 0 ? 1 : distance === 1 ? 0.2 : 0)

function alikeMoves(): number[] {
  return sharing(MOVES, (from, to) => {
    if (from === 0 || to === 0) return from === to ? 1 : 0
    const [fromTurn, toTurn] = [from, to].map((move) => Math.floor((move - 1) / SPEEDS)) as [number, number]
    const [fromSpeed, toSpeed] = [from, to].map((move) => (move - 1) % SPEEDS) as [number, number]
    const turn = Math.abs(fromTurn - toTurn)
    return near(Math.min(turn, DIRECTIONS - turn)) * near(Math.abs(fromSpeed - toSpeed))
  })
}

function alikeSteps(length: number): number[] {
  return sharing(length, (from, to) => near(Math.abs(from - to)))
}

function alikeHours(): number[] {
  return sharing(HOURS, (from, to) => {
    const apart = Math.abs(from - to)
    return near(Math.min(apart, HOURS - apart))
  })
}
