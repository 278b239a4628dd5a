/** Sending a team, and what the team reports back. Everything happens in one transaction with the incident's move. */
import { randomUUID } from 'node:crypto'
import type { DispatchState, NewDispatch, NewStep } from '@patrolhub/protocol'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import type { ChangeLog } from '../changes/changes.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { deadlinesFrom } from './deadlines.ts'
import type { DispatchDeps } from './dispatch.ts'
import { findOwn, type VisibleDispatch } from './dispatch-store.ts'
import { incidentStateFor, isForward } from './steps.ts'
import { requireTeam } from './teams.ts'

const MAX_PHOTOS = 20

interface StepEntry {
  dispatchId: string
  state: DispatchState
  actor: Principal
  note: string
  atMs: number
}

async function addStep(
  trx: DbOrTransaction,
  { dispatchId, state, actor, note, atMs }: StepEntry,
): Promise<void> {
  await trx
    .insertInto('dispatch_step')
    .values({
      dispatch_id: dispatchId,
      at_ms: atMs,
      state,
      actor_id: actor.userId,
      actor_name: actor.displayName,
      note,
    })
    .execute()
}

/**
 * Sends a team; answers the dispatch's id. Throws HUB_NOT_FOUND (incident or team, also outside the scope) or
 * HUB_CONFLICT if the incident takes no team any more or this team is on it already.
 */
export async function sendTeam(
  deps: DispatchDeps,
  { actor, incidentId, order }: { actor: Principal; incidentId: string; order: NewDispatch },
  atMs: number,
): Promise<string> {
  const { relational, incidents, audit } = deps
  const { teamId, instruction = '' } = order
  const dispatchId = randomUUID()
  await relational.write.transaction().execute(async (trx) => {
    const incident = (await incidents.views(trx, [incidentId])).get(incidentId)
    if (!incident || !may(actor, 'incident.dispatch', { region: incident.region })) {
      throw new HubError('HUB_NOT_FOUND', `no incident ${incidentId}`)
    }
    const team = await requireTeam(trx, actor, teamId)
    if (!incidents.isDispatchable(incident.state)) {
      throw new HubError('HUB_CONFLICT', `the incident is ${incident.state}: nobody can be sent`, {
        details: [`state: ${incident.state}`],
      })
    }
    if ((await openOf(trx, incidentId, { teamId })).length > 0) {
      throw new HubError('HUB_CONFLICT', `team ${team.name} is on this incident already`)
    }
    const { acknowledgeByMs, arriveByMs } = deadlinesFrom(atMs, incident.severity)
    await trx
      .insertInto('dispatch')
      .values({
        dispatch_id: dispatchId,
        incident_id: incidentId,
        team_id: teamId,
        region: incident.region,
        state: 'assigned',
        instruction,
        created_by: actor.userId,
        created_at_ms: atMs,
        acknowledge_by_ms: acknowledgeByMs,
        arrive_by_ms: arriveByMs,
      })
      .execute()
    await addStep(trx, { dispatchId, state: 'assigned', actor, note: instruction, atMs })
    await incidents.follow(trx, { incidentId, to: 'assigned', actor, note: team.name })
    await deps.changes.note(trx, 'dispatch', dispatchId)
    await audit.append(trx, {
      actor,
      action: 'dispatch.created',
      subject: `dispatch:${dispatchId}`,
      detail: { incidentId, number: incident.number, teamId, teamName: team.name, instruction },
    })
  })
  return dispatchId
}

/**
 * A team's step. Of two that come at once the first wins; the other gets HUB_CONFLICT whose details say how the dispatch
 * stands. Throws HUB_NOT_FOUND for another team's dispatch, HUB_BAD_REQUEST if it is closed without a note.
 */
