/**
 * Points as columns, to be handed to the thread that owns DuckDB: numbers go over as memory that changes hands and text
 * that repeats as a dictionary, where a list of objects would be copied twice, value by value.
 */
import { MEASUREMENTS, type Measurement, type Point } from '../../ports/timeseries.ts'
import { type Column, columnsOf } from './duckdb-tables.ts'
import { stretchOf } from './rollups.ts'

/** Points of one call of `append`, in its order. */
export interface Appended {
  points: readonly Point[]
  /** See TimeSeries.append. */
  source: string | undefined
}

/** Rows of a block that belong to one call of `append`. */
export interface Segment {
  source: string | undefined
  rows: number
  firstTieBreak: number
  lastTieBreak: number
  /** Each tie break is greater than the one before. */
  isAscending: boolean
}

/** NaN is null. */
export type Numbers = Float64Array<ArrayBuffer>
/** `indexes` point into `words`, one past the place; 0 is null. */
export interface Dictionary {
  words: string[]
  indexes: Uint16Array<ArrayBuffer>
}
export type Texts = (string | null)[]

/** Rows for one table. */
export interface Block {
  measurement: Measurement
  rows: number
  /** As `columnsOf(measurement)`: `Numbers` for bigint and double, else text. */
  columns: (Numbers | Dictionary | Texts)[]
  segments: Segment[]
  fromMs: number
  toMs: number
  /** Stretches that the rows lie in, see rollups.ts. */
  stretches: number[]
}

/** A column with more different words than this is no dictionary. */
const MAX_WORDS = 1024

const COLUMNS = Object.fromEntries(
  MEASUREMENTS.map((measurement) => [measurement, columnsOf(measurement)]),
) as Record<Measurement, Column[]>

/** The blocks and the memory in them, for `postMessage` to hand over. */
export function toBlocks(appended: readonly Appended[]): { blocks: Block[]; memory: ArrayBuffer[] } {
  const points = new Map<Measurement, Point[]>()
  const segments = new Map<Measurement, Segment[]>()
  for (const { points: of, source } of appended) {
    const open = new Map<Measurement, Segment>()
    for (const point of of) {
      const { measurement, tieBreak } = point
      const rows = points.get(measurement)
      if (rows) rows.push(point)
      else points.set(measurement, [point])
      const segment = open.get(measurement)
      if (segment) {
        segment.rows++
        if (tieBreak <= segment.lastTieBreak) segment.isAscending = false
        segment.firstTieBreak = Math.min(segment.firstTieBreak, tieBreak)
        segment.lastTieBreak = Math.max(segment.lastTieBreak, tieBreak)
      } else {
        const first = { source, rows: 1, firstTieBreak: tieBreak, lastTieBreak: tieBreak, isAscending: true }
        open.set(measurement, first)
        const others = segments.get(measurement)
        if (others) others.push(first)
        else segments.set(measurement, [first])
      }
    }
  }
  const memory: ArrayBuffer[] = []
  const blocks = [...points].map(
    ([measurement, rows]): Block => ({
      measurement,
      rows: rows.length,
      columns: COLUMNS[measurement].map((column) => {
        const data = column.type === 'varchar' ? textsOf(column, rows) : numbersOf(column, rows)
        if (data instanceof Float64Array) memory.push(data.buffer)
        else if (!Array.isArray(data)) memory.push(data.indexes.buffer)
        return data
      }),
      segments: segments.get(measurement)!,
      ...spanOf(rows),
    }),
  )
  return { blocks, memory }
}

function spanOf(points: readonly Point[]): Pick<Block, 'fromMs' | 'toMs' | 'stretches'> {
  const stretches = new Set<number>()
  let fromMs = Number.POSITIVE_INFINITY
  let toMs = 0
  for (const { atMs } of points) {
    if (atMs < fromMs) fromMs = atMs
    if (atMs > toMs) toMs = atMs
    stretches.add(stretchOf(atMs))
  }
  return { fromMs, toMs, stretches: [...stretches] }
}

function numbersOf(column: Column, points: readonly Point[]): Numbers {
  const numbers = new Float64Array(points.length)
  for (let row = 0; row < points.length; row++) {
    const value = column.valueOf(points[row]!)
    numbers[row] = value === null ? Number.NaN : (value as number)
  }
  return numbers
}

function textsOf(column: Column, points: readonly Point[]): Dictionary | Texts {
  const indexes = new Uint16Array(points.length)
  const places = new Map<string, number>()
  for (let row = 0; row < points.length; row++) {
    const value = column.valueOf(points[row]!) as string | null
    if (value === null) continue
    let place = places.get(value)
    if (place === undefined) {
      if (places.size === MAX_WORDS) return points.map((point) => column.valueOf(point) as string | null)
      place = places.size + 1
      places.set(value, place)
    }
    indexes[row] = place
  }
  return { words: [...places.keys()], indexes }
}
