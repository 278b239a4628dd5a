/**
 * The one decision: may this subject do this, to that, now? Pure. Deny by default: every rule that applies has to say
 * yes, and the decision tells what each said. The guard, the socket rooms, the stream gate, evidence and the page that
 * explains all ask here; a query that answers many rows asks for the scope as a condition (scope.ts), which is the same
 * rule in SQL.
 */
import { type AllowedHours, covers, type Sensitivity } from '@patrolhub/protocol'
import { isInHours } from './hours.ts'
import {
  isPermission,
  ONLY_IN_HOURS,
  ONLY_ON_DUTY,
  type Permission,
  SECOND_PERSON_OUT_OF_HOURS,
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
  /** Of a camera; a word that is not known counts as `restricted`. */
  sensitivity?: string
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
}

/** What has to be met besides: a second person who agrees, a note that says why. */
export type Obligation = 'second-person' | 'note'

export interface Decision {
  effect: 'allow' | 'deny'
  /** Every rule that was looked at, in order; a denial has at least one that is not ok. */
  checks: Check[]
  /** Empty for a denial. */
  obligations: Obligation[]
}

export function decide(subject: Subject, action: string, resource: Resource, context: Context): Decision {
  const checks: Check[] = []
  const obligations = new Set<Obligation>()
  const check = (rule: Rule, ok: boolean, says: string) => checks.push({ rule, ok, says })

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
    check('scope', reaches, `region ${resource.region} ${where} the scope ${subject.scope}`)
  }
  if (ONLY_ON_DUTY.has(permission)) {
    check('duty', subject.isOnDuty, subject.isOnDuty ? 'on duty' : `off duty: ${action} is for those on duty`)
  }
  const isStrict = ONLY_IN_HOURS.has(permission)
  if (isStrict || SECOND_PERSON_OUT_OF_HOURS.has(permission)) {
    const isIn = isInHours(subject.hours, context.atMs)
    if (!isIn && !isStrict) obligations.add('second-person')
    const outside = isStrict ? 'outside the hours' : 'outside the hours: a second person has to agree'
    check('hours', isIn || !isStrict, isIn ? 'inside the hours' : outside)
  }
  if (permission === 'grant.request' && resource.sensitivity !== undefined) {
    const needs = needsOf(resource.sensitivity)
    for (const need of needs) obligations.add(need)
    const asks = needs.length === 0 ? 'asks for nothing more' : `asks for: ${needs.join(', ')}`
    check('sensitivity', true, `a ${resource.sensitivity} camera ${asks}`)
  }

  const isAllowed = checks.every(({ ok }) => ok)
  return { effect: isAllowed ? 'allow' : 'deny', checks, obligations: isAllowed ? [...obligations] : [] }
}

function needsOf(sensitivity: string): Obligation[] {
  switch (sensitivity as Sensitivity) {
    case 'public':
      return []
    case 'controlled':
      return ['note']
    default:
      return ['note', 'second-person']
  }
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
