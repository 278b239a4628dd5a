/**
 * The relational store outside the hub's process: PostgreSQL through Kysely and `pg`. Two pools: one connection that
 * writes (its transactions are serialised anyway, see postgres-dialect.ts) and a few that only read.
 */
import { Kysely } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'
import { HubError } from '../../errors.ts'
import { migrate } from '../../migrations/migrate.ts'
import type { Db, Relational } from '../../ports/relational.ts'
import type { Tables } from '../../ports/tables.ts'
import { CommitListeners } from './commit-listeners.ts'
import { LOCK, LOCK_SPACE, postgresDialect } from './postgres-dialect.ts'

/** Screens' queries that run at once; more wait here, not in the database. */
const READERS = 8
/** For a connection to stand, and for one of the pool to become free. */
const CONNECT_TIMEOUT_MS = 30_000
/** A hub that stops in the middle of a transaction (a machine that hangs) must not hold the others' lock for ever. */
const IDLE_IN_TRANSACTION_MS = 30_000
const KEEP_ALIVE_AFTER_MS = 10_000

/** Object ids of types, fixed in PostgreSQL's catalogue (pg_type.dat). */
const OID = { bool: 16, int8: 20, numeric: 1700 } as const

const VIOLATIONS: Readonly<Record<string, 'unique' | 'foreign-key' | 'not-null'>> = {
  '23505': 'unique',
  '23503': 'foreign-key',
  '23502': 'not-null',
}

/**
 * SQLSTATE classes and codes (PostgreSQL's appendix A) that pass: connection, resources (disk full among them),
 * deadlock and serialization, locks, a server that stops or starts, its own I/O errors, a standby that took over but
 * does not write yet, a transaction ended for its idleness.
 */
const TEMPORARY_SQLSTATE = /^(08|53|40|58|57P0[1-3]|55P03|57014|25006|25P03)/
const TEMPORARY_SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])
/** Failures that `pg` reports without a code. */
const TEMPORARY_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Client was closed)/

/** Throws RangeError for what a number does not hold exactly; `pg` makes it the query's error. */
function safeInteger(value: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new RangeError(`the integer ${value} is too large to be exact`)
  return number
}

/** Rows as SQLite gives them: counts and sums are numbers, a selected comparison is 0 or 1. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    switch (oid) {
      case OID.int8:
        return safeInteger
      case OID.numeric:
        return Number
      case OID.bool:
        return (value: string) => (value === 't' ? 1 : 0)
      default:
        return pg.types.getTypeParser(oid, format as 'text')
    }
  },
} as pg.CustomTypesConfig

function isTemporary(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (error instanceof pg.DatabaseError) return typeof code === 'string' && TEMPORARY_SQLSTATE.test(code)
  return (typeof code === 'string' && TEMPORARY_SYSTEM.has(code)) || TEMPORARY_MESSAGE.test(error.message)
}

/** For messages: where it is, without the password. */
function nameOf(url: string): string {
  const { hostname, port, pathname } = new URL(url)
  return `PostgreSQL database ${decodeURIComponent(pathname.slice(1))} at ${hostname}:${port || 5432}`
}

/**
 * Connects and brings the database up to date. Hubs that start at once on an empty database migrate it once.
 * Throws HUB_DATABASE if it cannot be reached or used, HUB_DATABASE_NEWER if a newer hub wrote it.
 */
export async function openPostgres(options: { url: string; log: Logger }): Promise<Relational> {
  const { url } = options
  const name = nameOf(url)
  const log = options.log.child({ component: 'relational' })
  const settings: pg.ClientConfig = {
    connectionString: url,
    application_name: 'patrolhub',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    types,
  }
  // Whoever uses the connection hears of it by the statement's error; a pool replaces one that was idle.
  const noteLost = (err: Error) => log.warn({ err }, 'connection to PostgreSQL lost')
  const openPool = (max: number) => {
    const pool = new pg.Pool({ ...settings, max })
    pool.on('connect', (client) => client.on('error', noteLost))
    pool.on('error', () => {
      // Told by the client already; without a listener the process would end.
    })
    return pool
  }
  const writers = openPool(1)
  const readers = openPool(READERS)
  const commits = new CommitListeners()
  const write: Db = new Kysely<Tables>({
    dialect: postgresDialect({
      pool: writers,
      onCommit: () => commits.tell(),
      onConnect: [
        // An answered commit survives a power loss, which is what a cursor promises; stricter settings stay.
        `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`,
        `set idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`,
      ],
    }),
  })
  const read: Db = new Kysely<Tables>({
    dialect: postgresDialect({
      pool: readers,
      onConnect: ['set default_transaction_read_only = on'],
    }),
  })
  let closing: Promise<unknown> | undefined
  const close = async () => {
    closing ??= Promise.all([writers.end(), readers.end()])
    await closing
  }
  const guard = new pg.Client(settings)
  guard.on('error', noteLost)
  try {
    await guard.connect()
    await guard.query(`select pg_advisory_lock(${LOCK_SPACE}, ${LOCK.migrate})`)
    const ran = await migrate(write as Kysely<unknown>, name)
    if (ran.length > 0) log.info({ store: name, migrations: ran }, 'database migrated')
  } catch (error) {
    await close()
    throw error instanceof HubError
      ? error
      : new HubError('HUB_DATABASE', `${name} cannot be used: ${reasonOf(error)}`, { cause: error })
  } finally {
    await guard.end().catch(() => {
      // It never stood or is gone: there is nothing left to end.
    })
  }
  return {
    read,
    write,
    violation: (error) =>
      error instanceof pg.DatabaseError && error.code !== undefined ? VIOLATIONS[error.code] : undefined,
    isTemporary,
    onCommit: (listener) => commits.add(listener),
    close,
  }
}

/** A refused connection to a name with several addresses has an empty message and its reasons inside. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((one) => (one as Error).message).join('; ')
  return error instanceof Error ? error.message : String(error)
}