export async function takeStep(
  deps: DispatchDeps,
  { actor, dispatchId, step }: { actor: Principal; dispatchId: string; step: NewStep },
  atMs: number,
): Promise<VisibleDispatch> {
  const { relational, incidents, audit } = deps
  const { state: to } = step
  const note = step.note?.trim() ?? ''
  if (to === 'closed' && note === '') {
    throw new HubError('HUB_BAD_REQUEST', 'note: say what was found and done')
  }
  return relational.write.transaction().execute(async (trx) => {
    const dispatch = await findOwn(trx, actor, dispatchId)
    if (!dispatch) throw new HubError('HUB_NOT_FOUND', `no dispatch ${dispatchId}`)
    const { state: from, incidentId } = dispatch
    const changed = isForward(from, to)
      ? await trx
          .updateTable('dispatch')
          .set({ state: to })
          .where('dispatch_id', '=', dispatchId)
          .where('state', '=', from)
          .executeTakeFirst()
      : undefined
    if (changed?.numUpdatedRows !== 1n) throw await stepConflict(trx, dispatch)
    await addStep(trx, { dispatchId, state: to, actor, note, atMs })
    const hasOtherOpen = (await openOf(trx, incidentId)).length > 0
    const incidentState = incidentStateFor(to, hasOtherOpen)
    if (incidentState) await incidents.follow(trx, { incidentId, to: incidentState, actor, note })
    await deps.changes.note(trx, 'dispatch', dispatchId)
    await audit.append(trx, {
      actor,
      action: 'dispatch.moved',
      subject: `dispatch:${dispatchId}`,
      detail: { incidentId, from, to, note },
    })
    return { ...dispatch, state: to }
  })
}

/** The current state and who brought it there, for the one who came second. */
async function stepConflict(trx: DbOrTransaction, dispatch: VisibleDispatch): Promise<HubError> {
  const last = await trx
    .selectFrom('dispatch_step')
    .select(['state', 'actor_name', 'at_ms'])
    .where('dispatch_id', '=', dispatch.dispatchId)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  const by = last ? ` (by ${last.actor_name})` : ''
  return new HubError('HUB_CONFLICT', `the dispatch is ${dispatch.state} already${by}`, {
    details: [
      `state: ${dispatch.state}`,
      ...(last ? [`actorName: ${last.actor_name}`, `atMs: ${last.at_ms}`] : []),
    ],
  })
}

/** See `Dispatches.recall`. */
export async function recall(
  trx: DbOrTransaction,
  changes: ChangeLog,
  { incidentId, actor, note }: { incidentId: string; actor: Principal; note: string },
  atMs: number,
): Promise<string[]> {
  const ids = await openOf(trx, incidentId)
  for (const dispatchId of ids) {
    await trx.updateTable('dispatch').set({ state: 'closed' }).where('dispatch_id', '=', dispatchId).execute()
    await addStep(trx, { dispatchId, state: 'closed', actor, note, atMs })
  }
  await changes.note(trx, 'dispatch', ids)
  return ids
}

/** Throws HUB_CONFLICT if the dispatch takes no photo (any more). */
export async function checkTakesPhotos(
  db: DbOrTransaction,
  evidence: DispatchDeps['evidence'],
  dispatch: VisibleDispatch,
): Promise<void> {
  const row = await db
    .selectFrom('dispatch')
    .select('state')
    .where('dispatch_id', '=', dispatch.dispatchId)
    .executeTakeFirst()
  if (row?.state === 'closed') {
    throw new HubError('HUB_CONFLICT', 'the dispatch is closed', { details: ['state: closed'] })
  }
  const photos = (await evidence.ofDispatches(db, [dispatch.dispatchId])).get(dispatch.dispatchId) ?? []
  if (photos.length >= MAX_PHOTOS) {
    throw new HubError('HUB_CONFLICT', `the dispatch has ${MAX_PHOTOS} photos already`)
  }
}

/** Open dispatches of an incident, of one team or of all. */
async function openOf(
  trx: DbOrTransaction,
  incidentId: string,
  { teamId }: { teamId?: string } = {},
): Promise<string[]> {
  let query = trx
    .selectFrom('dispatch')
    .select('dispatch_id')
    .where('incident_id', '=', incidentId)
    .where('state', '<>', 'closed')
  if (teamId !== undefined) query = query.where('team_id', '=', teamId)
  const rows = await query.orderBy('created_at_ms').execute()
  return rows.map((row) => row.dispatch_id)
}
