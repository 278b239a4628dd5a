/** Grants in the tables, each read together with what decides whether it holds. */
import type { AllowedHours, Grant, HistorySpan, Purpose } from '@patrolhub/protocol'
import type { Insertable } from 'kysely'
import { policyIn, policyKey } from '../access/camera-policy.ts'
import type { Permission } from '../access/permissions.ts'
import { inScope, type Scoped } from '../access/scope.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { GrantTable } from '../ports/tables.ts'
import { type Standing, stateAt } from './grant-policy.ts'

export interface GrantRecord extends Standing {
  grantId: string
  userId: string
  userName: string
  cameraId: string
  cameraName: string
  edgeId: string | null
  /** Where the camera was when the grant was asked for. */
  region: string
  purpose: string
  note: string
  incidentId: string | null
  beginAtMs: number
  /** The span of recorded history that it is for; `undefined`: it is for live video. */
  history: HistorySpan | undefined
  approverName: string | null
}

function select(db: DbOrTransaction, nowMs: number) {
  return db
    .selectFrom('viewing_grant')
    .innerJoin('user_account', 'user_account.user_id', 'viewing_grant.user_id')
    .leftJoin('user_account as approver', 'approver.user_id', 'viewing_grant.approver_id')
    .leftJoin('device', (join) =>
      join.onRef('device.device_id', '=', 'viewing_grant.camera_id').on('device.kind', '=', 'camera'),
    )
    .leftJoin('grant_policy', (join) =>
      join.on((eb) => eb('grant_policy.sensitivity', '=', policyKey(eb.ref('device.sensitivity')))),
    )
    .leftJoin('incident', 'incident.incident_id', 'viewing_grant.incident_id')
    .selectAll('viewing_grant')
    .select([
      'max_minutes',
      'max_history_minutes',
      'needs_note',
      'needs_incident',
      'needs_second_person',
      'outside',
    ])
    .select([
      'incident.state as incident_state',
      'user_account.display_name as user_name',
      'user_account.role',
      'user_account.scope',
      'user_account.is_disabled',
      'user_account.is_on_duty',
      'user_account.allowed_hours',
      'approver.display_name as approver_name',
      'device.name as camera_name',
      'device.region as camera_region',
      'device.sensitivity',
      'device.edge_id',
    ])
    .select((eb) =>
      eb
        .selectFrom('session')
        .select((count) => count.fn.countAll<number>().as('n'))
        .whereRef('session.user_id', '=', 'viewing_grant.user_id')
        .where('session.expires_at_ms', '>', nowMs)
        .as('sessions'),
    )
    .select((eb) =>
      eb
        .selectFrom('role_permission')
        .select('role_permission.permission')
        .whereRef('role_permission.role_id', '=', 'user_account.role')
        .where('role_permission.permission', '=', 'grant.request' satisfies Permission)
        .as('request_permission'),
    )
}

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

function toRecord(row: Row): GrantRecord {
  const hasCamera = row.camera_region !== null && row.sensitivity !== null
  return {
    grantId: row.grant_id,
    userId: row.user_id,
    userName: row.user_name,
    cameraId: row.camera_id,
    cameraName: row.camera_name ?? row.camera_id,
    askedFrom: row.asked_from,
    incidentState: row.incident_state,
    edgeId: row.edge_id,
    region: row.region,
    purpose: row.purpose,
    note: row.note,
    incidentId: row.incident_id,
    state: row.state,
    beginAtMs: row.begin_at_ms,
    endAtMs: row.end_at_ms,
    history:
      row.history_from_ms === null ? undefined : { fromMs: row.history_from_ms, toMs: row.history_to_ms! },
    createdAtMs: row.created_at_ms,
    approverId: row.approver_id,
    approverName: row.approver_name,
    user: {
      role: row.role,
      permissions: new Set<Permission>(row.request_permission === null ? [] : ['grant.request']),
      scope: row.scope,
      isOnDuty: row.is_on_duty === 1,
      hours: row.allowed_hours === null ? null : (JSON.parse(row.allowed_hours) as AllowedHours),
      isDisabled: row.is_disabled === 1,
      isSignedIn: Number(row.sessions) > 0,
    },
    camera: hasCamera
      ? { region: row.camera_region!, sensitivity: row.sensitivity!, policy: policyIn(row) }
      : undefined,
  }
}

