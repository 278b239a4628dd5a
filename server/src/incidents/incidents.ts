/** What the incidents feature offers: correlation for ingest, views and moves for dispatch and evidence. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Alert, AlertRecord, Dispatch, Evidence, Incident, IncidentState } from '@patrolhub/protocol'
import type { EdgeIdentity } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { HubConfig } from '../config.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { Push } from '../push/push.ts'

export interface IncidentsDeps {
  config: Pick<HubConfig, 'formIncidentWindowSeconds'>
  relational: Relational
  audit: AuditTrail
  push: Push
  evidenceOfAlerts: (db: DbOrTransaction, alertIds: readonly string[]) => Promise<Map<string, Evidence[]>>
  dispatchesOf: (incidentId: string) => Promise<Dispatch[]>
  /** Called inside the transaction that dismisses an incident: closes its open dispatches, answers their ids. */
  recallDispatches: (trx: DbOrTransaction, recall: Recall) => Promise<string[]>
  /** Called after that transaction: pushes the dispatches. */
  announceDispatches: (dispatchIds: readonly string[]) => Promise<void>
  now?: () => number
}

export interface Recall {
  incidentId: string
  actor: Principal
  note: string
}

export type Correlation =
  | { ok: true; incidentId: string; isNewIncident: boolean; isRepeat: boolean }
  /** Cannot be taken now or later; `reason` says why (ingest sets the record aside). */
  | { ok: false; reason: string }

export interface NewAlert {
  record: AlertRecord
  edge: EdgeIdentity
  receivedAtMs: number
}

export interface Move {
  incidentId: string
  to: IncidentState
  actor: Principal
  note: string
}

export interface Incidents {
  /**
   * Keeps an alert (row in `alert`) and its place in an incident, inside ingest's transaction. An alert id that is
   * already there changes nothing. Refused: another edge's alert id, a region outside the edge's. After the commit
   * call `announceAlerts` with the ids that were no repeats.
   */
  correlate(trx: DbOrTransaction, alert: NewAlert): Promise<Correlation>
  /** Pushes `alert` for each and `incident` once for each incident they belong to. */
  announceAlerts(alertIds: readonly string[]): Promise<void>
  /** Pushes `incident` to those who watch its region. */
  announce(incidentIds: readonly string[]): Promise<void>
  /** As `announce`, and pushes the open dispatches too, so that the teams on it see the change. */
  announceToAll(incidentIds: readonly string[]): Promise<void>
  /** Incidents by id; what does not exist is missing. No scope check: the caller has one. */
  views(db: DbOrTransaction, incidentIds: readonly string[]): Promise<Map<string, Incident>>
  /** Alerts of an incident, newest first, at most 50. No scope check: the caller has one. */
  alertsOf(db: DbOrTransaction, incidentId: string): Promise<Alert[]>
  /**
   * Moves an incident as its dispatch went on, if that is a step forward; else it stays. Inside the caller's
   * transaction; announce afterwards. Throws HUB_CONFLICT if the incident has ended.
   */
  follow(trx: DbOrTransaction, move: Move): Promise<void>
  /** True if a team may be sent to an incident in this state. */
  isDispatchable(state: IncidentState): boolean
  /** Keeps the newest snapshot of the alert's incident; answers the incident's id if it changed. */
  snapshotStored(
    trx: DbOrTransaction,
    snapshot: { evidenceId: string; alertId: string },
  ): Promise<string | undefined>
  routes: FastifyPluginAsyncTypebox
}
