/** Evidence in the relational store: what each row means, who may see it. */
import type { Evidence } from '@patrolhub/protocol'
import type { Selectable } from 'kysely'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { EvidenceTable } from '../ports/tables.ts'

export type EvidenceRow = Selectable<EvidenceTable>

/**
 * Role of a row whose bytes came before its record: it belongs to this edge, to no alert yet, and nobody sees it. The
 * edge's name keeps another edge from taking it over.
 */
export function roleOfUpload(edgeId: string): string {
  return `upload:${edgeId}`
}

export function isUpload(row: Pick<EvidenceRow, 'role'>): boolean {
  return row.role.startsWith('upload:')
}

export function toEvidence(row: EvidenceRow): Evidence {
  return {
    evidenceId: row.evidence_id,
    ...(row.alert_id === null ? {} : { alertId: row.alert_id }),
    ...(row.dispatch_id === null ? {} : { dispatchId: row.dispatch_id }),
    role: row.role as Evidence['role'],
    mime: row.mime,
    sha256: row.sha256,
    bytes: row.bytes,
    isStored: row.stored_at_ms !== null,
    ...(row.deleted_at_ms === null ? {} : { deletedAtMs: row.deleted_at_ms }),
    ...(row.missing_at_ms === null ? {} : { missingAtMs: row.missing_at_ms }),
  }
}

export async function findRow(db: DbOrTransaction, evidenceId: string): Promise<EvidenceRow | undefined> {
  return db.selectFrom('evidence').selectAll().where('evidence_id', '=', evidenceId).executeTakeFirst()
}

export async function countMissing(db: DbOrTransaction): Promise<number> {
  const { count } = await db
    .selectFrom('evidence')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('missing_at_ms', 'is not', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** The edge that an evidence row belongs to, by its alert or its upload; `undefined` for a patroller's photo. */
export async function edgeOf(db: DbOrTransaction, row: EvidenceRow): Promise<string | undefined> {
  if (isUpload(row)) return row.role.slice('upload:'.length)
  if (row.alert_id === null) return undefined
  const alert = await db
    .selectFrom('alert')
    .select('edge_id')
    .where('alert_id', '=', row.alert_id)
    .executeTakeFirst()
  return alert?.edge_id
}

/** Rows of these owners, oldest first, by owner. */
export async function rowsBy(
  db: DbOrTransaction,
  owner: 'alert_id' | 'dispatch_id',
  ids: readonly string[],
): Promise<Map<string, Evidence[]>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('evidence')
    .selectAll()
    .where(owner, 'in', [...new Set(ids)])
    .orderBy('at_ms')
    .orderBy('evidence_id')
    .execute()
  const byOwner = new Map<string, Evidence[]>()
  for (const row of rows) {
    const id = row[owner]!
    byOwner.set(id, [...(byOwner.get(id) ?? []), toEvidence(row)])
  }
  return byOwner
}

/** See `EvidenceService.completeOf`. */
export async function completeOf(
  db: DbOrTransaction,
  evidenceIds: readonly string[],
): Promise<{ region: string; evidence: Evidence }[]> {
  if (evidenceIds.length === 0) return []
  const rows = await db
    .selectFrom('evidence')
    .selectAll()
    .where('evidence_id', 'in', [...new Set(evidenceIds)])
    .where('stored_at_ms', 'is not', null)
    .execute()
  return rows
    .filter((row) => !isUpload(row))
    .map((row) => ({ region: row.region, evidence: toEvidence(row) }))
}

/**
 * True if the caller may see it: by permission and scope; or, as a patroller, photos of their teams' dispatches and
 * snapshots of the incidents that these dispatches are about.
 */
export async function maySee(db: DbOrTransaction, caller: Principal, row: EvidenceRow): Promise<boolean> {
  if (isUpload(row)) return false
  if (may(caller, 'evidence.read', { region: row.region })) return true
  if (!may(caller, 'dispatch.step') || caller.teamIds.length === 0) return false
  if (row.dispatch_id !== null) {
    const own = await db
      .selectFrom('dispatch')
      .select('dispatch_id')
      .where('dispatch_id', '=', row.dispatch_id)
      .where('team_id', 'in', [...caller.teamIds])
      .executeTakeFirst()
    return own !== undefined
  }
  if (row.alert_id === null || row.role !== 'snapshot') return false
  const own = await db
    .selectFrom('alert')
    .innerJoin('dispatch', 'dispatch.incident_id', 'alert.incident_id')
    .select('dispatch.dispatch_id')
    .where('alert.alert_id', '=', row.alert_id)
    .where('dispatch.team_id', 'in', [...caller.teamIds])
    .executeTakeFirst()
  return own !== undefined
}
