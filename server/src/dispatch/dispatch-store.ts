/** Reads dispatches as the protocol shows them, and decides who sees which. */
import { DISPATCH_STATES, type Dispatch, type DispatchState, type DispatchStep } from '@patrolhub/protocol'
import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import { newestInScope } from '../newest-in-scope.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { Tables } from '../ports/tables.ts'
import { missedOf } from './missed-deadlines.ts'
import type { DispatchIncidents, DispatchPhotos } from './needs.ts'

/** A list has no pages: this many, the newest. */
const MAX_LISTED = 200

type DispatchExpression = ExpressionBuilder<Tables, 'dispatch'>

/** Goes out with teams, and so sees what these are sent to, wherever it is. */
function goesOut(caller: Principal): boolean {
  return may(caller, 'dispatch.step') && caller.teamIds.length > 0
}

/** SQL condition: of a team that the caller goes out with. */
function isOfOwnTeam(caller: Principal, eb: DispatchExpression): Expression<SqlBool> {
  return goesOut(caller) ? eb('dispatch.team_id', 'in', [...caller.teamIds]) : sql<SqlBool>`1 = 0`
}

/** SQL condition: whoever reads incidents sees the dispatches of their scope; whoever goes out, those of their teams. */
function isVisibleTo(caller: Principal, eb: DispatchExpression): Expression<SqlBool> {
  const own = isOfOwnTeam(caller, eb)
  return may(caller, 'incident.read') ? eb.or([inScope(caller, eb.ref('dispatch.region')), own]) : own
}

export async function listVisible(
  db: DbOrTransaction,
  caller: Principal,
  state: 'open' | 'ended' | 'all',
): Promise<string[]> {
  const states = DISPATCH_STATES.filter(
    (one) => state === 'all' || (one === 'closed') === (state === 'ended'),
  )
  if (may(caller, 'incident.read') && !goesOut(caller)) {
    return newestInScope(db, {
      table: 'dispatch',
      who: caller,
      before: undefined,
      count: MAX_LISTED,
      ...(state === 'all' ? {} : { states }),
      isFew: state === 'open',
    })
  }
  const rows = await db
    .selectFrom('dispatch')
    .select('dispatch_id')
    .where((eb) => isVisibleTo(caller, eb))
    .where('state', 'in', states)
    .orderBy('created_at_ms', 'desc')
    .orderBy('dispatch_id', 'desc')
    .limit(MAX_LISTED)
    .execute()
  return rows.map((row) => row.dispatch_id)
}

export interface VisibleDispatch {
  dispatchId: string
  incidentId: string
  region: string
  state: DispatchState
}

/** The dispatch if the caller may see it. */
export function findVisible(
  db: DbOrTransaction,
  caller: Principal,
  dispatchId: string,
): Promise<VisibleDispatch | undefined> {
  return find(db, dispatchId, (eb) => isVisibleTo(caller, eb))
}

/** The dispatch if it is of a team that the caller goes out with: only these are theirs to work on. */
export function findOwn(
  db: DbOrTransaction,
  caller: Principal,
  dispatchId: string,
): Promise<VisibleDispatch | undefined> {
  return find(db, dispatchId, (eb) => isOfOwnTeam(caller, eb))
}

async function find(
  db: DbOrTransaction,
  dispatchId: string,
  isMeant: (eb: DispatchExpression) => Expression<SqlBool>,
): Promise<VisibleDispatch | undefined> {
  const row = await db
    .selectFrom('dispatch')
    .select(['dispatch_id', 'incident_id', 'region', 'state'])
    .where('dispatch_id', '=', dispatchId)
    .where(isMeant)
    .executeTakeFirst()
  return (
    row && {
      dispatchId: row.dispatch_id,
      incidentId: row.incident_id,
      region: row.region,
      state: row.state as DispatchState,
    }
  )
}

export interface ViewDeps {
  incidents: Pick<DispatchIncidents, 'views'>
  evidence: Pick<DispatchPhotos, 'ofDispatches'>
}

/** Dispatches by id in the order of the ids; what does not exist is missing. No scope check: the caller has one. */
export async function dispatchesById(
  db: DbOrTransaction,
  { incidents, evidence }: ViewDeps,
  dispatchIds: readonly string[],
): Promise<Dispatch[]> {
  if (dispatchIds.length === 0) return []
  const ids = [...new Set(dispatchIds)]
  const rows = await db
    .selectFrom('dispatch')
    .innerJoin('team', 'team.team_id', 'dispatch.team_id')
    .selectAll('dispatch')
    .select('team.name as team_name')
    .where('dispatch.dispatch_id', 'in', ids)
    .execute()
  const [steps, missed, photos, incidentViews] = await Promise.all([
    stepsBy(db, ids),
    missedOf(db, ids),
    evidence.ofDispatches(db, ids),
    incidents.views(
      db,
      rows.map((row) => row.incident_id),
    ),
  ])
  const views = new Map<string, Dispatch>()
  for (const row of rows) {
    const incident = incidentViews.get(row.incident_id)
    if (!incident) continue
    views.set(row.dispatch_id, {
      dispatchId: row.dispatch_id,
      incident,
      teamId: row.team_id,
      teamName: row.team_name,
      state: row.state as DispatchState,
      instruction: row.instruction,
      createdAtMs: row.created_at_ms,
      acknowledgeByMs: row.acknowledge_by_ms,
      arriveByMs: row.arrive_by_ms,
      missed: missed.get(row.dispatch_id) ?? [],
      steps: steps.get(row.dispatch_id) ?? [],
      photos: photos.get(row.dispatch_id) ?? [],
    })
  }
  return ids.flatMap((id) => views.get(id) ?? [])
}

async function stepsBy(db: DbOrTransaction, ids: readonly string[]): Promise<Map<string, DispatchStep[]>> {
  const rows = await db
    .selectFrom('dispatch_step')
    .selectAll()
    .where('dispatch_id', 'in', [...ids])
    .orderBy('id')
    .execute()
  const groups = Map.groupBy(rows, (row) => row.dispatch_id)
  return new Map(
    [...groups].map(([id, group]) => [
      id,
      group.map((row) => ({
        atMs: row.at_ms,
        state: row.state as DispatchState,
        actorName: row.actor_name,
        note: row.note,
      })),
    ]),
  )
}

/** Dispatches of these incidents that a team is still on. */
export async function openDispatchesOf(
  db: DbOrTransaction,
  incidentIds: readonly string[],
): Promise<string[]> {
  if (incidentIds.length === 0) return []
  const rows = await db
    .selectFrom('dispatch')
    .select('dispatch_id')
    .where('incident_id', 'in', [...incidentIds])
    .where('state', '<>', 'closed')
    .execute()
  return rows.map((row) => row.dispatch_id)
}
