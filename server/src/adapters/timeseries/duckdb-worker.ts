/**
 * The thread that owns the DuckDB file. Appends are taken one group at a time, in one transaction each (one fsync);
 * queries run beside them on a connection of their own. It lives in a worker because flushing is synchronous and may
 * take 100 ms during a checkpoint.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { DuckDBInstance } from '@duckdb/node-api'
import type { KeptPassage } from '../../ports/plate-store.ts'
import { MEASUREMENTS, type RawFrom } from '../../ports/timeseries.ts'
import { DuckdbAppender } from './duckdb-append.ts'
import type { Block } from './duckdb-columns.ts'
import { createPlateTablesSql, dropPlates, type PlateRow, replacePlates } from './duckdb-plates.ts'
import { DuckdbRollups } from './duckdb-rollups.ts'
import { createTableSql } from './duckdb-tables.ts'
import type { Rolled } from './rollups.ts'

export interface DuckdbWorkerData {
  file: string
  memoryMb: number
  threads: number
}
export type DuckdbRequest =
  | { id: number; kind: 'append'; blocks: readonly Block[] }
  | { id: number; kind: 'query'; sql: string; parameters: (string | number)[] }
  | { id: number; kind: 'stale'; measurement: Rolled }
  | { id: number; kind: 'roll up'; nowMs: number }
  | {
      id: number
      kind: 'retain'
      rawFrom: RawFrom
      sumsFrom: { minute: number; hour: number }
      kept: readonly KeptPassage[]
    }
  | { id: number; kind: 'replace plates'; rows: readonly PlateRow[] }
  | { id: number; kind: 'drop plates'; fromMs: number; toMs: number; kept: readonly KeptPassage[] }
  | { id: number; kind: 'copy'; file: string }
  | { id: number; kind: 'close' }
export type DuckdbResponse = { id: number; rows: unknown[][] } | { id: number; failure: string }

const port = parentPort
if (port === null) throw new Error('duckdb-worker.ts runs as a worker thread only')
const { file, memoryMb, threads } = workerData as DuckdbWorkerData

const instance = await DuckDBInstance.create(file, {
  threads: String(threads),
  memory_limit: `${memoryMb}MB`,
  // A checkpoint packs the newest row group anew, whole: at the usual 16 MB that is a third of what appending costs.
  checkpoint_threshold: '64MB',
  // Nothing is downloaded at run time.
  autoinstall_known_extensions: 'false',
})
const writer = await instance.connect()
const reader = await instance.connect()
// Else the newest passages of a checkpoint are found first and their columns looked up in the whole table afterwards.
await reader.run('set late_materialization_max_rows = 0')
for (const measurement of MEASUREMENTS) {
  for (const sql of createTableSql(measurement)) await writer.run(sql)
}
for (const sql of createPlateTablesSql()) await writer.run(sql)
const rollups = new DuckdbRollups(writer)
await rollups.start()
const appender = new DuckdbAppender(writer, rollups)

async function query(sql: string, parameters: (string | number)[]): Promise<unknown[][]> {
  const result = await reader.runAndReadAll(sql, parameters)
  return result
    .getRows()
    .map((row) => row.map((value) => (typeof value === 'bigint' ? Number(value) : value)))
}

/** On a connection of its own: a screen's query does not wait for it. */
async function copyTo(target: string): Promise<unknown[][]> {
  const connection = await instance.connect()
  try {
    const [[source]] = (await connection.runAndReadAll('select current_database()')).getRows() as [[string]]
    await connection.run(`attach '${target.replaceAll("'", "''")}' as backup_copy`)
    try {
      await connection.run(`copy from database "${source.replaceAll('"', '""')}" to backup_copy`)
      const counts = MEASUREMENTS.map((measurement) => `(select count(*) from backup_copy.${measurement})`)
      const counted = await connection.runAndReadAll(`select ${counts.join(' + ')}`)
      await connection.run('checkpoint backup_copy')
      return counted.getRows().map((row) => row.map(Number))
    } finally {
      await connection.run('detach backup_copy')
    }
  } finally {
    connection.closeSync()
  }
}

/** What uses the connection that writes, one after another. */
let writing: Promise<unknown> = Promise.resolve()

port.on('message', (request: DuckdbRequest) => {
  const answer = (work: Promise<unknown[][]>) =>
    work.then(
      (rows) => port.postMessage({ id: request.id, rows } satisfies DuckdbResponse),
      (error: Error) => port.postMessage({ id: request.id, failure: error.message } satisfies DuckdbResponse),
    )
  switch (request.kind) {
    case 'append':
      writing = writing.then(() => answer(appender.append(request.blocks).then(() => [])))
      break
    case 'stale':
      void answer(
        Promise.resolve(rollups.stale(request.measurement).map(({ fromMs, toMs }) => [fromMs, toMs])),
      )
      break
    case 'roll up':
      writing = writing.then(() => answer(rollups.rollUp(request.nowMs).then((stretches) => [[stretches]])))
      break
    case 'retain':
      writing = writing.then(() =>
        answer(rollups.retain(request.rawFrom, request.sumsFrom, request.kept).then(() => [])),
      )
      break
    case 'replace plates':
      writing = writing.then(() => answer(replacePlates(writer, request.rows).then((count) => [[count]])))
      break
    case 'drop plates':
      writing = writing.then(() => answer(dropPlates(writer, request).then((count) => [[count]])))
      break
    case 'query':
      void answer(query(request.sql, request.parameters))
      break
    case 'copy':
      void answer(copyTo(request.file))
      break
    case 'close':
      void writing.then(async () => {
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
