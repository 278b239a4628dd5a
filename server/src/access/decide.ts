/**
 * The one decision: may this subject do this, to that, now? Pure. Deny by default: every rule that applies has to say
 * yes, and the decision tells what each said. The guard, the socket rooms, the stream gate, evidence and the page that
 * explains all ask here; a query that answers many rows asks for the scope as a condition (scope.ts), which is the same
 * rule in SQL.
 */
import { type AllowedHours, type CameraPolicy, covers } from '@patrolhub/protocol'
import { isInHours } from './hours.ts'
import {
  isPermission,
  ONLY_IN_HOURS,
  ONLY_ON_DUTY,
  type Permission,
  SECOND_PERSON_OFF_DUTY,
} from './permissions.ts'

export interface Subject {
  role: string
  /** What the role may do now. */
  permissions: ReadonlySet<Permission>
  /** Division code. */
  scope: string
  isOnDuty: boolean
  /** `null`: at any hour. */
  hours: AllowedHours | null
}

/** What it is done to; what is not given is not asked about. */
export interface Resource {
  region?: string
  /** With what it asks for; see camera-policy.ts. */
  camera?: { sensitivity: string; policy: CameraPolicy }
}

export interface Context {
  /** Wall clock. */
  atMs: number
}

export type Rule = 'permission' | 'scope' | 'duty' | 'hours' | 'sensitivity'

export interface Check {
  rule: Rule
  ok: boolean
  /** What was compared with what. */
  says: string
  /** What this rule wants met besides. */
  needs: readonly Obligation[]
}

/** What has to be met besides: a second person who agrees, a note that says why, an incident that is not over. */
export type Obligation = 'second-person' | 'note' | 'incident'

export interface Decision {
  effect: 'allow' | 'deny'
  /** Every rule that was looked at, in order; a denial has at least one that is not ok. */
  checks: Check[]
  /** Empty for a denial. */
  obligations: Obligation[]
}

/** Of who asks for a camera that lies outside their scope, where its policy allows to ask at all. */
const FROM_OUTSIDE: readonly Obligation[] = ['note', 'second-person']

export function decide(subject: Subject, action: string, resource: Resource, context: Context): Decision {
  const checks: Check[] = []
  const check = (rule: Rule, ok: boolean, says: string, needs: readonly Obligation[] = []) =>
    checks.push({ rule, ok, says, needs })

  const permission = isPermission(action) ? action : undefined
  if (permission === undefined) {
    check('permission', false, `there is no permission ${action}`)
    return { effect: 'deny', checks, obligations: [] }
  }
  const has = subject.permissions.has(permission)
  check('permission', has, `the role ${subject.role} ${has ? 'has' : 'does not have'} ${action}`)

  if (resource.region !== undefined) {
    const reaches = covers(subject.scope, resource.region)
    const where = reaches ? 'lies inside' : 'lies outside'
    const says = `region ${resource.region} ${where} the scope ${subject.scope}`
    const outside = permission === 'grant.request' ? (resource.camera?.policy.outside ?? 'no') : 'no'
    if (reaches || outside === 'no') check('scope', reaches, says)
    else check('scope', true, `${says}: asks for: ${FROM_OUTSIDE.join(', ')}`, FROM_OUTSIDE)
  }
  if (ONLY_ON_DUTY.has(permission)) {
    check('duty', subject.isOnDuty, subject.isOnDuty ? 'on duty' : `off duty: ${action} is for those on duty`)
  } else if (SECOND_PERSON_OFF_DUTY.has(permission)) {
    if (subject.isOnDuty) check('duty', true, 'on duty')
    else check('duty', true, 'off duty: a second person has to agree', ['second-person'])
  }
  const isStrict = ONLY_IN_HOURS.has(permission)
  if (isStrict || SECOND_PERSON_OFF_DUTY.has(permission)) {
    const isIn = isInHours(subject.hours, context.atMs)
    const outside = isStrict ? 'outside the hours' : 'outside the hours: a second person has to agree'
    const needs: Obligation[] = !isIn && !isStrict ? ['second-person'] : []
    check('hours', isIn || !isStrict, isIn ? 'inside the hours' : outside, needs)
  }
  if (permission === 'grant.request' && resource.camera !== undefined) {
    const { sensitivity, policy } = resource.camera
    const needs = needsOf(policy)
    const asks = needs.length === 0 ? 'asks for nothing more' : `asks for: ${needs.join(', ')}`
    check('sensitivity', true, `a ${sensitivity} camera ${asks}`, needs)
  }

  const isAllowed = checks.every(({ ok }) => ok)
  const obligations = isAllowed ? [...new Set(checks.flatMap(({ needs }) => needs))] : []
  return { effect: isAllowed ? 'allow' : 'deny', checks, obligations }
}

function needsOf(policy: CameraPolicy): Obligation[] {
  const needs: Obligation[] = []
  if (policy.needsNote) needs.push('note')
  if (policy.needsIncident) needs.push('incident')
  if (policy.needsSecondPerson) needs.push('second-person')
  return needs
}

/** True if the decision is to allow; obligations are the asker's to meet. */
export function may(
  subject: Subject & { askedAtMs: number },
  action: Permission,
  resource: Resource = {},
): boolean {
  return decide(subject, action, resource, { atMs: subject.askedAtMs }).effect === 'allow'
}

/** Why not: what the rules said that denied it. */
export function whyNot(decision: Decision): string {
  return decision.checks
    .filter(({ ok }) => !ok)
    .map(({ says }) => says)
    .join('; ')
}
