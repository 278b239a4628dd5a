/** Writing, approving and removing plans, on the record. What is changed has to be approved again. */
import { randomUUID } from 'node:crypto'
import { covers, type NewPlan, type PlanChange } from '@patrolhub/protocol'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { PlanCommandTable } from '../ports/tables.ts'
import { followChange } from './activations.ts'
import { activeActivation, membersOf, requirePlan } from './plan-store.ts'
import type { PlansDeps } from './plans.ts'
import { secondOf } from './tend.ts'

type WritingDeps = Pick<PlansDeps, 'relational' | 'audit' | 'changes' | 'streams'> & { now: () => number }

/** Answers its id. Throws HUB_OUT_OF_SCOPE, HUB_BAD_REQUEST for what it names and is not there. */
export async function createPlan(deps: WritingDeps, actor: Principal, plan: NewPlan): Promise<string> {
  const { region } = plan
  if (!may(actor, 'plan.write', { region })) {
    throw new HubError('HUB_OUT_OF_SCOPE', `region ${region} lies outside your scope (${actor.scope})`)
  }
  const planId = randomUUID()
  await deps.relational.write.transaction().execute(async (trx) => {
    const written = { written_by: actor.userId, written_at_ms: deps.now() }
    const approval = { approved_by: null, approved_at_ms: null, approved_cameras: null }
    await trx
      .insertInto('plan')
      .values({ plan_id: planId, name: plan.name.trim(), region, ...written, ...approval })
      .execute()
    await setContents(trx, actor, { planId, region }, plan)
    const { name, groupIds, command } = plan
    const detail = { name, region, groupIds, command }
    await deps.audit.append(trx, { actor, action: 'plan.created', subject: `plan:${planId}`, detail })
    await deps.changes.note(trx, 'plan', planId)
  })
  return planId
}

/**
 * While it is active its command and cameras follow at once. Throws HUB_NOT_FOUND outside the scope, HUB_BAD_REQUEST for
 * what it names and is not there.
 */
export async function changePlan(
  deps: WritingDeps,
  actor: Principal,
  planId: string,
  change: PlanChange,
): Promise<void> {
  const { audit, changes, now } = deps
  await deps.relational.write.transaction().execute(async (trx) => {
    const plan = await requirePlan(trx, actor, 'plan.write', planId)
    const before = await contentsOf(trx, planId)
    const written = { written_by: actor.userId, written_at_ms: Math.max(now(), plan.written_at_ms + 1) }
    const approval = { approved_by: null, approved_at_ms: null, approved_cameras: null }
    await trx
      .updateTable('plan')
      .set({ name: change.name.trim(), ...written, ...approval })
      .where('plan_id', '=', planId)
      .execute()
    await setContents(trx, actor, { planId, region: plan.region }, change)
    const { name, groupIds, command } = change
    await audit.append(trx, {
      actor,
      action: 'plan.changed',
      subject: `plan:${planId}`,
      detail: { before: { name: plan.name, ...before }, after: { name, groupIds, command } },
    })
    await changes.note(trx, 'plan', planId)
    await noteGrants(trx, deps, planId)
    await followChange(trx, deps, actor, planId)
  })
}

/**
 * A second person agrees to the plan as it stands (`writtenAtMs`), and with that to the cameras that are in its groups
 * now; again for cameras that have come since. Throws HUB_NOT_FOUND, HUB_FORBIDDEN for who wrote it, HUB_CONFLICT when it has been changed meanwhile.
 */
export async function approvePlan(
  deps: WritingDeps,
  actor: Principal,
  planId: string,
  writtenAtMs: number,
): Promise<void> {
  const { audit, changes, streams } = deps
  await deps.relational.write.transaction().execute(async (trx) => {
    const plan = await requirePlan(trx, actor, 'grant.approve', planId)
    if (plan.written_by === actor.userId)
      throw new HubError('HUB_FORBIDDEN', 'nobody approves their own plan')
    if (plan.written_at_ms !== writtenAtMs) {
      throw new HubError('HUB_CONFLICT', 'the plan has been changed meanwhile: read it again')
    }
    const cameras = await membersOf(trx, planId)
    const approval = { approved_by: actor.userId, approved_at_ms: deps.now() }
    await trx
      .updateTable('plan')
      .set({ ...approval, approved_cameras: JSON.stringify(cameras) })
      .where('plan_id', '=', planId)
      .execute()
    const detail = { writtenAtMs, cameras }
    await audit.append(trx, { actor, action: 'plan.approved', subject: `plan:${planId}`, detail })
    await changes.note(trx, 'plan', planId)
    const active = await activeActivation(trx, planId)
    if (!active) return
    await streams.underPlan.agree(trx, {
      actor,
      activationId: active.activation_id,
      secondFor: (userId) => secondOf({ ...plan, ...approval }, userId)!,
      askedCameras: (groupId) => cameras[groupId] ?? [],
    })
  })
}

