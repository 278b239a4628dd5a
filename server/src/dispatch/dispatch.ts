/** What the dispatch feature offers: teams, and the dispatches of an incident. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Dispatch, NewTeam, Team } from '@patrolhub/protocol'
import type { Access } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { DispatchIncidents, DispatchPhotos } from './needs.ts'

export interface DispatchDeps {
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
  access: Pick<Access, 'usersChanged'>
  /** The incidents feature. */
  incidents: DispatchIncidents
  /** The evidence feature. */
  evidence: DispatchPhotos
  now?: () => number
}

export interface Dispatches {
  /** `actor` undefined: a command line, which may name any region. Throws HUB_OUT_OF_SCOPE. */
  createTeam(actor: Principal | undefined, team: NewTeam): Promise<Team>
  /** Dispatches of an incident, newest first. No scope check: the caller has one. */
  ofIncident(incidentId: string): Promise<Dispatch[]>
  /** Closes what is open of an incident that is dismissed, inside that transaction; answers the ids. */
  recall(
    trx: DbOrTransaction,
    recall: { incidentId: string; actor: Principal; note: string },
  ): Promise<string[]>
  /** Dispatches by id, in that order, and what is open of these incidents. No scope check: the caller has one. */
  views(
    db: DbOrTransaction,
    of: { dispatchIds: readonly string[]; incidentIds: readonly string[] },
  ): Promise<Dispatch[]>
  routes: FastifyPluginAsyncTypebox
}