export function viewOf(record: GrantRecord, nowMs: number): Grant {
  const state = stateAt(record, nowMs)
  const kind = record.history === undefined ? 'live' : 'history'
  const showsName = record.askedFrom === null || record.camera?.policy.outside === 'name'
  return {
    grantId: record.grantId,
    userId: record.userId,
    userName: record.userName,
    cameraId: record.cameraId,
    cameraName: showsName ? record.cameraName : record.cameraId,
    purpose: record.purpose as Purpose,
    note: record.note,
    ...(record.incidentId === null ? {} : { incidentId: record.incidentId }),
    state,
    beginAtMs: record.beginAtMs,
    endAtMs: record.endAtMs,
    ...(record.history === undefined ? {} : { history: record.history }),
    ...(record.approverName === null ? {} : { approverName: record.approverName }),
    // The camera for a proxy before several hubs: who watches it and its publisher have to meet at the same hub.
    ...(state === 'active'
      ? { playPath: `/media/${kind}/${record.grantId}.flv?camera=${encodeURIComponent(record.cameraId)}` }
      : {}),
  }
}

export async function findGrant(
  db: DbOrTransaction,
  grantId: string,
  nowMs: number,
): Promise<GrantRecord | undefined> {
  const row = await select(db, nowMs).where('viewing_grant.grant_id', '=', grantId).executeTakeFirst()
  return row && toRecord(row)
}

/** Pending and active ones, of everybody. */
export async function openGrants(db: DbOrTransaction, nowMs: number): Promise<GrantRecord[]> {
  const rows = await select(db, nowMs).where('viewing_grant.state', 'in', ['pending', 'active']).execute()
  return rows.map(toRecord)
}

/** Pending and active ones that were given for one of these incidents. */
export async function openGrantsFor(
  db: DbOrTransaction,
  incidentIds: readonly string[],
  nowMs: number,
): Promise<GrantRecord[]> {
  const rows = await select(db, nowMs)
    .where('viewing_grant.incident_id', 'in', incidentIds)
    .where('viewing_grant.state', 'in', ['pending', 'active'])
    .execute()
  return rows.map(toRecord)
}

export async function grantsOf(
  db: DbOrTransaction,
  userId: string,
  nowMs: number,
  limit: number,
): Promise<GrantRecord[]> {
  const rows = await select(db, nowMs)
    .where('viewing_grant.user_id', '=', userId)
    .orderBy('viewing_grant.created_at_ms', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toRecord)
}

/** Others' grants for cameras inside the scope that ended after `sinceMs` or are open. */
export async function grantsInScope(
  db: DbOrTransaction,
  who: Scoped & { userId: string },
  times: { nowMs: number; sinceMs: number },
  limit: number,
): Promise<GrantRecord[]> {
  const rows = await select(db, times.nowMs)
    .where('viewing_grant.user_id', '!=', who.userId)
    .where((eb) => inScope(who, eb.ref('viewing_grant.region')))
    .where('viewing_grant.end_at_ms', '>', times.sinceMs)
    .orderBy('viewing_grant.created_at_ms', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toRecord)
}

export async function countOpenGrants(db: DbOrTransaction, userId: string): Promise<number> {
  const row = await db
    .selectFrom('viewing_grant')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('user_id', '=', userId)
    .where('state', 'in', ['pending', 'active'])
    .executeTakeFirstOrThrow()
  return Number(row.n)
}

export async function insertGrant(db: DbOrTransaction, row: Insertable<GrantTable>): Promise<void> {
  await db.insertInto('viewing_grant').values(row).execute()
}

/** Changes an open grant that is still in the state it was read in; false if somebody was faster. */
export async function moveGrant(
  db: DbOrTransaction,
  grant: Pick<GrantRecord, 'grantId' | 'state'>,
  values: { state: string; begin_at_ms?: number; end_at_ms?: number; approver_id?: string },
): Promise<boolean> {
  const result = await db
    .updateTable('viewing_grant')
    .set(values)
    .where('grant_id', '=', grant.grantId)
    .where('state', '=', grant.state)
    .executeTakeFirst()
  return Number(result.numUpdatedRows) === 1
}

/** Of the incident, if it lies inside the scope. */
export async function incidentStateInScope(
  db: DbOrTransaction,
  who: Scoped,
  incidentId: string,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('incident')
    .select('state')
    .where('incident_id', '=', incidentId)
    .where((eb) => inScope(who, eb.ref('region')))
    .executeTakeFirst()
  return row?.state
}
