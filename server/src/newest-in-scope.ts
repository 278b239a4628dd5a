/**
 * Finds the newest rows inside a scope without sorting the whole scope. A wide scope holds most of what is new: looking
 * through the newest rows in the order of time finds a page at once, however large the table is. A narrow scope holds
 * few rows: its range of the region index is read and sorted. Indexes that hold every column asked for answer both
 * (migrations/004-lists.ts).
 */
import { sql } from 'kysely'
import { inScope, type Scoped } from './access/scope.ts'
import type { DbOrTransaction } from './ports/relational.ts'

/** Codes up to this length (city, county) are looked for in the order of time first. */
const WIDE_SCOPE_DIGITS = 6
/** How many of the newest rows are looked through before the region index is asked. */
const LOOKS = [1000, 20_000] as const

const COLUMNS = {
  alert: { id: 'alert_id', atMs: 'at_ms' },
  incident: { id: 'incident_id', atMs: 'opened_at_ms' },
  dispatch: { id: 'dispatch_id', atMs: 'created_at_ms' },
} as const

/** A place in the order of time and id. */
export interface Place {
  atMs: number
  id: string
}

export interface NewestRequest {
  table: keyof typeof COLUMNS
  who: Scoped
  /** Only what comes after this place; `undefined` for all. */
  before: Place | undefined
  /** At most this many. */
  count: number
  /** Only rows in one of these states (incidents and dispatches). */
  states?: readonly string[]
  /** These states have few rows whatever the scope: the index on the state finds them. */
  isFew?: boolean
}

/** Ids by time and id, newest first. */
export async function newestInScope(db: DbOrTransaction, request: NewestRequest): Promise<string[]> {
  if (!request.isFew && request.who.scope.length <= WIDE_SCOPE_DIGITS) {
    for (const look of LOOKS) {
      const ids = await select(db, request, look)
      if (ids.length === request.count) return ids
    }
  }
  return select(db, request, undefined)
}

/** `look`: only among that many of the newest rows of all; else among all. */
async function select(
  db: DbOrTransaction,
  { table, who, before, count, states }: NewestRequest,
  look: number | undefined,
): Promise<string[]> {
  const id = sql.ref(`${table}.${COLUMNS[table].id}`)
  const atMs = sql.ref(`${table}.${COLUMNS[table].atMs}`)
  const region = sql.ref<string>(`${table}.region`)
  const isOlder = before
    ? sql`(${atMs} <= ${before.atMs} and (${atMs} < ${before.atMs} or ${id} < ${before.id}))`
    : sql`1 = 1`
  const isWanted = states ? sql`${sql.ref(`${table}.state`)} in (${sql.join([...states])})` : sql`1 = 1`
  const state = states ? sql`, ${sql.ref(`${table}.state`)}` : sql``
  const source =
    look === undefined
      ? sql`${sql.table(table)} where ${isOlder}`
      : sql`(
          select ${id}, ${atMs}, ${region}${state} from ${sql.table(table)} where ${isOlder}
          order by ${atMs} desc, ${id} desc limit ${look}
        ) as ${sql.table(table)} where 1 = 1`
  // `+ 0`: a sorted index on the time would be walked to its end for the few rows of a small scope.
  const { rows } = await sql<{ id: string }>`
    select ${id} as id from ${source} and ${inScope(who, region)} and ${isWanted}
    order by ${atMs} + 0 desc, ${id} desc limit ${count}
  `.execute(db)
  return rows.map((row) => row.id)
}
