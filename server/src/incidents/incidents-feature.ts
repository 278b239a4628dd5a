/** Composes the incidents feature: correlation, moves, views, and telling the screens. */
import type { DispatchState } from '@patrolhub/protocol'
import type { DbOrTransaction } from '../ports/relational.ts'
import { correlate } from './correlate.ts'
import { follow } from './incident-moves.ts'
import { ALERTS_OF_INCIDENT, incidentRoutes } from './incident-routes.ts'
import { alertsById, alertsOfIncident, incidentsById } from './incident-store.ts'
import type { Incidents, IncidentsDeps } from './incidents.ts'
import { isDispatchable } from './state.ts'

const DONE: DispatchState = 'closed'

export function incidentsFeature(deps: IncidentsDeps): Incidents {
  const { config, relational, push, evidenceOfAlerts, now = Date.now } = deps
  const windowMs = config.formIncidentWindowSeconds * 1000

  const announce: Incidents['announce'] = async (incidentIds) => {
    for (const incident of (await incidentsById(relational.read, incidentIds)).values()) {
      push.send({ region: incident.region }, { event: 'incident', payload: incident })
    }
  }
  const announceToAll: Incidents['announceToAll'] = async (incidentIds) => {
    if (incidentIds.length === 0) return
    await announce(incidentIds)
    await deps.announceDispatches(await openDispatches(relational.read, incidentIds))
  }

  return {
    correlate: (trx, alert) => correlate(trx, alert, windowMs),
    async announceAlerts(alertIds) {
      const alerts = await alertsById(relational.read, alertIds, evidenceOfAlerts)
      for (const alert of alerts) push.send({ region: alert.region }, { event: 'alert', payload: alert })
      await announceToAll([...new Set(alerts.map((alert) => alert.incidentId))])
    },
    announce,
    announceToAll,
    views: incidentsById,
    alertsOf: (db, incidentId) => alertsOfIncident(db, incidentId, ALERTS_OF_INCIDENT, evidenceOfAlerts),
    follow: (trx, move) => follow(trx, move, now()),
    isDispatchable,
    snapshotStored: (trx, snapshot) => keepNewestSnapshot(trx, snapshot, now()),
    routes: incidentRoutes({ ...deps, announceToAll }),
  }
}

/** Dispatches of these incidents that a team is still on. */
async function openDispatches(db: DbOrTransaction, incidentIds: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('dispatch')
    .select('dispatch_id')
    .where('incident_id', 'in', [...incidentIds])
    .where('state', '<>', DONE)
    .execute()
  return rows.map((row) => row.dispatch_id)
}

/** See `Incidents.snapshotStored`. Snapshots may arrive in any order; the newest by its time stays. */
async function keepNewestSnapshot(
  trx: DbOrTransaction,
  { evidenceId, alertId }: { evidenceId: string; alertId: string },
  atMs: number,
): Promise<string | undefined> {
  const incident = await trx
    .selectFrom('alert')
    .innerJoin('incident', 'incident.incident_id', 'alert.incident_id')
    .select(['incident.incident_id', 'incident.snapshot_id'])
    .where('alert.alert_id', '=', alertId)
    .executeTakeFirst()
  if (!incident || incident.snapshot_id === evidenceId) return undefined
  const ids = [evidenceId, ...(incident.snapshot_id === null ? [] : [incident.snapshot_id])]
  const newest = await trx
    .selectFrom('evidence')
    .select('evidence_id')
    .where('evidence_id', 'in', ids)
    .orderBy('at_ms', 'desc')
    .orderBy('evidence_id', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (newest?.evidence_id !== evidenceId) return undefined
  await trx
    .updateTable('incident')
    .set({ snapshot_id: evidenceId, updated_at_ms: atMs })
    .where('incident_id', '=', incident.incident_id)
    .execute()
  return incident.incident_id
}
