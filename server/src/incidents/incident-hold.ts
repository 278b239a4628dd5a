/** Holds the evidence of an incident beyond its time, or lets it go again: both with a reason, on the record. */
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import { HubError } from '../errors.ts'
import type { IncidentsDeps } from './incidents.ts'

export interface Hold {
  incidentId: string
  isHeld: boolean
  actor: Principal
  reason: string
}

/** Throws HUB_NOT_FOUND (also outside the scope), or HUB_CONFLICT if it is held already or not held. */
export async function setHold(deps: IncidentsDeps, hold: Hold, atMs: number): Promise<void> {
  const { incidentId, isHeld, actor, reason } = hold
  await deps.relational.write.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('incident')
      .select(['hold_reason', 'number'])
      .where('incident_id', '=', incidentId)
      .where((eb) => inScope(actor, eb.ref('region')))
      .executeTakeFirst()
    if (!row) throw new HubError('HUB_NOT_FOUND', `no incident ${incidentId}`)
    if ((row.hold_reason !== null) === isHeld) {
      throw new HubError('HUB_CONFLICT', `the evidence is ${isHeld ? 'held already' : 'not held'}`)
    }
    await trx
      .updateTable('incident')
      .set({ hold_reason: isHeld ? reason : null, updated_at_ms: atMs })
      .where('incident_id', '=', incidentId)
      .execute()
    await deps.changes.note(trx, 'incident', incidentId)
    await deps.audit.append(trx, {
      actor,
      action: isHeld ? 'incident.held' : 'incident.released',
      subject: `incident:${incidentId}`,
      detail: { number: row.number, reason, ...(isHeld ? {} : { heldFor: row.hold_reason }) },
    })
  })
}
