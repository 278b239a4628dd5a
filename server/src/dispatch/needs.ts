/** What a dispatch needs of the incidents and of the evidence feature; `app.ts` passes both features themselves. */
import type { Readable } from 'node:stream'
import type { Alert, Evidence, Incident, IncidentState } from '@patrolhub/protocol'
import type { Principal } from '../access/principal.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

export interface DispatchIncidents {
  views(db: DbOrTransaction, incidentIds: readonly string[]): Promise<Map<string, Incident>>
  alertsOf(db: DbOrTransaction, incidentId: string): Promise<Alert[]>
  follow(
    trx: DbOrTransaction,
    move: { incidentId: string; to: IncidentState; actor: Principal; note: string },
  ): Promise<void>
  isDispatchable(state: IncidentState): boolean
}

export interface DispatchPhotos {
  ofDispatches(db: DbOrTransaction, dispatchIds: readonly string[]): Promise<Map<string, Evidence[]>>
  storePhoto(photo: {
    actor: Principal
    dispatchId: string
    region: string
    mime: string
    body: Readable
    mayStore: (trx: DbOrTransaction) => Promise<void>
  }): Promise<Evidence>
}
