/** Moves an incident: by hand, or as its dispatches go on. Every move is a transition with who, when and why. */
import type { IncidentState } from '@patrolhub/protocol'
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import type { ChangeLog } from '../changes/changes.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { IncidentsDeps, Move } from './incidents.ts'
import { checkMove, followsTo, hasEnded, type ManualState } from './state.ts'

/** Writes a move whose permission has been checked. Throws HUB_CONFLICT if the incident is no longer in `from`. */
async function write(
  trx: DbOrTransaction,
  changes: ChangeLog,
  from: IncidentState,
  move: Move,
  atMs: number,
): Promise<void> {
  const { incidentId, to, actor, note } = move
  const changed = await trx
    .updateTable('incident')
    .set({ state: to, updated_at_ms: atMs })
    .where('incident_id', '=', incidentId)
    .where('state', '=', from)
    .executeTakeFirst()
  if (changed.numUpdatedRows === 0n) throw new HubError('HUB_CONFLICT', 'the incident has moved meanwhile')
  await trx
    .insertInto('transition')
    .values({
      incident_id: incidentId,
      at_ms: atMs,
      from_state: from,
      to_state: to,
      actor_id: actor.userId,
      actor_name: actor.displayName,
      note,
    })
    .execute()
  await changes.note(trx, 'incident', incidentId)
}

/** See `Incidents.follow`. */
export async function follow(
  trx: DbOrTransaction,
  changes: ChangeLog,
  move: Move,
  atMs: number,
): Promise<void> {
  const { incidentId, to } = move
  const row = await trx
    .selectFrom('incident')
    .select('state')
    .where('incident_id', '=', incidentId)
    .executeTakeFirst()
  if (!row) throw new HubError('HUB_NOT_FOUND', `no incident ${incidentId}`)
  const state = row.state as IncidentState
  if (hasEnded(state)) throw new HubError('HUB_CONFLICT', `the incident is ${state}`)
  if (followsTo(state, to)) await write(trx, changes, state, move, atMs)
}

/**
 * A move by hand; one that dismisses the incident recalls its teams. Throws HUB_NOT_FOUND (also outside the scope), HUB_CONFLICT,
 * HUB_FORBIDDEN, or HUB_BAD_REQUEST for a missing note.
 */
export async function moveByHand(
  deps: IncidentsDeps,
  move: { incidentId: string; to: ManualState; actor: Principal; note: string },
  atMs: number,
): Promise<void> {
  const { incidentId, to, actor, note } = move
  await deps.relational.write.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('incident')
      .select(['state', 'number'])
      .where('incident_id', '=', incidentId)
      .where((eb) => inScope(actor, eb.ref('region')))
      .executeTakeFirst()
    if (!row) throw new HubError('HUB_NOT_FOUND', `no incident ${incidentId}`)
    const from = row.state as IncidentState
    refuse(from, to, actor, note)
    await write(trx, deps.changes, from, move, atMs)
    const recalled = to === 'dismissed' ? await deps.recallDispatches(trx, { incidentId, actor, note }) : []
    await deps.audit.append(trx, {
      actor,
      action: 'incident.moved',
      subject: `incident:${incidentId}`,
      detail: { number: row.number, from, to, note, dispatchesClosed: recalled },
    })
  })
}

function refuse(from: IncidentState, to: ManualState, actor: Principal, note: string): void {
  const check = checkMove(from, to, actor, note)
  if (check.ok) return
  switch (check.why) {
    case 'not from here':
      throw new HubError('HUB_CONFLICT', `the incident is ${from}, from where it cannot become ${to}`, {
        details: [`state: ${from}`],
      })
    case 'not allowed':
      throw new HubError('HUB_FORBIDDEN', `the role ${actor.role} may not make an incident ${to}`)
    case 'needs a note':
      throw new HubError('HUB_BAD_REQUEST', `note: say why the incident is ${to}`)
  }
}
