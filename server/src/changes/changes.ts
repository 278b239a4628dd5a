/**
 * The log of changes: every transaction that changes what a screen shows notes it here, in the same transaction. Each
 * hub reads the log and tells its own screens (change-tail.ts), whoever made the change and whatever became of that
 * hub after its commit. Revisions are in the order of the commits, because transactions that write follow each other.
 */
import type { DbOrTransaction } from '../ports/relational.ts'

/**
 * What changed; `subject_id` is its id. `alert` also stands for the incident it belongs to; `edge` for what hangs on
 * it; `session` carries the reason of its end in `detail`; `user` for rights that changed while sessions go on.
 */
export const CHANGE_KINDS = [
  'alert',
  'evidence',
  'incident',
  'dispatch',
  'edge',
  'camera',
  'grant',
  'plan',
  'session',
  'user',
] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

export interface Change {
  revision: number
  kind: ChangeKind
  subjectId: string
  detail: string
}

/** Rows in one statement, so that the parameters stay below what SQLite takes. */
const INSERT_ROWS = 500

/** Notes changes inside the caller's transaction; every hub pushes them once it is committed. */
export class ChangeLog {
  readonly #now: () => number
  #isDirty = false

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  async note(
    trx: DbOrTransaction,
    kind: ChangeKind,
    subjectIds: string | readonly string[],
    detail = '',
  ): Promise<void> {
    const ids = [subjectIds].flat()
    const atMs = this.#now()
    for (let begin = 0; begin < ids.length; begin += INSERT_ROWS) {
      await trx
        .insertInto('change')
        .values(
          ids
            .slice(begin, begin + INSERT_ROWS)
            .map((subjectId) => ({ kind, subject_id: subjectId, detail, at_ms: atMs })),
        )
        .execute()
      this.#isDirty = true
    }
  }

  /** True once after something was noted: a commit that follows may have changed something. */
  takeDirty(): boolean {
    const isDirty = this.#isDirty
    this.#isDirty = false
    return isDirty
  }
}

/** Changes after a revision, oldest first. */
export async function changesAfter(db: DbOrTransaction, revision: number, limit: number): Promise<Change[]> {
  const rows = await db
    .selectFrom('change')
    .select(['revision', 'kind', 'subject_id', 'detail'])
    .where('revision', '>', revision)
    .orderBy('revision')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    revision: row.revision,
    kind: row.kind as ChangeKind,
    subjectId: row.subject_id,
    detail: row.detail,
  }))
}

/** The oldest and the newest revision that the log still has; both 0 if it is empty. */
export async function logBounds(db: DbOrTransaction): Promise<{ oldest: number; newest: number }> {
  const row = await db
    .selectFrom('change')
    .select((eb) => [eb.fn.min('revision').as('oldest'), eb.fn.max('revision').as('newest')])
    .executeTakeFirstOrThrow()
  return { oldest: Number(row.oldest ?? 0), newest: Number(row.newest ?? 0) }
}

/** Forgets what nobody will ask for again, but never the newest: its number must not be given twice. */
export async function trimLog(db: DbOrTransaction, keep: { sinceMs: number; rows: number }): Promise<number> {
  const { newest } = await logBounds(db)
  const result = await db
    .deleteFrom('change')
    .where('revision', '<', newest)
    .where((eb) => eb.or([eb('at_ms', '<', keep.sinceMs), eb('revision', '<=', newest - keep.rows)]))
    .executeTakeFirst()
  return Number(result.numDeletedRows)
}
