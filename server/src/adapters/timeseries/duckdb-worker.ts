/**
 * The thread that owns the DuckDB file. Appends are taken one group at a time, in one transaction each (one fsync);
 * queries run beside them on a connection of their own. It lives in a worker because flushing is synchronous and may
 * take 100 ms during a checkpoint.
 */
import { parentPort, workerData } from 'node:worker_threads'
import {
  BIGINT,
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBValue,
  VARCHAR,
} from '@duckdb/node-api'
import { MEASUREMENTS, type Measurement, type Point } from '../../ports/timeseries.ts'
import { columnsOf, createTableSql, insertNewSql } from './duckdb-tables.ts'

export interface DuckdbWorkerData {
  file: string
  memoryMb: number
  threads: number
}
export type DuckdbRequest =
  | { id: number; kind: 'append'; points: readonly Point[] }
  | { id: number; kind: 'query'; sql: string; parameters: (string | number)[] }
  | { id: number; kind: 'close' }
export type DuckdbResponse = { id: number; rows: unknown[][] } | { id: number; failure: string }

/** A data chunk of DuckDB holds this many rows. */
const CHUNK_ROWS = 2048
const TYPES = { bigint: BIGINT, varchar: VARCHAR, double: DOUBLE } as const

const port = parentPort
if (port === null) throw new Error('duckdb-worker.ts runs as a worker thread only')
const { file, memoryMb, threads } = workerData as DuckdbWorkerData

const instance = await DuckDBInstance.create(file, {
  threads: String(threads),
  memory_limit: `${memoryMb}MB`,
  // Nothing is downloaded at run time.
  autoinstall_known_extensions: 'false',
})
const writer = await instance.connect()
const reader = await instance.connect()
for (const measurement of MEASUREMENTS) {
  for (const sql of createTableSql(measurement)) await writer.run(sql)
}

async function append(points: readonly Point[]): Promise<void> {
  const groups = Map.groupBy(points, (point) => point.measurement)
  await writer.run('begin transaction')
  try {
    for (const [measurement, group] of groups) await appendGroup(writer, measurement, group)
    await writer.run('commit')
  } catch (error) {
    // The reason that counts is the first one; a failed commit has rolled back already.
    await writer.run('rollback').catch(() => undefined)
    throw error
  }
}

async function appendGroup(
  connection: DuckDBConnection,
  measurement: Measurement,
  points: readonly Point[],
): Promise<void> {
  const columns = columnsOf(measurement)
  const types = columns.map(({ type }) => TYPES[type])
  await connection.run(`delete from staging_${measurement}`)
  const appender = await connection.createAppender(`staging_${measurement}`, undefined, 'temp')
  let fromMs = Number.POSITIVE_INFINITY
  let toMs = 0
  for (let offset = 0; offset < points.length; offset += CHUNK_ROWS) {
    const rows = points.slice(offset, offset + CHUNK_ROWS)
    const chunk = DuckDBDataChunk.create(types, rows.length)
    chunk.setColumns(columns.map((column) => rows.map((point): DuckDBValue => column.valueOf(point))))
    appender.appendDataChunk(chunk)
    for (const { atMs } of rows) {
      fromMs = Math.min(fromMs, atMs)
      toMs = Math.max(toMs, atMs)
    }
  }
  appender.closeSync()
  await connection.run(insertNewSql(measurement, fromMs, toMs))
}

async function query(sql: string, parameters: (string | number)[]): Promise<unknown[][]> {
  const result = await reader.runAndReadAll(sql, parameters)
  return result
    .getRows()
    .map((row) => row.map((value) => (typeof value === 'bigint' ? Number(value) : value)))
}

let appending: Promise<unknown> = Promise.resolve()

port.on('message', (request: DuckdbRequest) => {
  const answer = (work: Promise<unknown[][]>) =>
    work.then(
      (rows) => port.postMessage({ id: request.id, rows } satisfies DuckdbResponse),
      (error: Error) => port.postMessage({ id: request.id, failure: error.message } satisfies DuckdbResponse),
    )
  switch (request.kind) {
    case 'append':
      appending = appending.then(() => answer(append(request.points).then(() => [])))
      break
    case 'query':
      void answer(query(request.sql, request.parameters))
      break
    case 'close':
      void appending.then(async () => {
        reader.closeSync()
        writer.closeSync()
        instance.closeSync()
        await answer(Promise.resolve([]))
        port.close()
      })
      break
  }
})
port.postMessage('open')
