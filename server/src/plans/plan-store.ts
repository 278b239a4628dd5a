/** Plans in the tables, and as screens show them. */
import type { Plan } from '@patrolhub/protocol'
import { covers } from '@patrolhub/protocol'
import type { Selectable } from 'kysely'
import { POLICY_COLUMNS, policyIn, policyKey } from '../access/camera-policy.ts'
import { may } from '../access/decide.ts'
import type { Permission } from '../access/permissions.ts'
import type { Principal } from '../access/principal.ts'
import { inScope, type Scoped } from '../access/scope.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { PlanTable } from '../ports/tables.ts'

export type PlanRow = Selectable<PlanTable>

/** Activations that a screen is shown of one plan. */
const SHOWN_ACTIVATIONS = 10

/** Throws HUB_NOT_FOUND for a plan that does not exist or where the actor may not do this. */
export async function requirePlan(
  db: DbOrTransaction,
  actor: Principal,
  permission: Permission,
  planId: string,
): Promise<PlanRow> {
  const plan = await db.selectFrom('plan').selectAll().where('plan_id', '=', planId).executeTakeFirst()
  if (!plan || !may(actor, permission, { region: plan.region })) {
    throw new HubError('HUB_NOT_FOUND', `no plan ${planId}`)
  }
  return plan
}

/** Of those inside the scope, by name. */
export async function planIdsInScope(db: DbOrTransaction, who: Scoped): Promise<string[]> {
  const rows = await db
    .selectFrom('plan')
    .select('plan_id')
    .where((eb) => inScope(who, eb.ref('region')))
    .orderBy('name')
    .orderBy('plan_id')
    .execute()
  return rows.map((row) => row.plan_id)
}

/** The activation that is not over. */
export async function activeActivation(db: DbOrTransaction, planId: string) {
  return db
    .selectFrom('plan_activation')
    .selectAll()
    .where('plan_id', '=', planId)
    .where('ended_at_ms', 'is', null)
    .executeTakeFirst()
}

/** The cameras of a plan's groups, whether an edge has them now or not. */
export async function membersOf(db: DbOrTransaction, planId: string): Promise<Record<string, string[]>> {
  const rows = await db
    .selectFrom('plan_group')
    .innerJoin('camera_group_member as member', 'member.group_id', 'plan_group.group_id')
    .select(['member.group_id', 'member.camera_id'])
    .where('plan_group.plan_id', '=', planId)
    .orderBy('member.camera_id')
    .execute()
  const byGroup = Map.groupBy(rows, (row) => row.group_id)
  return Object.fromEntries([...byGroup].map(([groupId, of]) => [groupId, of.map((row) => row.camera_id)]))
}

/** By group, the cameras that a second person agreed to with the plan as it stands. */
export function approvedCameras(plan: Pick<PlanRow, 'approved_cameras'>): Record<string, string[]> {
  return JSON.parse(plan.approved_cameras ?? '{}') as Record<string, string[]>
}

