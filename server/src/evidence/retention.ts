/**
 * How long evidence stays. Bytes go `evidenceKeepDays` after they came, but not before the incident has ended and stood
 * still for as long, and not while it is held. The row stays and says that they were there. What has gone from the rows
 * is only marked here; the files follow a day later (spare-files.ts).
 */
import type { AuditTrail } from '../access/audit-trail.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'

export const DAY_MS = 86_400_000
/** Bytes whose record has not come for this long are let go. */
const UPLOAD_WAITS_MS = DAY_MS
/** Rows in one transaction: records of edges wait for it. */
const PAGE = 200
const ENDED = ['closed', 'dismissed'] as const

export interface RetentionDeps {
  config: { evidenceKeepDays: number; evidenceWaitDays: number }
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
}

/** What one sweep did, in rows. */
export interface Swept {
  deleted: number
  deletedBytes: number
  uploadsLetGo: number
  missing: number
}

interface Gone {
  evidence_id: string
  bytes: number
}

/** Runs to the end of what is due; each page is a transaction, so a sweep that is cut off goes on at the next. */
export async function runRetention(deps: RetentionDeps, nowMs: number): Promise<Swept> {
  const swept: Swept = { deleted: 0, deletedBytes: 0, uploadsLetGo: 0, missing: 0 }
  const pages = async (run: (trx: DbOrTransaction) => Promise<number>) => {
    for (;;) if ((await deps.relational.write.transaction().execute(run)) < PAGE) return
  }
  await pages(async (trx) => {
    const gone = await expire(trx, deps, nowMs)
    swept.deleted += gone.length
    swept.deletedBytes += gone.reduce((sum, { bytes }) => sum + bytes, 0)
    return gone.length
  })
  await pages(async (trx) => {
    const count = await letUploadsGo(trx, nowMs)
    swept.uploadsLetGo += count
    return count
  })
  await pages(async (trx) => {
    const count = await markMissing(trx, deps, nowMs)
    swept.missing += count
    return count
  })
  await forgetUploads(deps.relational, nowMs)
  return swept
}

/** Marks a page of expired rows, on the record in the same transaction. */
async function expire(trx: DbOrTransaction, deps: RetentionDeps, nowMs: number): Promise<Gone[]> {
  const keepDays = deps.config.evidenceKeepDays
  const beforeMs = nowMs - keepDays * DAY_MS
  const rows = await trx
    .selectFrom('evidence')
    .leftJoin('alert', 'alert.alert_id', 'evidence.alert_id')
    .leftJoin('dispatch', 'dispatch.dispatch_id', 'evidence.dispatch_id')
    .innerJoin('incident', (join) =>
      join.on((eb) =>
        eb('incident.incident_id', '=', eb.fn.coalesce('alert.incident_id', 'dispatch.incident_id')),
      ),
    )
    .select(['evidence.evidence_id', 'evidence.bytes', 'incident.incident_id', 'incident.snapshot_id'])
    .where('evidence.stored_at_ms', 'is not', null)
    .where('evidence.stored_at_ms', '<', beforeMs)
    .where('incident.state', 'in', [...ENDED])
    .where('incident.hold_reason', 'is', null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('transition')
            .select('transition.id')
            .whereRef('transition.incident_id', '=', 'incident.incident_id')
            .where('transition.at_ms', '>=', beforeMs),
        ),
      ),
    )
    .orderBy('evidence.stored_at_ms')
    .limit(PAGE)
    .execute()
  if (rows.length === 0) return []
  const evidenceIds = rows.map((row) => row.evidence_id)
  await trx
    .updateTable('evidence')
    .set({ stored_at_ms: null, deleted_at_ms: nowMs })
    .where('evidence_id', 'in', evidenceIds)
    .execute()
  const incidentIds = [...new Set(rows.map((row) => row.incident_id))]
  await trx
    .updateTable('incident')
    .set({ snapshot_id: null, updated_at_ms: nowMs })
    .where('incident_id', 'in', incidentIds)
    .where('snapshot_id', 'in', evidenceIds)
    .execute()
  await deps.changes.note(trx, 'incident', incidentIds)
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
  await deps.audit.append(trx, {
    actor: undefined,
    action: 'evidence.expired',
    subject: 'evidence',
    detail: { count: rows.length, bytes, incidents: incidentIds.length, keepDays },
  })
  return rows
}

/** Lets go of bytes without a record. The row stays for a day more, so that a backup being made still finds its file. */
async function letUploadsGo(trx: DbOrTransaction, nowMs: number): Promise<number> {
  const rows = await trx
    .selectFrom('evidence')
    .select('evidence_id')
    .where('alert_id', 'is', null)
    .where('dispatch_id', 'is', null)
    .where('stored_at_ms', '<', nowMs - UPLOAD_WAITS_MS)
    .limit(PAGE)
    .execute()
  if (rows.length === 0) return 0
  await trx
    .updateTable('evidence')
    .set({ stored_at_ms: null, deleted_at_ms: nowMs })
    .where(
      'evidence_id',
      'in',
      rows.map((row) => row.evidence_id),
    )
    .execute()
  return rows.length
}

async function forgetUploads({ write }: Relational, nowMs: number): Promise<void> {
  await write
    .deleteFrom('evidence')
    .where('alert_id', 'is', null)
    .where('dispatch_id', 'is', null)
    .where('stored_at_ms', 'is', null)
    .where('deleted_at_ms', '<', nowMs - UPLOAD_WAITS_MS)
    .execute()
}

/** Marks records whose bytes have not come in time, by the hub's clock. They are still taken if they come after all. */
async function markMissing(trx: DbOrTransaction, deps: RetentionDeps, nowMs: number): Promise<number> {
  const rows = await trx
    .selectFrom('evidence')
    .innerJoin('alert', 'alert.alert_id', 'evidence.alert_id')
    .select(['evidence.evidence_id', 'alert.incident_id'])
    .where('evidence.stored_at_ms', 'is', null)
    .where('evidence.deleted_at_ms', 'is', null)
    .where('evidence.missing_at_ms', 'is', null)
    .where('alert.received_at_ms', '<', nowMs - deps.config.evidenceWaitDays * DAY_MS)
    .limit(PAGE)
    .execute()
  if (rows.length === 0) return 0
  const evidenceIds = rows.map((row) => row.evidence_id)
  await trx
    .updateTable('evidence')
    .set({ missing_at_ms: nowMs })
    .where('evidence_id', 'in', evidenceIds)
    .execute()
  await deps.changes.note(trx, 'incident', [...new Set(rows.map((row) => row.incident_id))])
  await deps.audit.append(trx, {
    actor: undefined,
    action: 'evidence.missing',
    subject: 'evidence',
    detail: { count: rows.length, evidenceIds: evidenceIds.slice(0, 20) },
  })
  return rows.length
}
