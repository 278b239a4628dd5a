/** Reads incidents and alerts as the protocol shows them. Scope conditions are access/scope's. */
import type { Alert, AlertRecord, Evidence, Incident, IncidentState, Transition } from '@patrolhub/protocol'
import { inScope, type Scoped } from '../access/scope.ts'
import { newestInScope, type Place } from '../newest-in-scope.ts'
import { pageOf } from '../paging.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { ENDED_STATES, OPEN_STATES } from './state.ts'

export type EvidenceOfAlerts = (
  db: DbOrTransaction,
  alertIds: readonly string[],
) => Promise<Map<string, Evidence[]>>

export type StateFilter = 'open' | 'ended' | 'all'

function selectIncidents(db: DbOrTransaction) {
  return db
    .selectFrom('incident')
    .leftJoin('device', 'device.device_id', 'incident.device_id')
    .selectAll('incident')
    .select('device.name as device_name')
}
type IncidentRow = Awaited<ReturnType<ReturnType<typeof selectIncidents>['executeTakeFirstOrThrow']>>

function toIncident(row: IncidentRow): Incident {
  return {
    incidentId: row.incident_id,
    number: row.number,
    region: row.region,
    state: row.state as IncidentState,
    severity: row.severity as Incident['severity'],
    rule: row.rule,
    deviceId: row.device_id,
    deviceKind: row.device_kind as Incident['deviceKind'],
    // A device that its edge no longer describes still has its id.
    deviceName: row.device_name ?? row.device_id,
    reason: row.reason,
    openedAtMs: row.opened_at_ms,
    lastAlertAtMs: row.last_alert_at_ms,
    updatedAtMs: row.updated_at_ms,
    alertCount: row.alert_count,
    ...(row.snapshot_id === null ? {} : { snapshotId: row.snapshot_id }),
    isDrill: row.is_drill === 1,
    ...(row.hold_reason === null ? {} : { holdReason: row.hold_reason }),
  }
}

/** Incidents by id, whatever their place; what does not exist is missing. */
export async function incidentsById(
  db: DbOrTransaction,
  incidentIds: readonly string[],
): Promise<Map<string, Incident>> {
  if (incidentIds.length === 0) return new Map()
  const rows = await selectIncidents(db)
    .where('incident.incident_id', 'in', [...new Set(incidentIds)])
    .execute()
  return new Map(rows.map((row) => [row.incident_id, toIncident(row)]))
}

/** The incident if it lies inside the scope. */
export async function findIncident(
  db: DbOrTransaction,
  who: Scoped,
  incidentId: string,
): Promise<Incident | undefined> {
  const row = await selectIncidents(db)
    .where('incident.incident_id', '=', incidentId)
    .where((eb) => inScope(who, eb.ref('incident.region')))
    .executeTakeFirst()
  return row && toIncident(row)
}

export interface PageRequest {
  limit: number
  before: Place | undefined
}

/** A page of incidents inside the scope, newest first. */
export async function listIncidents(
  db: DbOrTransaction,
  who: Scoped,
  { state, limit, before }: PageRequest & { state: StateFilter },
): Promise<{ items: Incident[]; next?: string }> {
  const ids = await newestInScope(db, {
    table: 'incident',
    who,
    before,
    count: limit + 1,
    ...(state === 'all' ? {} : { states: state === 'open' ? OPEN_STATES : ENDED_STATES }),
    isFew: state === 'open',
  })
  const rows =
    ids.length === 0
      ? []
      : await selectIncidents(db)
          .where('incident.incident_id', 'in', ids)
          .orderBy('incident.opened_at_ms', 'desc')
          .orderBy('incident.incident_id', 'desc')
          .execute()
  const page = pageOf(rows, limit, (row) => ({ atMs: row.opened_at_ms, id: row.incident_id }))
  return { items: page.rows.map(toIncident), ...(page.next === undefined ? {} : { next: page.next }) }
}

function selectAlerts(db: DbOrTransaction) {
  return db
    .selectFrom('alert')
    .leftJoin('device', 'device.device_id', 'alert.device_id')
    .selectAll('alert')
    .select('device.name as device_name')
}
type AlertRow = Awaited<ReturnType<ReturnType<typeof selectAlerts>['executeTakeFirstOrThrow']>>

async function toAlerts(
  db: DbOrTransaction,
  rows: readonly AlertRow[],
  evidenceOf: EvidenceOfAlerts,
): Promise<Alert[]> {
  const evidence = await evidenceOf(
    db,
    rows.map((row) => row.alert_id),
  )
  return rows.map((row) => {
    const { kind: _, ...record } = JSON.parse(row.record) as AlertRecord
    return {
      ...record,
      edgeId: row.edge_id,
      deviceName: row.device_name ?? row.device_id,
      receivedAtMs: row.received_at_ms,
      incidentId: row.incident_id,
      evidence: evidence.get(row.alert_id) ?? [],
    }
  })
}

/** A page of alerts inside the scope, newest first. */
export async function listAlerts(
  db: DbOrTransaction,
  who: Scoped,
  { limit, before }: PageRequest,
  evidenceOf: EvidenceOfAlerts,
): Promise<{ items: Alert[]; next?: string }> {
  const ids = await newestInScope(db, { table: 'alert', who, before, count: limit + 1 })
  const rows =
    ids.length === 0
      ? []
      : await selectAlerts(db)
          .where('alert.alert_id', 'in', ids)
          .orderBy('alert.at_ms', 'desc')
          .orderBy('alert.alert_id', 'desc')
          .execute()
  const page = pageOf(rows, limit, (row) => ({ atMs: row.at_ms, id: row.alert_id }))
  const items = await toAlerts(db, page.rows, evidenceOf)
  return { items, ...(page.next === undefined ? {} : { next: page.next }) }
}

/** Alerts by id, oldest first, whatever their place. */
export async function alertsById(
  db: DbOrTransaction,
  alertIds: readonly string[],
  evidenceOf: EvidenceOfAlerts,
): Promise<Alert[]> {
  if (alertIds.length === 0) return []
  const rows = await selectAlerts(db)
    .where('alert.alert_id', 'in', [...new Set(alertIds)])
    .orderBy('alert.at_ms')
    .orderBy('alert.alert_id')
    .execute()
  return toAlerts(db, rows, evidenceOf)
}

/** The newest alerts of an incident, newest first. */
export async function alertsOfIncident(
  db: DbOrTransaction,
  incidentId: string,
  limit: number,
  evidenceOf: EvidenceOfAlerts,
): Promise<Alert[]> {
  const rows = await selectAlerts(db)
    .where('alert.incident_id', '=', incidentId)
    .orderBy('alert.at_ms', 'desc')
    .orderBy('alert.alert_id', 'desc')
    .limit(limit)
    .execute()
  return toAlerts(db, rows, evidenceOf)
}

/** How an incident came to be where it is, oldest first. */
export async function transitionsOf(db: DbOrTransaction, incidentId: string): Promise<Transition[]> {
  const rows = await db
    .selectFrom('transition')
    .selectAll()
    .where('incident_id', '=', incidentId)
    .orderBy('id')
    .execute()
  return rows.map((row) => ({
    atMs: row.at_ms,
    from: row.from_state as IncidentState | null,
    to: row.to_state as IncidentState,
    actorName: row.actor_name,
    note: row.note,
  }))
}