/** In the order of the ids; those that there are. */
export async function planViews(db: DbOrTransaction, planIds: readonly string[]): Promise<Plan[]> {
  if (planIds.length === 0) return []
  const [plans, groups, command, activations] = await Promise.all([
    db
      .selectFrom('plan')
      .innerJoin('user_account as writer', 'writer.user_id', 'plan.written_by')
      .leftJoin('user_account as approver', 'approver.user_id', 'plan.approved_by')
      .selectAll('plan')
      .select(['writer.display_name as writer_name', 'approver.display_name as approver_name'])
      .where('plan_id', 'in', planIds)
      .execute(),
    groupsOf(db, planIds),
    commandOf(db, planIds),
    db
      .selectFrom('plan_activation')
      .innerJoin('user_account', 'user_account.user_id', 'plan_activation.begun_by')
      .selectAll('plan_activation')
      .select('user_account.display_name')
      .where('plan_id', 'in', planIds)
      .orderBy('begin_at_ms', 'desc')
      .execute(),
  ])
  return planIds.flatMap((planId) => {
    const plan = plans.find((row) => row.plan_id === planId)
    if (!plan) return []
    const own = groups.filter((group) => group.planId === planId)
    const approved = approvedCameras(plan)
    return [
      {
        planId,
        name: plan.name,
        region: plan.region,
        groups: own.map(({ groupId, name, cameraCount }) => ({ groupId, name, cameraCount })),
        command: command
          .filter((row) => row.planId === planId)
          .map(({ kind, id, name }) => ({ kind, id, name })),
        writtenById: plan.written_by,
        writtenByName: plan.writer_name,
        writtenAtMs: plan.written_at_ms,
        ...(plan.approver_name === null ? {} : { approvedByName: plan.approver_name }),
        needsApproval: own.some(({ groupId, needSecond }) =>
          needSecond.some((cameraId) => !approved[groupId]?.includes(cameraId)),
        ),
        activations: activations
          .filter((row) => row.plan_id === planId)
          .slice(0, SHOWN_ACTIVATIONS)
          .map((row) => ({
            activationId: row.activation_id,
            isDrill: row.is_drill === 1,
            reason: row.reason,
            begunByName: row.display_name,
            beginAtMs: row.begin_at_ms,
            endAtMs: row.end_at_ms,
            ...(row.ended_at_ms === null ? {} : { endedAtMs: row.ended_at_ms }),
          })),
      },
    ]
  })
}

async function groupsOf(db: DbOrTransaction, planIds: readonly string[]) {
  const rows = await db
    .selectFrom('plan_group')
    .innerJoin('camera_group', 'camera_group.group_id', 'plan_group.group_id')
    .leftJoin('camera_group_member as member', 'member.group_id', 'camera_group.group_id')
    .leftJoin('device', (join) =>
      join.onRef('device.device_id', '=', 'member.camera_id').on('device.kind', '=', 'camera'),
    )
    .leftJoin('grant_policy', (join) =>
      join.on((eb) => eb('grant_policy.sensitivity', '=', policyKey(eb.ref('device.sensitivity')))),
    )
    .select(['plan_group.plan_id', 'camera_group.group_id', 'camera_group.name', 'camera_group.region'])
    .select(['device.device_id', 'device.region as camera_region', ...POLICY_COLUMNS])
    .where('plan_group.plan_id', 'in', planIds)
    .orderBy('camera_group.name')
    .execute()
  const byGroup = Map.groupBy(rows, (row) => `${row.plan_id} ${row.group_id}`)
  return [...byGroup.values()].map((of) => {
    const { plan_id: planId, group_id: groupId, name, region } = of[0]!
    const cameras = of.filter((row) => row.camera_region !== null && covers(region, row.camera_region))
    const needSecond = cameras.filter((row) => policyIn(row).needsSecondPerson).map((row) => row.device_id!)
    return { planId, groupId, name, cameraCount: cameras.length, needSecond }
  })
}

/** A user by user name; what is named is shown by its id when it is not there any more. */
async function commandOf(db: DbOrTransaction, planIds: readonly string[]) {
  const rows = await db
    .selectFrom('plan_command as command')
    .leftJoin('user_account', (join) =>
      join.onRef('user_account.user_id', '=', 'command.subject_id').on('command.kind', '=', 'user'),
    )
    .leftJoin('role', (join) =>
      join.onRef('role.role_id', '=', 'command.subject_id').on('command.kind', '=', 'role'),
    )
    .leftJoin('team', (join) =>
      join.onRef('team.team_id', '=', 'command.subject_id').on('command.kind', '=', 'team'),
    )
    .selectAll('command')
    .select(['user_account.username', 'user_account.display_name'])
    .select(['role.name as role_name', 'team.name as team_name'])
    .where('command.plan_id', 'in', planIds)
    .orderBy('command.kind')
    .orderBy('command.subject_id')
    .execute()
  return rows.map((row) => ({
    planId: row.plan_id,
    kind: row.kind,
    id: row.username ?? row.subject_id,
    name: row.display_name ?? row.role_name ?? row.team_name ?? row.subject_id,
  }))
}
