/** Composes the dispatch feature: teams, dispatches, and telling the teams and the control room. */
import type { DispatchDeps, Dispatches } from './dispatch.ts'
import { dispatchRoutes } from './dispatch-routes.ts'
import { dispatchesById } from './dispatch-store.ts'
import { recall } from './dispatching.ts'
import { teamRoutes } from './team-routes.ts'
import { createTeam } from './teams.ts'

export function dispatchFeature(deps: DispatchDeps): Dispatches {
  const { relational, push, now = Date.now } = deps
  const { read } = relational

  const announce: Dispatches['announce'] = async (dispatchIds) => {
    for (const dispatch of await dispatchesById(read, deps, dispatchIds)) {
      const target = { region: dispatch.incident.region, teamId: dispatch.teamId }
      push.send(target, { event: 'dispatch', payload: dispatch })
    }
  }

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
    recall: (trx, order) => recall(trx, order, now()),
    announce,
    routes: async (app) => {
      await app.register(dispatchRoutes({ ...deps, announce }))
      await app.register(teamRoutes(deps))
    },
  }
}
