/** What a request for a grant lacks, and what ends a grant: pure; access/decide.ts decides. */
import {
  type CameraPolicy,
  covers,
  type GrantState,
  type HistorySpan,
  type IncidentState,
  type NewGrant,
} from '@patrolhub/protocol'
import { decide, type Obligation, type Rule, type Subject } from '../access/decide.ts'

/** A request that nobody answers for this long has expired. */
export const PENDING_MS = 15 * 60_000
/** As much as the clock of who asks may go ahead of ours. */
const CLOCK_MS = 5000
const MINUTE_MS = 60_000
/** Open grants of one user. */
export const MAX_OPEN_GRANTS = 200

/** What the request lacks of what the decision asks for and of what its purpose needs; empty if nothing. */
export function problemsUnder(
  obligations: readonly Obligation[],
  request: Pick<NewGrant, 'purpose' | 'note' | 'incidentId'>,
): string[] {
  const problems: string[] = []
  if ((request.note ?? '').trim() === '') {
    if (obligations.includes('note')) {
      problems.push('/note: this camera may only be watched with a note that says why')
    }
    if (request.purpose === 'other') problems.push('/note: the purpose `other` needs a note that says which')
  }
  if (obligations.includes('incident') && request.incidentId === undefined) {
    problems.push('/incidentId: this camera may only be watched for an incident that is not over')
  }
  return problems
}

/** What is wrong with the span of history that is asked for; empty if nothing. `nowMs`: wall clock. */
export function problemsOfSpan(
  { fromMs, toMs }: HistorySpan,
  policy: Pick<CameraPolicy, 'maxHistoryMinutes'>,
  nowMs: number,
): string[] {
  const problems: string[] = []
  const { maxHistoryMinutes } = policy
  if (toMs <= fromMs) problems.push('/history: its end has to come after its begin')
  if (toMs > nowMs + CLOCK_MS) problems.push('/history/toMs: lies in the future')
  if (maxHistoryMinutes === 0) problems.push('/history: no history of this camera is shown')
  else if (toMs - fromMs > maxHistoryMinutes * MINUTE_MS) {
    problems.push(`/history: at most ${maxHistoryMinutes} minutes at once`)
  }
  return problems
}

const INCIDENT_ENDS: readonly string[] = ['closed', 'dismissed'] satisfies IncidentState[]

/** True for the state of an incident that ends the grants given for it. */
export function isIncidentOver(state: string): boolean {
  return INCIDENT_ENDS.includes(state)
}

/** A grant with all that decides whether it still holds. */
export interface Standing {
  state: string
  createdAtMs: number
  endAtMs: number
  approverId: string | null
  user: Subject & { isDisabled: boolean; isSignedIn: boolean }
  /** `undefined`: no edge has this camera any more. */
  camera: { region: string; sensitivity: string; policy: CameraPolicy } | undefined
  /** The scope from which a camera outside it was asked for; `null` if it lay inside. */
  askedFrom: string | null
  /** Of the incident that it was given for; `null` without one. */
  incidentState: string | null
}

export type GrantEnd =
  | { state: 'expired'; why: 'time' | 'unanswered' }
  | {
      state: 'revoked'
      why:
        | 'disabled'
        | 'signed out'
        | 'role'
        | 'scope'
        | 'off duty'
        | 'out of hours'
        | 'camera gone'
        | 'now restricted'
        | 'incident over'
    }

/** What it is called when the rule does not hold any more, or asks for a second person that the grant did not have. */
const ENDS = {
  permission: 'role',
  scope: 'scope',
  duty: 'off duty',
  hours: 'out of hours',
  sensitivity: 'now restricted',
} as const satisfies Record<Rule, string>

/** Why an open grant (pending or active) ends now, or `undefined` while it holds. Wall clock. */
export function endOf(standing: Standing, nowMs: number): GrantEnd | undefined {
  const { user, camera, approverId } = standing
  const isPending = standing.state === 'pending'
  if (isPending && nowMs >= standing.createdAtMs + PENDING_MS) return { state: 'expired', why: 'unanswered' }
  if (!isPending && nowMs >= standing.endAtMs) return { state: 'expired', why: 'time' }
  if (user.isDisabled) return { state: 'revoked', why: 'disabled' }
  if (!user.isSignedIn) return { state: 'revoked', why: 'signed out' }
  if (standing.incidentState !== null && isIncidentOver(standing.incidentState)) {
    return { state: 'revoked', why: 'incident over' }
  }
  // Outside one's scope it was a second person who opened it, for somebody of that scope: it ends when they move.
  const hasMoved = standing.askedFrom !== null && standing.askedFrom !== user.scope
  const isInside = camera !== undefined && covers(user.scope, camera.region)
  if (camera && !isInside && (hasMoved || standing.askedFrom === null)) {
    return { state: 'revoked', why: 'scope' }
  }
  const resource = camera ? { region: camera.region, camera } : {}
  const { checks } = decide(user, 'grant.request', resource, { atMs: nowMs })
  const lacksSecond = !isPending && approverId === null
  const broken = checks.find(({ ok, needs }) => !ok || (lacksSecond && needs.includes('second-person')))
  if (broken) return { state: 'revoked', why: ENDS[broken.rule] }
  if (!camera) return { state: 'revoked', why: 'camera gone' }
  return undefined
}

/** The state to show: an end by time counts at once, also before it is on the record. */
export function stateAt(
  grant: Pick<Standing, 'state' | 'createdAtMs' | 'endAtMs'>,
  nowMs: number,
): GrantState {
  const isLate =
    (grant.state === 'pending' && nowMs >= grant.createdAtMs + PENDING_MS) ||
    (grant.state === 'active' && nowMs >= grant.endAtMs)
  return isLate ? 'expired' : (grant.state as GrantState)
}
