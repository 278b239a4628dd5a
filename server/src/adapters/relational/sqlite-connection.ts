/** Kysely's driver for node:sqlite in a worker thread: one connection, one statement at a time. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { DatabaseConnection, Driver, QueryResult } from 'kysely'
import { type CompiledQuery, CompiledQuery as Raw } from 'kysely'
import { checkParameters } from './parameters.ts'
import type { SqliteRequest, SqliteResponse, SqliteWorkerData } from './sqlite-worker.ts'

/** What SQLite said, with its extended result code (https://sqlite.org/rescode.html). */
export class SqliteError extends Error {
  readonly errcode: number | undefined

  constructor(message: string, errcode: number | undefined, sql: string) {
    super(`${message} (in: ${sql.slice(0, 200)})`)
    this.name = 'SqliteError'
    this.errcode = errcode
  }
}

interface Waiting {
  sql: string
  resolve(response: Extract<SqliteResponse, { rows: unknown[] }>): void
  reject(error: Error): void
}

/** A worker thread with one open database. `onCrash` is told when the thread dies without having been closed. */
export class SqliteConnection implements DatabaseConnection {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #dead: Error | undefined
  #closing: Promise<void> | undefined

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (message: SqliteResponse) => this.#settle(message))
    worker.on('error', (error) => this.#die(error as Error))
    worker.on('exit', () => this.#die(new Error('the SQLite thread has ended')))
  }

  /** Resolves once the file is open; rejects with SQLite's reason otherwise. */
  static async open(options: SqliteWorkerData): Promise<SqliteConnection> {
    const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: options })
    await once(worker, 'message')
    return new SqliteConnection(worker)
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const parameters = checkParameters(query.parameters, query.sql)
    if (this.#dead) throw this.#dead
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<Extract<SqliteResponse, { rows: unknown[] }>>()
    this.#waiting.set(id, { sql: query.sql, resolve, reject })
    this.#worker.postMessage({ id, sql: query.sql, parameters } satisfies SqliteRequest)
    const { rows, changes, lastInsertRowid } = await promise
    return { rows: rows as R[], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
  }

  // biome-ignore lint/correctness/useYield: the interface wants a generator; the answer is always a refusal
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streaming rows is not supported: page by limit instead')
  }

  /** Statements that were sent before are answered first. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      if (this.#dead) return
      const exited = once(this.#worker, 'exit')
      this.#worker.postMessage('close')
      await exited
    })()
    return this.#closing
  }

  #settle(message: SqliteResponse): void {
    const waiting = this.#waiting.get(message.id)
    if (!waiting) return
    this.#waiting.delete(message.id)
    if ('failure' in message) {
      waiting.reject(new SqliteError(message.failure.message, message.failure.errcode, waiting.sql))
    } else {
      waiting.resolve(message)
    }
  }

  #die(error: Error): void {
    this.#dead ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#dead)
    this.#waiting.clear()
  }
}

/** Kysely locks a driver whose adapter has a single connection, so transactions come one after another. */
export class SqliteDriver implements Driver {
  readonly #connection: SqliteConnection
  readonly #onCommit: () => void

  constructor(connection: SqliteConnection, onCommit: () => void) {
    this.#connection = connection
    this.#onCommit = onCommit
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SqliteConnection> {
    return this.#connection
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    // `immediate` takes the write lock at once: a second process makes us wait here, not fail in the middle.
    await connection.executeQuery(Raw.raw('begin immediate'))
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(Raw.raw('commit'))
    this.#onCommit()
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(Raw.raw('rollback'))
  }

  async savepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(Raw.raw(`savepoint ${quoted(name)}`))
  }

  async rollbackToSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(Raw.raw(`rollback to ${quoted(name)}`))
  }

  async releaseSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(Raw.raw(`release ${quoted(name)}`))
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    await this.#connection.close()
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
