/** Activating a plan and ending it: the activation, its grants and their entries in the record are one transaction. */
import { randomUUID } from 'node:crypto'
import type { NewActivation, PlanWatching } from '@patrolhub/protocol'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { activeActivation, requirePlan } from './plan-store.ts'
import type { PlansDeps } from './plans.ts'
import { type ActivationRow, giveMissing, groundOf, missingOf } from './tend.ts'

/** No activation lasts longer: whoever still needs it activates the plan again. */
export const MAX_ACTIVATION_MS = 7 * 24 * 3_600_000

type Deps = Pick<PlansDeps, 'relational' | 'audit' | 'changes' | 'streams'> & { now: () => number }

/** Throws HUB_NOT_FOUND, HUB_CONFLICT while it is active, HUB_BAD_REQUEST for an end that cannot be. */
export async function activate(
  deps: Deps,
  actor: Principal,
  planId: string,
  { reason, isDrill, endAtMs }: NewActivation,
): Promise<void> {
  const { relational, audit, changes } = deps
  await relational.write.transaction().execute(async (trx) => {
    const nowMs = deps.now()
    const plan = await requirePlan(trx, actor, 'plan.activate', planId)
    if (await activeActivation(trx, planId)) throw new HubError('HUB_CONFLICT', 'the plan is active already')
    const latestMs = nowMs + MAX_ACTIVATION_MS
    if (endAtMs !== undefined && (endAtMs <= nowMs || endAtMs > latestMs)) {
      const details = [`/endAtMs: has to lie between now and ${new Date(latestMs).toISOString()}`]
      throw new HubError('HUB_BAD_REQUEST', 'an activation lasts at most seven days', { details })
    }
    const activation: ActivationRow = {
      activation_id: randomUUID(),
      plan_id: planId,
      is_drill: isDrill ? 1 : 0,
      reason: reason.trim(),
      begun_by: actor.userId,
      begin_at_ms: nowMs,
      end_at_ms: endAtMs ?? latestMs,
      ended_at_ms: null,
    }
    await trx.insertInto('plan_activation').values(activation).execute()
    const { activationId } = groundOf(activation)
    await audit.append(trx, {
      actor,
      action: 'plan.activated',
      subject: `plan:${planId}`,
      detail: {
        activationId,
        isDrill,
        reason: activation.reason,
        endAtMs: activation.end_at_ms,
        approvedBy: plan.approved_by,
      },
    })
    await giveMissing(trx, deps, { actor, plan, activation, nowMs })
    await changes.note(trx, 'plan', planId)
  })
}

/** The bytes stop with the commit. Throws HUB_NOT_FOUND, HUB_CONFLICT if it is not active. */
export async function end(deps: Deps, actor: Principal, planId: string): Promise<void> {
  const ended = await deps.relational.write.transaction().execute(async (trx) => {
    await requirePlan(trx, actor, 'plan.activate', planId)
    const activation = await activeActivation(trx, planId)
    if (!activation) throw new HubError('HUB_CONFLICT', 'the plan is not active')
    return endInside(trx, deps, actor, activation)
  })
  await deps.streams.grantsChanged(new Set(ended))
}

/** See `Plans.tend`. */
export async function tendAll(deps: Deps, nowMs: number): Promise<void> {
  const { relational, streams } = deps
  const active = await relational.read
    .selectFrom('plan_activation')
    .selectAll()
    .where('ended_at_ms', 'is', null)
    .execute()
  for (const { plan_id: planId, activation_id: activationId, end_at_ms: endAtMs } of active) {
    const isDue = nowMs >= endAtMs
    if (!isDue && !(await isMissing(relational.read, planId))) continue
    const ended = await relational.write.transaction().execute(async (trx) => {
      // Meanwhile another hub may have done it.
      const activation = await activeActivation(trx, planId)
      const plan = await planOf(trx, planId)
      if (!activation || !plan || activation.activation_id !== activationId) return []
      if (isDue) return endInside(trx, deps, undefined, activation)
      await giveMissing(trx, deps, { actor: undefined, plan, activation, nowMs })
      return []
    })
    await streams.grantsChanged(new Set(ended))
  }
}

/** Gives what the plan, that has just been changed in this transaction, opens besides. */
export async function followChange(
  trx: DbOrTransaction,
  deps: Deps,
  actor: Principal,
  planId: string,
): Promise<void> {
  const activation = await activeActivation(trx, planId)
  const plan = await planOf(trx, planId)
  if (activation && plan) await giveMissing(trx, deps, { actor, plan, activation, nowMs: deps.now() })
}

/** What the active plan has opened to whom, and who watches now. Throws HUB_NOT_FOUND. */
export async function watching(deps: Deps, actor: Principal, planId: string): Promise<PlanWatching> {
  const { read } = deps.relational
  await requirePlan(read, actor, 'plan.read', planId)
  const activation = await activeActivation(read, planId)
  if (!activation) return { grants: [], viewings: [] }
  const [given, viewings] = await Promise.all([
    read
      .selectFrom('viewing_grant')
      .select('grant_id')
      .where('activation_id', '=', activation.activation_id)
      .execute(),
    read
      .selectFrom('viewing')
      .innerJoin('viewing_grant', 'viewing_grant.grant_id', 'viewing.grant_id')
      .innerJoin('user_account', 'user_account.user_id', 'viewing.user_id')
      .leftJoin('device', 'device.device_id', 'viewing.camera_id')
      .select(['viewing.viewing_id', 'viewing.camera_id', 'viewing.opened_at_ms'])
      .select(['user_account.display_name', 'device.name as camera_name'])
      .where('viewing_grant.activation_id', '=', activation.activation_id)
      .where('viewing.closed_at_ms', 'is', null)
      .orderBy('viewing.opened_at_ms')
      .execute(),
  ])
  const grants = await deps.streams.grantViews(given.map((row) => row.grant_id))
  return {
    grants: grants.map(({ grant }) => grant),
    viewings: viewings.map((row) => ({
      viewingId: row.viewing_id,
      userName: row.display_name,
      cameraId: row.camera_id,
      cameraName: row.camera_name ?? row.camera_id,
      openedAtMs: row.opened_at_ms,
    })),
  }
}

async function endInside(
  trx: DbOrTransaction,
  { audit, changes, streams, now }: Deps,
  actor: Principal | undefined,
  activation: ActivationRow,
): Promise<string[]> {
  const ground = groundOf(activation)
  const nowMs = now()
  await trx
    .updateTable('plan_activation')
    .set({ ended_at_ms: Math.min(nowMs, activation.end_at_ms) })
    .where('activation_id', '=', activation.activation_id)
    .execute()
  const grantIds = await streams.underPlan.end(trx, { actor, ground, nowMs })
  const { planId, activationId, isDrill } = ground
  const detail = { activationId, isDrill, why: actor ? 'by hand' : 'time', grants: grantIds.length }
  await audit.append(trx, { actor, action: 'plan.ended', subject: `plan:${planId}`, detail })
  await changes.note(trx, 'plan', planId)
  return grantIds
}

async function isMissing(db: DbOrTransaction, planId: string): Promise<boolean> {
  const [plan, activation] = await Promise.all([planOf(db, planId), activeActivation(db, planId)])
  return plan !== undefined && activation !== undefined && (await missingOf(db, plan, activation)).length > 0
}

function planOf(db: DbOrTransaction, planId: string) {
  return db.selectFrom('plan').selectAll().where('plan_id', '=', planId).executeTakeFirst()
}
