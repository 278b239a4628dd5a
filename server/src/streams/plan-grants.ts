/**
 * Grants that an activated plan gives: one for each of its people and groups of cameras, active at once. The plans
 * feature calls this inside the transactions in which it activates and ends.
 */
import { randomUUID } from 'node:crypto'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

export interface PlanGrantsDeps {
  audit: AuditTrail
  changes: ChangeLog
}

/** The activation that gives them. */
export interface PlanGround {
  planId: string
  activationId: string
  isDrill: boolean
  reason: string
  endAtMs: number
}

export interface PlanGift {
  userId: string
  groupId: string
  region: string
  /** The second person behind the plan, who is not its user; `null`: nobody has agreed to the plan as it stands. */
  approverId: string | null
  /** The cameras of the group that the second person agreed to. */
  askedCameras: readonly string[]
}

/** `actor` undefined: the plan gives them while it is active, to whoever came into its command. */
export async function giveUnderPlan(
  trx: DbOrTransaction,
  { audit, changes }: PlanGrantsDeps,
  order: { actor: Principal | undefined; ground: PlanGround; gifts: readonly PlanGift[]; nowMs: number },
): Promise<void> {
  const { actor, ground, gifts, nowMs } = order
  const grantIds: string[] = []
  for (const { userId, groupId, region, approverId, askedCameras } of gifts) {
    const grantId = randomUUID()
    await trx
      .insertInto('viewing_grant')
      .values({
        grant_id: grantId,
        user_id: userId,
        target_kind: 'group',
        target_id: groupId,
        asked_cameras: JSON.stringify(askedCameras),
        region,
        purpose: 'emergency',
        note: ground.reason,
        incident_id: null,
        state: 'active',
        begin_at_ms: nowMs,
        end_at_ms: ground.endAtMs,
        approver_id: approverId,
        created_at_ms: nowMs,
        activation_id: ground.activationId,
      })
      .execute()
    const { planId, activationId, isDrill } = ground
    await audit.append(trx, {
      actor,
      action: 'grant.given',
      subject: `group:${groupId}`,
      detail: { grantId, of: userId, purpose: 'emergency', planId, activationId, isDrill, approverId },
    })
    grantIds.push(grantId)
  }
  await changes.note(trx, 'grant', grantIds)
}

/** Somebody has agreed to the plan and these cameras: its open grants have that second person from now on. */
export async function agreeUnderPlan(
  trx: DbOrTransaction,
  { audit, changes }: PlanGrantsDeps,
  order: {
    actor: Principal
    activationId: string
    secondFor(userId: string): string
    askedCameras(groupId: string): readonly string[]
  },
): Promise<void> {
  const { actor, activationId } = order
  const rows = await trx
    .selectFrom('viewing_grant')
    .select(['grant_id', 'user_id', 'target_id'])
    .where('activation_id', '=', activationId)
    .where('state', '=', 'active')
    .execute()
  for (const { grant_id: grantId, user_id: userId, target_id: groupId } of rows) {
    const approverId = order.secondFor(userId)
    await trx
      .updateTable('viewing_grant')
      .set({ approver_id: approverId, asked_cameras: JSON.stringify(order.askedCameras(groupId)) })
      .where('grant_id', '=', grantId)
      .execute()
    await audit.append(trx, {
      actor,
      action: 'grant.approved',
      subject: `group:${groupId}`,
      detail: { grantId, of: userId, activationId, approverId },
    })
  }
  await changes.note(
    trx,
    'grant',
    rows.map((row) => row.grant_id),
  )
}

/** Ends every open grant of the activation and answers their ids: whoever watches is cut once that is committed. */
export async function endUnderPlan(
  trx: DbOrTransaction,
  { audit, changes }: PlanGrantsDeps,
  order: { actor: Principal | undefined; ground: PlanGround; nowMs: number },
): Promise<string[]> {
  const { actor, ground, nowMs } = order
  const rows = await trx
    .selectFrom('viewing_grant')
    .select(['grant_id', 'user_id', 'target_id'])
    .where('activation_id', '=', ground.activationId)
    .where('state', '=', 'active')
    .execute()
  const grantIds = rows.map((row) => row.grant_id)
  if (grantIds.length === 0) return []
  const isTime = nowMs >= ground.endAtMs
  await trx
    .updateTable('viewing_grant')
    .set({ state: isTime ? 'expired' : 'revoked', end_at_ms: Math.min(nowMs, ground.endAtMs) })
    .where('activation_id', '=', ground.activationId)
    .where('state', '=', 'active')
    .execute()
  for (const { grant_id: grantId, user_id: userId, target_id: groupId } of rows) {
    await audit.append(trx, {
      actor,
      action: isTime ? 'grant.expired' : 'grant.revoked',
      subject: `group:${groupId}`,
      detail: { grantId, of: userId, why: isTime ? 'time' : 'plan over', isDrill: ground.isDrill },
    })
  }
  await changes.note(trx, 'grant', grantIds)
  return grantIds
}
