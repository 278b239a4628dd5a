/**
 * Puts an alert into an incident: alerts of the same device and rule that follow each other within the window are one
 * incident. Runs inside ingest's transaction; writers come one after another, so two alerts never open two incidents
 * for one thing.
 */
import { randomUUID } from 'node:crypto'
import { covers, type Severity } from '@patrolhub/protocol'
import type { DbOrTransaction } from '../ports/relational.ts'
import { takeNumber } from './incident-number.ts'
import type { Correlation, NewAlert } from './incidents.ts'
import { ENDED_STATES } from './state.ts'

const RANK: Readonly<Record<Severity, number>> = { info: 0, minor: 1, major: 2, critical: 3 }

/** The worse of two. */
export function worseOf(a: Severity, b: Severity): Severity {
  return RANK[a] >= RANK[b] ? a : b
}

/** See `Incidents.correlate`. */
export async function correlate(
  trx: DbOrTransaction,
  { record, edge, receivedAtMs }: NewAlert,
  windowMs: number,
): Promise<Correlation> {
  if (!covers(edge.region, record.region)) {
    return { ok: false, reason: `region ${record.region} lies outside the edge's (${edge.region})` }
  }
  const known = await trx
    .selectFrom('alert')
    .select(['edge_id', 'incident_id'])
    .where('alert_id', '=', record.alertId)
    .executeTakeFirst()
  if (known) {
    return known.edge_id === edge.edgeId
      ? { ok: true, incidentId: known.incident_id, isNewIncident: false, isRepeat: true }
      : { ok: false, reason: `alert ${record.alertId} is known from another edge` }
  }
  const joined = await join(trx, record, receivedAtMs, windowMs)
  const incidentId = joined ?? (await openIncident(trx, record, receivedAtMs))
  await trx
    .insertInto('alert')
    .values({
      alert_id: record.alertId,
      edge_id: edge.edgeId,
      device_id: record.deviceId,
      device_kind: record.deviceKind,
      region: record.region,
      rule: record.rule,
      severity: record.severity,
      at_ms: record.atMs,
      received_at_ms: receivedAtMs,
      incident_id: incidentId,
      record: JSON.stringify(record),
    })
    .execute()
  return { ok: true, incidentId, isNewIncident: joined === undefined, isRepeat: false }
}

/** The incident that the alert joined, or `undefined` if there is none. Alerts may come late and out of order. */
async function join(
  trx: DbOrTransaction,
  record: NewAlert['record'],
  receivedAtMs: number,
  windowMs: number,
): Promise<string | undefined> {
  const incident = await trx
    .selectFrom('incident')
    .select(['incident_id', 'severity', 'last_alert_at_ms'])
    .where('device_id', '=', record.deviceId)
    .where('rule', '=', record.rule)
    // A drill stays a drill, and an incident lies in one place even if its camera was moved.
    .where('is_drill', '=', record.isDrill ? 1 : 0)
    .where('region', '=', record.region)
    .where('state', 'not in', [...ENDED_STATES])
    .where('last_alert_at_ms', '>=', record.atMs - windowMs)
    .where('opened_at_ms', '<=', record.atMs + windowMs)
    .orderBy('last_alert_at_ms', 'desc')
    .orderBy('incident_id')
    .limit(1)
    .executeTakeFirst()
  if (!incident) return undefined
  await trx
    .updateTable('incident')
    .set((eb) => ({
      severity: worseOf(incident.severity as Severity, record.severity),
      last_alert_at_ms: Math.max(incident.last_alert_at_ms, record.atMs),
      alert_count: eb('alert_count', '+', 1),
      updated_at_ms: receivedAtMs,
    }))
    .where('incident_id', '=', incident.incident_id)
    .execute()
  return incident.incident_id
}

async function openIncident(
  trx: DbOrTransaction,
  record: NewAlert['record'],
  receivedAtMs: number,
): Promise<string> {
  const incidentId = randomUUID()
  await trx
    .insertInto('incident')
    .values({
      incident_id: incidentId,
      // By the hub's clock: an edge's may be wrong by years.
      number: await takeNumber(trx, receivedAtMs),
      region: record.region,
      state: 'reported',
      severity: record.severity,
      rule: record.rule,
      device_id: record.deviceId,
      device_kind: record.deviceKind,
      reason: record.reason,
      opened_at_ms: record.atMs,
      last_alert_at_ms: record.atMs,
      updated_at_ms: receivedAtMs,
      alert_count: 1,
      snapshot_id: null,
      is_drill: record.isDrill ? 1 : 0,
    })
    .execute()
  await trx
    .insertInto('transition')
    .values({
      incident_id: incidentId,
      at_ms: receivedAtMs,
      from_state: null,
      to_state: 'reported',
      actor_id: null,
      actor_name: 'system',
      note: '',
    })
    .execute()
  return incidentId
}
