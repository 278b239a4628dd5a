/**
 * The thread that owns one SQLite connection: takes one statement at a time and answers its rows. It lives in a worker
 * because node:sqlite is synchronous and a durable commit waits for the disk.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

export interface SqliteWorkerData {
  file: string
  /** A reading connection refuses every statement that would write. */
  readsOnly: boolean
}
export interface SqliteRequest {
  id: number
  sql: string
  parameters: readonly SQLInputValue[]
}
export type SqliteResponse =
  | { id: number; rows: unknown[]; changes: number; lastInsertRowid: number | bigint }
  | { id: number; failure: { message: string; errcode: number | undefined } }

/** Prepared statements kept for reuse; the least recently used goes first. */
const MAX_STATEMENTS = 256
/** How long a statement waits for another process that holds the file's write lock. */
const BUSY_TIMEOUT_MS = 10_000

const port = parentPort
if (port === null) throw new Error('sqlite-worker.ts runs as a worker thread only')
const { file, readsOnly } = workerData as SqliteWorkerData

const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
// FULL: a commit that was answered survives a power loss, which is what a cursor promises.
if (!readsOnly) database.exec('pragma journal_mode = wal; pragma synchronous = full')
if (readsOnly) database.exec('pragma query_only = 1')
database.exec('pragma cache_size = -32000; pragma temp_store = memory')

const statements = new Map<string, { statement: StatementSync; returnsRows: boolean }>()

function prepared(sql: string): { statement: StatementSync; returnsRows: boolean } {
  const known = statements.get(sql)
  if (known) {
    statements.delete(sql)
    statements.set(sql, known)
    return known
  }
  const statement = database.prepare(sql)
  const entry = { statement, returnsRows: statement.columns().length > 0 }
  statements.set(sql, entry)
  if (statements.size > MAX_STATEMENTS) statements.delete(statements.keys().next().value!)
  return entry
}

function execute({ id, sql, parameters }: SqliteRequest): SqliteResponse {
  try {
    const { statement, returnsRows } = prepared(sql)
    if (returnsRows) {
      return { id, rows: statement.all(...parameters), changes: 0, lastInsertRowid: 0 }
    }
    const { changes, lastInsertRowid } = statement.run(...parameters)
    return { id, rows: [], changes: Number(changes), lastInsertRowid }
  } catch (error) {
    const { message, errcode } = error as Error & { errcode?: number }
    return { id, failure: { message, errcode } }
  }
}

port.on('message', (request: SqliteRequest | 'close') => {
  if (request === 'close') {
    statements.clear()
    database.close()
    port.close()
    return
  }
  port.postMessage(execute(request))
})
port.postMessage('open')
