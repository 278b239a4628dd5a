/** Writes the records of batches and their cursors in one transaction, and finds the record that spoils it, if one does. */
import type {
  AlertRecord,
  EvidenceRecord,
  HealthRecord,
  JournalRecord,
  PassageRecord,
} from '@patrolhub/protocol'
import type { Transaction } from 'kysely'
import type { ChangeLog } from '../changes/changes.ts'
import type { EdgeIdentity } from '../ports/broker.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { Tables } from '../ports/tables.ts'
import type { RefusedBecause } from './check-record.ts'
import { type CursorKey, CursorMovedError, moveCursors, type SetAside, setAside } from './cursor-store.ts'

/** A feature's answer to a record: `ok: false` cannot be taken now or later. */
export type Taken = { ok: true; isRepeat?: boolean } | { ok: false; reason: string }

/** A record of an edge, and when its batch arrived. */
interface Received<T> {
  record: T
  edge: EdgeIdentity
  receivedAtMs: number
}

export interface RecordTakers {
  /** Answers for each alert, in their order. */
  correlate(trx: DbOrTransaction, alerts: readonly Received<AlertRecord>[]): Promise<Taken[]>
  /** Answers what passages of several checkpoints together give rise to. */
  findClones(
    trx: DbOrTransaction,
    passages: readonly Received<PassageRecord>[],
  ): Promise<Received<AlertRecord>[]>
  recordEvidence(trx: DbOrTransaction, record: EvidenceRecord, edge: EdgeIdentity): Promise<Taken>
  noteHealth(trx: Transaction<Tables>, edge: EdgeIdentity, record: HealthRecord): Promise<void>
  changes: Pick<ChangeLog, 'note'>
}

/** A record on its way in; `refused` is set as soon as it is known that it cannot be taken. */
export interface Item {
  seq: number
  input: unknown
  record: JournalRecord | undefined
  refused: { why: RefusedBecause; reason: string } | undefined
}

export interface Commit {
  key: CursorKey
  edge: EdgeIdentity
  /** Consecutive, beginning after the cursor (or after what the edge declared lost). */
  items: readonly Item[]
  cursor: { from: number; to: number }
  /** A hole that the edge declared, kept on the books like a record that was set aside. */
  lost: SetAside | undefined
  receivedAtMs: number
}

/**
 * Commits all or throws what the caller may try again (`isTemporary`, CursorMovedError). If one record makes the
 * transaction fail for good, the records are committed one at a time and that one is set aside; `onFault` hears of it.
 */
export async function commitBatch(
  relational: Relational,
  takers: RecordTakers,
  commit: Commit,
  onFault: (item: Item, error: unknown) => void,
): Promise<void> {
  try {
    await commitTogether(relational, takers, [commit])
    return
  } catch (error) {
    if (mayTryAgain(relational, error)) throw error
    if (commit.items.length === 0) throw error
  }
  let { from } = commit.cursor
  for (const [index, item] of commit.items.entries()) {
    const isLast = index === commit.items.length - 1
    const step: Commit = {
      ...commit,
      items: [item],
      cursor: { from, to: isLast ? commit.cursor.to : item.seq },
      lost: index === 0 ? commit.lost : undefined,
    }
    await commitTogether(relational, takers, [step]).catch((error: unknown) => {
      if (mayTryAgain(relational, error)) throw error
      onFault(item, error)
      item.refused = { why: 'store', reason: error instanceof Error ? error.message : String(error) }
      return commitTogether(relational, takers, [step])
    })
    from = step.cursor.to
  }
}

export function mayTryAgain(relational: Relational, error: unknown): boolean {
  return error instanceof CursorMovedError || relational.isTemporary(error)
}

/**
 * Commits all of these, of different edges or streams, in one transaction, or throws and leaves everything as it was:
 * then it is one of them, nobody knows which.
 */
export function commitTogether(
  relational: Relational,
  takers: RecordTakers,
  commits: readonly Commit[],
): Promise<void> {
  return relational.write.transaction().execute(async (trx) => {
    await takeAlerts(trx, takers, commits)
    await takePassages(trx, takers, commits)
    for (const commit of commits) {
      for (const item of commit.items) await takeOther(trx, takers, item, commit.edge)
      const aside = commit.items.flatMap(({ seq, input, refused }) =>
        refused ? [{ seq, reason: refused.reason, payload: input }] : [],
      )
      await setAside(trx, commit.key, commit.lost ? [commit.lost, ...aside] : aside, commit.receivedAtMs)
    }
    await moveCursors(
      trx,
      commits.map(({ key, cursor, receivedAtMs }) => ({ key, ...cursor, atMs: receivedAtMs })),
    )
  })
}

/** All alerts at once; the evidence that belongs to them comes after them in every stream. */
async function takeAlerts(
  trx: Transaction<Tables>,
  takers: RecordTakers,
  commits: readonly Commit[],
): Promise<void> {
  const items: Item[] = []
  const alerts: Received<AlertRecord>[] = []
  for (const { edge, receivedAtMs, items: all } of commits) {
    for (const item of all) {
      if (item.record?.kind !== 'alert' || item.refused) continue
      items.push(item)
      alerts.push({ record: item.record, edge, receivedAtMs })
    }
  }
  if (alerts.length === 0) return
  const outcomes = await takers.correlate(trx, alerts)
  const fresh: string[] = []
  for (const [index, taken] of outcomes.entries()) {
    if (!taken.ok) items[index]!.refused = { why: 'store', reason: taken.reason }
    else if (!taken.isRepeat) fresh.push(alerts[index]!.record.alertId)
  }
  await takers.changes.note(trx, 'alert', fresh)
}

/** Their points are appended before; here they are compared with each other. */
async function takePassages(
  trx: Transaction<Tables>,
  takers: RecordTakers,
  commits: readonly Commit[],
): Promise<void> {
  const passages: Received<PassageRecord>[] = []
  for (const { edge, receivedAtMs, items } of commits) {
    for (const { record, refused } of items) {
      if (record?.kind === 'passage' && !refused) passages.push({ record, edge, receivedAtMs })
    }
  }
  if (passages.length === 0) return
  const found = await takers.findClones(trx, passages)
  if (found.length === 0) return
  await takers.correlate(trx, found)
  await takers.changes.note(
    trx,
    'alert',
    found.map(({ record }) => record.alertId),
  )
}

async function takeOther(
  trx: Transaction<Tables>,
  takers: RecordTakers,
  item: Item,
  edge: EdgeIdentity,
): Promise<void> {
  const { record } = item
  if (!record || item.refused) return
  switch (record.kind) {
    case 'evidence': {
      const taken = await takers.recordEvidence(trx, record, edge)
      if (!taken.ok) item.refused = { why: 'store', reason: taken.reason }
      return
    }
    case 'health':
      return takers.noteHealth(trx, edge, record)
    case 'alert': // Taken before.
    case 'passage':
    case 'reading':
    case 'score':
      return // Points, appended before.
  }
}
