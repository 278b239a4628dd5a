/**
 * The relational store of one machine: SQLite in WAL mode with synchronous=FULL, in worker threads. Two threads, one
 * writes and one reads, so that a long transaction or a slow report never waits for the other.
 */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type DatabaseIntrospector,
  type Dialect,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Logger } from 'pino'
import { HubError } from '../../errors.ts'
import { migrate } from '../../migrations/migrate.ts'
import type { Db, Relational } from '../../ports/relational.ts'
import type { Tables } from '../../ports/tables.ts'
import { CommitListeners } from './commit-listeners.ts'
import { SqliteConnection, SqliteDriver, SqliteError } from './sqlite-connection.ts'

class WorkerSqliteAdapter extends SqliteAdapter {
  /** So that Kysely runs the migrations in one transaction: a second process that migrates too waits for it. */
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

function dialect(connection: SqliteConnection, onCommit: () => void): Dialect {
  return {
    createAdapter: () => new WorkerSqliteAdapter(),
    createDriver: () => new SqliteDriver(connection, onCommit),
    createIntrospector: (db: Kysely<unknown>): DatabaseIntrospector => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  } as Dialect
}

/** Extended result codes: SQLITE_CONSTRAINT_UNIQUE, _PRIMARYKEY, _ROWID; _FOREIGNKEY; _NOTNULL. */
const VIOLATIONS: Readonly<Record<number, 'unique' | 'foreign-key' | 'not-null'>> = {
  2067: 'unique',
  1555: 'unique',
  2579: 'unique',
  787: 'foreign-key',
  1299: 'not-null',
}

/** Primary result codes: BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN, PROTOCOL. */
const TEMPORARY = new Set([5, 6, 7, 10, 13, 14, 15])

async function connect(file: string, readsOnly: boolean): Promise<SqliteConnection> {
  try {
    return await SqliteConnection.open({ file, readsOnly })
  } catch (error) {
    throw new HubError('HUB_DATABASE', `${file} cannot be opened: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/**
 * Opens the file (and makes it and its folder if need be) and brings it up to date.
 * Throws HUB_DATABASE if it is not a database or cannot be opened, HUB_DATABASE_NEWER if a newer hub wrote it.
 */
export async function openSqlite(options: { file: string; log: Logger }): Promise<Relational> {
  const { file } = options
  const log = options.log.child({ component: 'relational' })
  await mkdir(dirname(file), { recursive: true })
  const writer = await connect(file, false)
  const commits = new CommitListeners()
  const write: Db = new Kysely<Tables>({ dialect: dialect(writer, () => commits.tell()) })
  try {
    const ran = await migrate(write as Kysely<unknown>, file)
    if (ran.length > 0) log.info({ file, migrations: ran }, 'database migrated')
  } catch (error) {
    await writer.close()
    throw error instanceof HubError
      ? error
      : new HubError('HUB_DATABASE', `${file} cannot be used: ${(error as Error).message}`, { cause: error })
  }
  const reader = await connect(file, true)
  const read: Db = new Kysely<Tables>({ dialect: dialect(reader, () => undefined) })
  return {
    read,
    write,
    violation: (error) =>
      error instanceof SqliteError && error.errcode !== undefined ? VIOLATIONS[error.errcode] : undefined,
    isTemporary: (error) =>
      error instanceof SqliteError && error.errcode !== undefined && TEMPORARY.has(error.errcode & 0xff),
    onCommit: (listener) => commits.add(listener),
    async close() {
      // The connections close themselves once; closing through Kysely would fail when it was never used.
      await reader.close()
      await writer.close()
    },
  }
}
