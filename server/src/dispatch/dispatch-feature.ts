/** Composes the dispatch feature: teams and dispatches. */
import type { DispatchDeps, Dispatches } from './dispatch.ts'
import { dispatchRoutes } from './dispatch-routes.ts'
import { dispatchesById, openDispatchesOf } from './dispatch-store.ts'
import { recall } from './dispatching.ts'
import { teamRoutes } from './team-routes.ts'
import { createTeam } from './teams.ts'

export function dispatchFeature(deps: DispatchDeps): Dispatches {
  const { relational, changes, now = Date.now } = deps
  const { read } = relational

  return {
    createTeam: (actor, team) => createTeam(deps, actor, team),
    async ofIncident(incidentId) {
      const rows = await read
        .selectFrom('dispatch')
        .select('dispatch_id')
        .where('incident_id', '=', incidentId)
        .orderBy('created_at_ms', 'desc')
        .orderBy('dispatch_id', 'desc')
        .execute()
      return dispatchesById(
        read,
        deps,
        rows.map((row) => row.dispatch_id),
      )
    },
    recall: (trx, order) => recall(trx, changes, order, now()),
    async views(db, { dispatchIds, incidentIds }) {
      const ofIncidents = await openDispatchesOf(db, incidentIds)
      return dispatchesById(db, deps, [...new Set([...dispatchIds, ...ofIncidents])])
    },
    routes: async (app) => {
      await app.register(dispatchRoutes(deps))
      await app.register(teamRoutes(deps))
    },
  }
}
