/** Composes the incidents feature: correlation, moves and views. */
import type { ChangeLog } from '../changes/changes.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { correlate } from './correlate.ts'
import { follow } from './incident-moves.ts'
import { ALERTS_OF_INCIDENT, incidentRoutes } from './incident-routes.ts'
import { alertsById, alertsOfIncident, incidentsById } from './incident-store.ts'
import type { Incidents, IncidentsDeps } from './incidents.ts'
import { keptPassages } from './kept-passages.ts'
import { isDispatchable } from './state.ts'

export function incidentsFeature(deps: IncidentsDeps): Incidents {
  const { config, changes, evidenceOfAlerts, now = Date.now } = deps
  const windowMs = config.formIncidentWindowSeconds * 1000

  return {
    correlate: (trx, alerts) => correlate(trx, alerts, windowMs),
    alertViews: (db, alertIds) => alertsById(db, alertIds, evidenceOfAlerts),
    views: incidentsById,
    alertsOf: (db, incidentId) => alertsOfIncident(db, incidentId, ALERTS_OF_INCIDENT, evidenceOfAlerts),
    follow: (trx, move) => follow(trx, changes, move, now()),
    isDispatchable,
    snapshotStored: (trx, snapshot) => keepNewestSnapshot(trx, changes, snapshot, now()),
    keptPassages: (beforeMs) => keptPassages(deps.relational.read, beforeMs),
    routes: incidentRoutes(deps),
  }
}

/** See `Incidents.snapshotStored`. Snapshots may arrive in any order; the newest by its time stays. */
async function keepNewestSnapshot(
  trx: DbOrTransaction,
  changes: ChangeLog,
  { evidenceId, alertId }: { evidenceId: string; alertId: string },
  atMs: number,
): Promise<void> {
  const incident = await trx
    .selectFrom('alert')
    .innerJoin('incident', 'incident.incident_id', 'alert.incident_id')
    .select(['incident.incident_id', 'incident.snapshot_id'])
    .where('alert.alert_id', '=', alertId)
    .executeTakeFirst()
  if (!incident || incident.snapshot_id === evidenceId) return
  const ids = [evidenceId, ...(incident.snapshot_id === null ? [] : [incident.snapshot_id])]
  const newest = await trx
    .selectFrom('evidence')
    .select('evidence_id')
    .where('evidence_id', 'in', ids)
    .orderBy('at_ms', 'desc')
    .orderBy('evidence_id', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (newest?.evidence_id !== evidenceId) return
  await trx
    .updateTable('incident')
    .set({ snapshot_id: evidenceId, updated_at_ms: atMs })
    .where('incident_id', '=', incident.incident_id)
    .execute()
  await changes.note(trx, 'incident', incident.incident_id)
}
