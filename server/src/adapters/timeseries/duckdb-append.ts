/**
 * Writes blocks into DuckDB, on its thread, one group in one transaction (one fsync).
 *
 * A point that was appended before must not be kept twice, and comparing every row with what is kept costs more than
 * writing it. So rows are compared only where a repeat is possible. Points of one source come in the order of their tie
 * breaks, and what follows a point that is new is new: once all that a source sent has been found new, its later points
 * are written without looking. A source starts unproven (a hub that was killed, or whose database was restored, is sent
 * points again), and whatever is not beyond what it has sent is compared, as everything without a source is.
 */
import { BIGINT, DOUBLE, type DuckDBConnection, DuckDBDataChunk, VARCHAR } from '@duckdb/node-api'
import type { Measurement } from '../../ports/timeseries.ts'
import type { Block, Dictionary, Numbers, Segment, Texts } from './duckdb-columns.ts'
import type { DuckdbRollups } from './duckdb-rollups.ts'
import { type Column, columnsOf, insertNewSql } from './duckdb-tables.ts'

/** A data chunk of DuckDB holds this many rows. */
const CHUNK_ROWS = 2048
const TYPES = { bigint: BIGINT, varchar: VARCHAR, double: DOUBLE } as const
/** Sources remembered; the one that sent longest ago is forgotten, and is compared when it comes back. */
const MAX_SOURCES = 20_000

/** Rows [from, to) of a block. */
type Rows = readonly { from: number; to: number }[]

export class DuckdbAppender {
  readonly #connection: DuckDBConnection
  readonly #rollups: DuckdbRollups
  /** The highest tie break of a proven source: everything beyond it is new. */
  readonly #proven = new Map<string, number>()

  constructor(connection: DuckDBConnection, rollups: DuckdbRollups) {
    this.#connection = connection
    this.#rollups = rollups
  }

  /** All or nothing. */
  async append(blocks: readonly Block[]): Promise<void> {
    const connection = this.#connection
    const sent = new Map<string, number>()
    for (const { source, lastTieBreak } of blocks.flatMap(({ segments }) => segments)) {
      if (source !== undefined) sent.set(source, Math.max(sent.get(source) ?? 0, lastTieBreak))
    }
    let allNew = true
    let marked: () => void
    await connection.run('begin transaction')
    try {
      for (const block of blocks) {
        const { known, unknown } = this.#split(block)
        await this.#write(block, known, block.measurement)
        if (unknown.length > 0 && !(await this.#writeNew(block, unknown))) allNew = false
      }
      marked = await this.#rollups.mark(blocks)
      await connection.run('commit')
    } catch (error) {
      // The reason that counts is the first one; a failed commit has rolled back already.
      await connection.run('rollback').catch(() => undefined)
      for (const source of sent.keys()) this.#proven.delete(source)
      throw error
    }
    marked()
    for (const [source, last] of sent) this.#remember(source, last, allNew)
  }

  /** `known`: rows that are new for certain. */
  #split(block: Block): { known: Rows; unknown: Rows } {
    const known: { from: number; to: number }[] = []
    const unknown: { from: number; to: number }[] = []
    const reached = new Map<string, number>()
    let from = 0
    for (const segment of block.segments) {
      const to = from + segment.rows
      if (this.#isNew(segment, reached)) known.push({ from, to })
      else unknown.push({ from, to })
      from = to
    }
    return { known, unknown }
  }

  #isNew(
    { source, firstTieBreak, lastTieBreak, isAscending }: Segment,
    reached: Map<string, number>,
  ): boolean {
    if (source === undefined) return false
    const after = Math.max(this.#proven.get(source) ?? Number.POSITIVE_INFINITY, reached.get(source) ?? 0)
    reached.set(source, Math.max(reached.get(source) ?? 0, lastTieBreak))
    return isAscending && firstTieBreak > after
  }

  #remember(source: string, last: number, allNew: boolean): void {
    const before = this.#proven.get(source)
    if (before === undefined && !allNew) return
    this.#proven.delete(source)
    this.#proven.set(source, Math.max(before ?? 0, last))
    if (this.#proven.size > MAX_SOURCES) this.#proven.delete(this.#proven.keys().next().value!)
  }

  /** Writes those of the rows that the table does not have. Answers whether it had none of them. */
  async #writeNew(block: Block, rows: Rows): Promise<boolean> {
    const connection = this.#connection
    await connection.run(`delete from staging_${block.measurement}`)
    await this.#write(block, rows, `staging_${block.measurement}`)
    const { rowsChanged } = await connection.run(insertNewSql(block.measurement, block.fromMs, block.toMs))
    return rowsChanged === rows.reduce((sum, { from, to }) => sum + to - from, 0)
  }

  async #write(block: Block, rows: Rows, table: Measurement | `staging_${Measurement}`): Promise<void> {
    if (rows.length === 0) return
    const columns = columnsOf(block.measurement)
    const types = columns.map(({ type }) => TYPES[type])
    const order = rows.flatMap(({ from, to }) =>
      Array.from({ length: to - from }, (_, index) => from + index),
    )
    const catalog = table === block.measurement ? undefined : 'temp'
    const appender = await this.#connection.createAppender(table, undefined, catalog)
    for (let offset = 0; offset < order.length; offset += CHUNK_ROWS) {
      const part = order.slice(offset, offset + CHUNK_ROWS)
      const chunk = DuckDBDataChunk.create(types, part.length)
      for (const [index, column] of columns.entries()) fill(chunk, index, column, block.columns[index]!, part)
      appender.appendDataChunk(chunk)
    }
    appender.closeSync()
  }
}

function fill(
  chunk: DuckDBDataChunk,
  index: number,
  { type }: Column,
  data: Numbers | Dictionary | Texts,
  rows: readonly number[],
): void {
  const vector = chunk.getColumnVector(index)
  if (data instanceof Float64Array) {
    const isBigint = type === 'bigint'
    for (const [at, row] of rows.entries()) {
      const number = data[row]!
      vector.setItem(at, Number.isNaN(number) ? null : isBigint ? BigInt(number) : number)
    }
  } else if (Array.isArray(data)) {
    for (const [at, row] of rows.entries()) vector.setItem(at, data[row]!)
  } else {
    const { words, indexes } = data
    for (const [at, row] of rows.entries()) vector.setItem(at, words[indexes[row]! - 1] ?? null)
  }
  vector.flush()
}
