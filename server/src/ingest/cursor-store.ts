/** Cursors and set-aside records in the relational store. */
import { type Cursor, STREAMS, type Stream } from '@patrolhub/protocol'
import { sql } from 'kysely'
import type { DbOrTransaction } from '../ports/relational.ts'
import { jsonText } from './json-text.ts'

export interface CursorKey {
  edgeId: string
  stream: Stream
  epoch: string
}

/** Somebody else has moved the cursor: read it again. */
export class CursorMovedError extends Error {
  constructor(moves: readonly CursorMove[]) {
    const which = moves.map(({ key }) => `${key.edgeId}/${key.stream}`).join(', ')
    super(`a cursor has been moved meanwhile: ${which}`)
    this.name = 'CursorMovedError'
  }
}

/** Set-aside records kept of one edge; the oldest go first. */
export const MAX_SET_ASIDE = 10_000
const MAX_PAYLOAD_CHARACTERS = 64 * 1024

/** Epochs kept of one edge; those that were heard of last. A journal seldom begins anew. */
export const MAX_EPOCHS = 64

/** `undefined` if no hello has announced the epoch. */
export async function readCursor(db: DbOrTransaction, key: CursorKey): Promise<number | undefined> {
  const row = await db
    .selectFrom('cursor')
    .select('seq')
    .where('edge_id', '=', key.edgeId)
    .where('stream', '=', key.stream)
    .where('epoch', '=', key.epoch)
    .executeTakeFirst()
  return row?.seq
}

export interface CursorMove {
  key: CursorKey
  from: number
  to: number
  atMs: number
}

/** Moves each cursor from where the caller believes it to be. Throws CursorMovedError if one of them is not there. */
export async function moveCursors(trx: DbOrTransaction, moves: readonly CursorMove[]): Promise<void> {
  if (moves.length === 0) return
  const rows = moves.map(
    ({ key, from, to, atMs }) =>
      sql`(${key.edgeId}, ${key.stream}, ${key.epoch}, cast(${from} as bigint), cast(${to} as bigint), cast(${atMs} as bigint))`,
  )
  // The columns of VALUES have the same names in both engines.
  const { numAffectedRows } = await sql`
    update cursor set seq = moved.column5, updated_at_ms = moved.column6
    from (values ${sql.join(rows)}) as moved
    where cursor.edge_id = moved.column1 and cursor.stream = moved.column2 and cursor.epoch = moved.column3
      and cursor.seq = moved.column4`.execute(trx)
  if (Number(numAffectedRows) !== moves.length) throw new CursorMovedError(moves)
}

export interface OpenedCursors {
  seqs: Record<Stream, number>
  /** The epoch was not known before. */
  isNewEpoch: boolean
  /** The edge had other epochs before. */
  hadOther: boolean
}

/**
 * Makes the cursors of an epoch if there are none, at `startAt` (the number before the first that the journal still
 * has), and answers where they stand. Of too many epochs the oldest are forgotten.
 */
export async function openCursors(
  trx: DbOrTransaction,
  edgeId: string,
  epoch: string,
  startAt: Record<Stream, number>,
  atMs: number,
): Promise<OpenedCursors> {
  const rows = await trx
    .selectFrom('cursor')
    .select(['stream', 'epoch', 'seq'])
    .where('edge_id', '=', edgeId)
    .orderBy('updated_at_ms', 'desc')
    .orderBy('epoch')
    .execute()
  const seqs: Record<Stream, number> = { ...startAt }
  let isNewEpoch = true
  for (const row of rows) {
    if (row.epoch !== epoch) continue
    isNewEpoch = false
    seqs[row.stream as Stream] = row.seq
  }
  if (isNewEpoch) {
    const forgotten = [...new Set(rows.map((row) => row.epoch))].slice(MAX_EPOCHS - 1)
    if (forgotten.length > 0) {
      await trx.deleteFrom('cursor').where('edge_id', '=', edgeId).where('epoch', 'in', forgotten).execute()
    }
    await trx
      .insertInto('cursor')
      .values(
        STREAMS.map((stream) => ({
          edge_id: edgeId,
          stream,
          epoch,
          seq: startAt[stream],
          updated_at_ms: atMs,
        })),
      )
      .execute()
  }
  return { seqs, isNewEpoch, hadOther: rows.some((row) => row.epoch !== epoch) }
}

export interface SetAside {
  seq: number
  reason: string
  payload: unknown
}

export async function setAside(
  trx: DbOrTransaction,
  key: CursorKey,
  entries: readonly SetAside[],
  atMs: number,
): Promise<void> {
  if (entries.length === 0) return
  for (const { seq, reason, payload } of entries) {
    await trx
      .insertInto('set_aside')
      .values({
        edge_id: key.edgeId,
        stream: key.stream,
        epoch: key.epoch,
        seq,
        reason: reason.slice(0, 2000),
        payload: jsonText(payload).slice(0, MAX_PAYLOAD_CHARACTERS),
        at_ms: atMs,
      })
      .execute()
  }
  await sql`delete from set_aside where edge_id = ${key.edgeId} and id <= (
    select id from set_aside where edge_id = ${key.edgeId} order by id desc limit 1 offset ${MAX_SET_ASIDE}
  )`.execute(trx)
}

export function cursorMessage(key: CursorKey, upTo: number, reason: Cursor['reason']): Cursor {
  return { stream: key.stream, epoch: key.epoch, upTo, reason, hubAtMs: Date.now() }
}
