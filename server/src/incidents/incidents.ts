/** What the incidents feature offers: correlation for ingest, views and moves for dispatch and evidence. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Alert, AlertRecord, Dispatch, Evidence, Incident, IncidentState } from '@patrolhub/protocol'
import type { EdgeIdentity } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { HubConfig } from '../config.ts'
import type { KeptPassage } from '../ports/plate-store.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'

export interface IncidentsDeps {
  config: Pick<HubConfig, 'formIncidentWindowSeconds'>
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
  evidenceOfAlerts: (db: DbOrTransaction, alertIds: readonly string[]) => Promise<Map<string, Evidence[]>>
  dispatchesOf: (incidentId: string) => Promise<Dispatch[]>
  /** Called inside the transaction that dismisses an incident: closes its open dispatches, answers their ids. */
  recallDispatches: (trx: DbOrTransaction, recall: Recall) => Promise<string[]>
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
   * Keeps alerts (rows in `alert`) and their places in incidents, inside ingest's transaction; answers what became of
   * each, in their order. An alert id that is already there changes nothing. Refused: another edge's alert id, a region outside the edge's. The caller notes the
   * changes (ingest: one statement for a whole batch).
   */
  correlate(trx: DbOrTransaction, alerts: readonly NewAlert[]): Promise<Correlation[]>
  /** Alerts by id, with their evidence. No scope check: the caller has one. */
  alertViews(db: DbOrTransaction, alertIds: readonly string[]): Promise<Alert[]>
  /** Incidents by id; what does not exist is missing. No scope check: the caller has one. */
  views(db: DbOrTransaction, incidentIds: readonly string[]): Promise<Map<string, Incident>>
  /** Alerts of an incident, newest first, at most 50. No scope check: the caller has one. */
  alertsOf(db: DbOrTransaction, incidentId: string): Promise<Alert[]>
  /**
   * Moves an incident as its dispatch went on, if that is a step forward; else it stays. Inside the caller's
   * transaction. Throws HUB_CONFLICT if the incident has ended.
   */
  follow(trx: DbOrTransaction, move: Move): Promise<void>
  /** True if a team may be sent to an incident in this state. */
  isDispatchable(state: IncidentState): boolean
  /** Keeps the newest snapshot of the alert's incident. */
  snapshotStored(trx: DbOrTransaction, snapshot: { evidenceId: string; alertId: string }): Promise<void>
  /** Passages from before this time that outlive their time with their plates: see kept-passages.ts. */
  keptPassages(beforeMs: number): Promise<KeptPassage[]>
  routes: FastifyPluginAsyncTypebox
}
