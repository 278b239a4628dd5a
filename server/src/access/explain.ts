/** Why somebody may or may not do something: the same decision as everywhere, in words, for a page and a command. */
import type { AllowedHours, DecisionView } from '@patrolhub/protocol'
import { HubError } from '../errors.ts'
import type { Relational } from '../ports/relational.ts'
import { cameraWithPolicy } from './camera-policy.ts'
import { decide, type Resource } from './decide.ts'
import type { Roles } from './roles.ts'
import { mayReach, type Scoped } from './scope.ts'
import type { SecondFactors } from './second-factor.ts'
import { accountKey, type SignInLimits } from './sign-in-limits.ts'

export interface Question {
  username: string
  action: string
  cameraId?: string | undefined
  region?: string | undefined
}

export interface ExplainDeps {
  relational: Relational
  roles: Roles
  secondFactors: SecondFactors
  limits: SignInLimits
  now: () => number
}

/**
 * `asker` undefined: a command line. Throws HUB_NOT_FOUND for a user or camera that does not exist or lies outside the
 * asker's scope.
 */
export async function explain(
  deps: ExplainDeps,
  asker: Scoped | undefined,
  question: Question,
): Promise<DecisionView> {
  const { read } = deps.relational
  const { username, action } = question
  const user = await read
    .selectFrom('user_account')
    .leftJoin('role', 'role.role_id', 'user_account.role')
    .selectAll('user_account')
    .select('role.is_built_in')
    .where('username', '=', username)
    .executeTakeFirst()
  if (!user || (asker && !mayReach(asker, user.scope))) {
    throw new HubError('HUB_NOT_FOUND', `no user ${username}`)
  }
  const { resource, about } = await resourceOf(deps, asker, question)
  const permissions = await deps.roles.permissionsOf(read, user.role)
  const subject = {
    role: user.role,
    permissions,
    scope: user.scope,
    isOnDuty: user.is_on_duty === 1,
    hours: user.allowed_hours === null ? null : (JSON.parse(user.allowed_hours) as AllowedHours),
  }
  const nowMs = deps.now()
  const decision = decide(subject, action, resource, { atMs: nowMs })

  const problems: string[] = []
  if (user.is_disabled === 1) problems.push('the account is disabled')
  const key = accountKey(user.user_id)
  const lockedUntilMs = (await deps.limits.lockedUntil(read, [key], nowMs)).get(key)
  if (lockedUntilMs !== undefined) {
    problems.push(`too many failed sign-ins: nobody signs in until ${new Date(lockedUntilMs).toISOString()}`)
  }
  if (user.must_change_password === 1) problems.push('the one-time password has not been replaced yet')
  const needsFactor = deps.secondFactors.isRequiredFor(user.role, user.is_built_in === 1, permissions)
  if (needsFactor && !(await deps.secondFactors.isSetUp(read, user.user_id))) {
    problems.push('the role needs a second factor, which is not set up here yet')
  }
  const account =
    problems.length > 0
      ? problems.map((says) => ({ rule: 'account', ok: false, says }))
      : [{ rule: 'account', ok: true, says: 'the account is in order' }]
  const checks = [
    ...account,
    ...decision.checks.map(({ rule, ok: isOk, says }) => ({ rule, ok: isOk, says })),
  ]
  const isAllowed = checks.every(({ ok }) => ok)
  return {
    username,
    action,
    about,
    effect: isAllowed ? 'allow' : 'deny',
    obligations: isAllowed ? decision.obligations : [],
    checks,
  }
}

async function resourceOf(
  { relational }: ExplainDeps,
  asker: Scoped | undefined,
  { cameraId, region }: Question,
): Promise<{ resource: Resource; about: string }> {
  if (cameraId === undefined) {
    if (region === undefined) return { resource: {}, about: 'anything inside the scope' }
    return { resource: { region }, about: `region ${region}` }
  }
  const camera = await cameraWithPolicy(relational.read, cameraId)
  if (!camera || (asker && !mayReach(asker, camera.region))) {
    throw new HubError('HUB_NOT_FOUND', `no camera ${cameraId}`)
  }
  const resource = { region: camera.region, camera }
  return { resource, about: `camera ${camera.name} (${cameraId})` }
}

/** For a terminal. */
export function explanationText(view: DecisionView): string {
  const verdict = view.effect === 'allow' ? 'may' : 'may not'
  const also = view.obligations.length > 0 ? `  also needed: ${view.obligations.join(', ')}\n` : ''
  const lines = view.checks.map(({ rule, ok, says }) => `  ${ok ? 'yes' : 'NO '}  ${rule}: ${says}\n`)
  return `${view.username} ${verdict} ${view.action} on ${view.about}\n${lines.join('')}${also}`
}
