/**
 * What an active plan gives and to whom: a grant for each of its groups to each user in its command who has none under
 * this activation yet. One that was revoked by hand is not given again; one whose user has left the command stays, and opens
 * nothing until they are back.
 */
import type { Selectable } from 'kysely'
import { isCommanding } from '../access/commanding.ts'
import type { Principal } from '../access/principal.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { PlanActivationTable } from '../ports/tables.ts'
import type { PlanGift, PlanGround } from './needs.ts'
import { approvedCameras, type PlanRow } from './plan-store.ts'
import type { PlansDeps } from './plans.ts'

export type ActivationRow = Selectable<PlanActivationTable>

export function groundOf(activation: ActivationRow): PlanGround {
  return {
    planId: activation.plan_id,
    activationId: activation.activation_id,
    isDrill: activation.is_drill === 1,
    reason: activation.reason,
    endAtMs: activation.end_at_ms,
  }
}

/** The second person behind an approved plan for this user: two agreed to it, and one of them is not the user. */
export function secondOf(plan: Pick<PlanRow, 'approved_by' | 'written_by'>, userId: string): string | null {
  if (plan.approved_by === null) return null
  return plan.approved_by === userId ? plan.written_by : plan.approved_by
}

/** Gives what is missing, inside the transaction; answers how many. */
export async function giveMissing(
  trx: DbOrTransaction,
  { streams }: Pick<PlansDeps, 'streams'>,
  order: { actor: Principal | undefined; plan: PlanRow; activation: ActivationRow; nowMs: number },
): Promise<number> {
  const { actor, plan, activation, nowMs } = order
  const gifts = await missingOf(trx, plan, activation)
  if (gifts.length > 0) {
    await streams.underPlan.give(trx, { actor, ground: groundOf(activation), gifts, nowMs })
  }
  return gifts.length
}

/** Grants that the plan should have given and has not. */
export async function missingOf(
  db: DbOrTransaction,
  plan: PlanRow,
  activation: ActivationRow,
): Promise<PlanGift[]> {
  const rows = await db
    .selectFrom('plan_group')
    .innerJoin('camera_group', 'camera_group.group_id', 'plan_group.group_id')
    .innerJoin('user_account', (join) => join.on('user_account.is_disabled', '=', 0))
    .select(['user_account.user_id', 'camera_group.group_id', 'camera_group.region'])
    .where('plan_group.plan_id', '=', plan.plan_id)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('plan_command')
          .select('plan_command.kind')
          .where('plan_command.plan_id', '=', plan.plan_id)
          .where(isCommanding(eb.ref('user_account.user_id'), eb.ref('user_account.role'))),
      ),
    )
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('viewing_grant')
            .select('viewing_grant.grant_id')
            .where('viewing_grant.activation_id', '=', activation.activation_id)
            .whereRef('viewing_grant.user_id', '=', 'user_account.user_id')
            .whereRef('viewing_grant.target_id', '=', 'camera_group.group_id'),
        ),
      ),
    )
    .orderBy('user_account.user_id')
    .execute()
  const approved = approvedCameras(plan)
  return rows.map(({ user_id: userId, group_id: groupId, region }) => ({
    userId,
    groupId,
    region,
    approverId: secondOf(plan, userId),
    askedCameras: approved[groupId] ?? [],
  }))
}
