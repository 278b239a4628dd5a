/** Grants in the tables, each read together with what decides whether it holds. */
import type { AllowedHours, Grant } from '@patrolhub/protocol'
import type { Insertable } from 'kysely'
import { POLICY_COLUMNS, policyIn, policyKey } from '../access/camera-policy.ts'
import { isCommanding } from '../access/commanding.ts'
import type { Permission } from '../access/permissions.ts'
import { inScope, type Scoped } from '../access/scope.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { GrantTable } from '../ports/tables.ts'
import { camerasOfGroups, strictestOf, type TargetCamera } from './grant-cameras.ts'
import { openCameras, type Standing, stateAt } from './grant-policy.ts'

export interface GrantRecord extends Standing {
  grantId: string
  userId: string
  userName: string
  target: Standing['target'] & { id: string; name: string }
  /** Where the target was when the grant was asked for. */
  region: string
  purpose: string
  incidentId: string | null
  approverName: string | null
  plan: Grant['plan'] | undefined
}

function select(db: DbOrTransaction, nowMs: number) {
  return db
    .selectFrom('viewing_grant')
    .innerJoin('user_account', 'user_account.user_id', 'viewing_grant.user_id')
    .leftJoin('user_account as approver', 'approver.user_id', 'viewing_grant.approver_id')
    .leftJoin('device', (join) =>
      join
        .onRef('device.device_id', '=', 'viewing_grant.target_id')
        .on('device.kind', '=', 'camera')
        .on('viewing_grant.target_kind', '=', 'camera'),
    )
    .leftJoin('camera_group', (join) =>
      join
        .onRef('camera_group.group_id', '=', 'viewing_grant.target_id')
        .on('viewing_grant.target_kind', '=', 'group'),
    )
    .leftJoin('plan_activation', 'plan_activation.activation_id', 'viewing_grant.activation_id')
    .leftJoin('plan', 'plan.plan_id', 'plan_activation.plan_id')
    .leftJoin('grant_policy', (join) =>
      join.on((eb) => eb('grant_policy.sensitivity', '=', policyKey(eb.ref('device.sensitivity')))),
    )
    .leftJoin('incident', 'incident.incident_id', 'viewing_grant.incident_id')
    .selectAll('viewing_grant')
    .select(POLICY_COLUMNS)
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
      'camera_group.name as group_name',
      'camera_group.region as group_region',
      'plan.plan_id',
      'plan.name as plan_name',
      'plan_activation.is_drill',
      'plan_activation.ended_at_ms as plan_ended_at_ms',
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
    .select((eb) => [
      eb
        .selectFrom('plan_group')
        .select('plan_group.group_id')
        .whereRef('plan_group.plan_id', '=', 'plan.plan_id')
        .whereRef('plan_group.group_id', '=', 'viewing_grant.target_id')
        .as('meant_group'),
      eb
        .selectFrom('plan_command')
        .select((command) => command.fn.min('plan_command.kind').as('kind'))
        .whereRef('plan_command.plan_id', '=', 'plan.plan_id')
        .where((command) =>
          isCommanding(command.ref('user_account.user_id'), command.ref('user_account.role')),
        )
        .as('command_kind'),
    ])
}

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

/** The rows with their cameras, which those of groups are read for. */
async function toRecords(db: DbOrTransaction, rows: readonly Row[]): Promise<GrantRecord[]> {
  const groupIds = rows.filter((row) => row.group_region !== null).map((row) => row.target_id)
  const members = await camerasOfGroups(db, [...new Set(groupIds)])
  return rows.map((row) => toRecord(row, members))
}

function toRecord(row: Row, members: ReadonlyMap<string, readonly TargetCamera[]>): GrantRecord {
  const isGroup = row.target_kind === 'group'
  const region = (isGroup ? row.group_region : row.camera_region) ?? undefined
  return {
    grantId: row.grant_id,
    userId: row.user_id,
    userName: row.user_name,
    target: {
      kind: row.target_kind,
      id: row.target_id,
      name: (isGroup ? row.group_name : row.camera_name) ?? row.target_id,
      region,
    },
    cameras: isGroup ? (members.get(row.target_id) ?? []) : cameraIn(row),
    askedCameras: new Set(row.asked_cameras === null ? [] : (JSON.parse(row.asked_cameras) as string[])),
    askedFrom: row.asked_from,
    incidentState: row.incident_state,
    activation:
      row.activation_id === null
        ? null
        : {
            isOver: row.plan_ended_at_ms !== null,
            isMeant: row.meant_group !== null && row.command_kind !== null,
          },
    plan:
      row.activation_id === null || row.plan_id === null
        ? undefined
        : {
            planId: row.plan_id,
            activationId: row.activation_id,
            name: row.plan_name!,
            isDrill: row.is_drill === 1,
          },
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
  }
}