/** Throws HUB_NOT_FOUND, HUB_CONFLICT for one that was ever activated: the record points to it. */
export async function removePlan(deps: WritingDeps, actor: Principal, planId: string): Promise<void> {
  await deps.relational.write.transaction().execute(async (trx) => {
    const plan = await requirePlan(trx, actor, 'plan.write', planId)
    const activation = await trx
      .selectFrom('plan_activation')
      .select('activation_id')
      .where('plan_id', '=', planId)
      .executeTakeFirst()
    if (activation) throw new HubError('HUB_CONFLICT', 'a plan that was activated stays, for the record')
    for (const table of ['plan_group', 'plan_command', 'plan'] as const) {
      await trx.deleteFrom(table).where('plan_id', '=', planId).execute()
    }
    const detail = { name: plan.name, region: plan.region }
    await deps.audit.append(trx, { actor, action: 'plan.removed', subject: `plan:${planId}`, detail })
  })
}

async function setContents(
  trx: DbOrTransaction,
  actor: Principal,
  { planId, region }: { planId: string; region: string },
  { groupIds, command }: PlanChange,
): Promise<void> {
  const problems: string[] = []
  const groups = await trx
    .selectFrom('camera_group')
    .select(['group_id', 'region'])
    .where('group_id', 'in', groupIds)
    .execute()
  for (const [index, groupId] of groupIds.entries()) {
    const group = groups.find((row) => row.group_id === groupId)
    if (!group || !covers(region, group.region)) {
      problems.push(`/groupIds/${index}: no group ${groupId} in the region ${region}`)
    }
  }
  const rows: PlanCommandTable[] = []
  for (const [index, { kind, id }] of command.entries()) {
    const subjectId = await findSubject(trx, actor, kind, id)
    if (subjectId === undefined) problems.push(`/command/${index}: no ${kind} ${id} in your scope`)
    else rows.push({ plan_id: planId, kind, subject_id: subjectId })
  }
  if (problems.length > 0) {
    throw new HubError('HUB_BAD_REQUEST', 'the plan names what is not there', { details: problems })
  }
  await trx.deleteFrom('plan_group').where('plan_id', '=', planId).execute()
  await trx.deleteFrom('plan_command').where('plan_id', '=', planId).execute()
  await trx
    .insertInto('plan_group')
    .values(groupIds.map((groupId) => ({ plan_id: planId, group_id: groupId })))
    .execute()
  await trx.insertInto('plan_command').values(rows).execute()
}

/** What a plan keeps of somebody in its command: the id. Roles hold for the whole hub, the others lie in a scope. */
async function findSubject(
  trx: DbOrTransaction,
  actor: Principal,
  kind: PlanCommandTable['kind'],
  id: string,
): Promise<string | undefined> {
  switch (kind) {
    case 'user': {
      const user = await trx
        .selectFrom('user_account')
        .select('user_id')
        .where('username', '=', id)
        .where((eb) => inScope(actor, eb.ref('scope')))
        .executeTakeFirst()
      return user?.user_id
    }
    case 'role': {
      const role = await trx.selectFrom('role').select('role_id').where('role_id', '=', id).executeTakeFirst()
      return role?.role_id
    }
    case 'team': {
      const team = await trx
        .selectFrom('team')
        .select('team_id')
        .where('team_id', '=', id)
        .where((eb) => inScope(actor, eb.ref('region')))
        .executeTakeFirst()
      return team?.team_id
    }
  }
}

async function contentsOf(trx: DbOrTransaction, planId: string) {
  const [groups, command] = await Promise.all([
    trx.selectFrom('plan_group').select('group_id').where('plan_id', '=', planId).execute(),
    trx.selectFrom('plan_command').select(['kind', 'subject_id']).where('plan_id', '=', planId).execute(),
  ])
  return {
    groupIds: groups.map((row) => row.group_id),
    command: command.map((row) => ({ kind: row.kind, id: row.subject_id })),
  }
}

/** What the plan does not open any more is cut, at every hub. */
async function noteGrants(trx: DbOrTransaction, { changes }: WritingDeps, planId: string): Promise<void> {
  const rows = await trx
    .selectFrom('viewing_grant')
    .innerJoin('plan_activation', 'plan_activation.activation_id', 'viewing_grant.activation_id')
    .select('grant_id')
    .where('plan_activation.plan_id', '=', planId)
    .where('plan_activation.ended_at_ms', 'is', null)
    .where('viewing_grant.state', '=', 'active')
    .execute()
  await changes.note(
    trx,
    'grant',
    rows.map((row) => row.grant_id),
  )
}