/** The camera of a grant for one, if an edge has it. */
function cameraIn(row: Row): TargetCamera[] {
  if (row.camera_region === null) return []
  const camera = {
    cameraId: row.target_id,
    name: row.camera_name!,
    edgeId: row.edge_id!,
    region: row.camera_region,
    sensitivity: row.sensitivity!,
    policy: policyIn(row),
  }
  return [camera]
}

/** As its user and those who approve see it: of a camera that was asked for from outside no more than its policy says. */
export function viewOf(record: GrantRecord, nowMs: number): Grant {
  const { grantId, target } = record
  const showsNames = record.askedFrom === null || record.cameras[0]?.policy.outside === 'name'
  const kind = record.history === undefined ? 'live' : 'history'
  const open = new Set(openCameras(record, nowMs).map(({ cameraId }) => cameraId))
  return {
    grantId,
    userId: record.userId,
    userName: record.userName,
    target: { kind: target.kind, id: target.id, name: showsNames ? target.name : target.id },
    cameras: record.cameras.map(({ cameraId, name }) => ({
      cameraId,
      name: showsNames ? name : cameraId,
      // The camera for the gate, and for a proxy before several hubs: who watches it and its publisher have to meet.
      ...(open.has(cameraId)
        ? { playPath: `/media/${kind}/${grantId}.flv?camera=${encodeURIComponent(cameraId)}` }
        : {}),
    })),
    purpose: record.purpose as Grant['purpose'],
    note: record.note,
    ...(record.incidentId === null ? {} : { incidentId: record.incidentId }),
    ...(record.plan ? { plan: record.plan } : {}),
    ...(target.kind === 'group' ? { policy: strictestOf(record.cameras) } : {}),
    state: stateAt(record, nowMs),
    beginAtMs: record.beginAtMs,
    endAtMs: record.endAtMs,
    ...(record.history === undefined ? {} : { history: record.history }),
    ...(record.approverName === null ? {} : { approverName: record.approverName }),
  }
}

export async function findGrant(
  db: DbOrTransaction,
  grantId: string,
  nowMs: number,
): Promise<GrantRecord | undefined> {
  return (await findGrants(db, [grantId], nowMs))[0]
}

/** In no order; those that there are. */
export async function findGrants(
  db: DbOrTransaction,
  grantIds: readonly string[],
  nowMs: number,
): Promise<GrantRecord[]> {
  if (grantIds.length === 0) return []
  return toRecords(db, await select(db, nowMs).where('viewing_grant.grant_id', 'in', grantIds).execute())
}

/** Ids of the open ones for a group. */
export async function openGrantIdsForGroup(db: DbOrTransaction, groupId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('viewing_grant')
    .select('grant_id')
    .where('target_kind', '=', 'group')
    .where('target_id', '=', groupId)
    .where('state', 'in', ['pending', 'active'])
    .execute()
  return rows.map((row) => row.grant_id)
}

/** Pending and active ones, of everybody. */
export async function openGrants(db: DbOrTransaction, nowMs: number): Promise<GrantRecord[]> {
  const rows = await select(db, nowMs).where('viewing_grant.state', 'in', ['pending', 'active']).execute()
  return toRecords(db, rows)
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
  return toRecords(db, rows)
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
  return toRecords(db, rows)
}

/**
 * Others' grants for cameras inside the scope that ended after `sinceMs` or are open; those that a plan gave, which may be
 * hundreds, are shown with the plan.
 */
export async function grantsInScope(
  db: DbOrTransaction,
  who: Scoped & { userId: string },
  times: { nowMs: number; sinceMs: number },
  limit: number,
): Promise<GrantRecord[]> {
  const rows = await select(db, times.nowMs)
    .where('viewing_grant.user_id', '!=', who.userId)
    .where('viewing_grant.activation_id', 'is', null)
    .where((eb) => inScope(who, eb.ref('viewing_grant.region')))
    .where('viewing_grant.end_at_ms', '>', times.sinceMs)
    .orderBy('viewing_grant.created_at_ms', 'desc')
    .limit(limit)
    .execute()
  return toRecords(db, rows)
}

/** Those that the user asked for. */
export async function countOpenGrants(db: DbOrTransaction, userId: string): Promise<number> {
  const row = await db
    .selectFrom('viewing_grant')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('user_id', '=', userId)
    .where('state', 'in', ['pending', 'active'])
    .where('activation_id', 'is', null)
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
  values: {
    state: string
    begin_at_ms?: number
    end_at_ms?: number
    approver_id?: string
    asked_cameras?: string
  },
): Promise<boolean> {
  const result = await db
    .updateTable('viewing_grant')
    .set(values)
    .where('grant_id', '=', grant.grantId)
    .where('state', '=', grant.state)
    .executeTakeFirst()
  return Number(result.numUpdatedRows) === 1
}
