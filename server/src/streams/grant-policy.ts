/** What a request for a grant lacks, and what ends a grant: pure; access/decide.ts decides. */
import {
  type CameraPolicy,
  covers,
  type GrantState,
  type HistorySpan,
  type IncidentState,
  type NewGrant,
} from '@patrolhub/protocol'
import { decide, type Obligation, type Resource, type Rule, type Subject } from '../access/decide.ts'
import type { TargetCamera } from './grant-cameras.ts'

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

/** A grant with all that decides whether it still holds, and what it opens. */
export interface Standing {
  state: string
  createdAtMs: number
  beginAtMs: number
  endAtMs: number
  note: string
  approverId: string | null
  user: Subject & { isDisabled: boolean; isSignedIn: boolean }
  /** `region` is where it lies now; `undefined`: no edge has this camera any more, or the group was dissolved. */
  target: { kind: 'camera' | 'group'; region: string | undefined }
  /** The target's cameras as they are now. */
  cameras: readonly TargetCamera[]
  /** Of a group: the ids of the cameras that were asked for, and agreed to. */
  askedCameras: ReadonlySet<string>
  /** The scope from which a camera outside it was asked for; `null` if it lay inside. */
  askedFrom: string | null
  /** The span of recorded history that it is for; `undefined`: it is for live video. */
  history: HistorySpan | undefined
  /** Of the incident that it was given for; `null` without one. */
  incidentState: string | null
  /**
   * Of the activation of a plan that gave it: whether that is over, and whether the plan opens the target to the user as it
   * stands; `null` if somebody asked for it.
   */
  activation: { isOver: boolean; isMeant: boolean } | null
}

/** What stands against a grant though its time is not over. */
export type Bar =
  | 'disabled'
  | 'signed out'
  | 'incident over'
  | 'not in the plan'
  | 'camera gone'
  | 'group gone'
  | (typeof BARS)[Rule]

export type GrantEnd =
  | { state: 'expired'; why: 'time' | 'unanswered' }
  | { state: 'revoked'; why: Bar | 'plan over' }

/** What it is called when the rule does not hold any more, or asks for a second person that the grant did not have. */
const BARS = {
  permission: 'role',
  scope: 'scope',
  duty: 'off duty',
  hours: 'out of hours',
  sensitivity: 'now restricted',
} as const satisfies Record<Rule, string>

/**
 * Why an open grant (pending or active) ends now, or `undefined` while it holds. Wall clock. A grant that a plan gave
 * outlasts what stands against it, because the plan would give it again: it opens nothing meanwhile.
 */
export function endOf(standing: Standing, nowMs: number): GrantEnd | undefined {
  const isPending = standing.state === 'pending'
  if (isPending && nowMs >= standing.createdAtMs + PENDING_MS) return { state: 'expired', why: 'unanswered' }
  if (!isPending && nowMs >= standing.endAtMs) return { state: 'expired', why: 'time' }
  if (standing.activation)
    return standing.activation.isOver ? { state: 'revoked', why: 'plan over' } : undefined
  const why = barOf(standing, nowMs)
  return why && { state: 'revoked', why }
}

/**
 * The cameras that the grant opens now: none unless it is active and holds, then the target's, without those of a group
 * that its user would not be granted one by one as it was asked for.
 */
export function openCameras(standing: Standing, nowMs: number): readonly TargetCamera[] {
  if (standing.state !== 'active' || endOf(standing, nowMs) || barOf(standing, nowMs)) return []
  return standing.target.kind === 'camera'
    ? standing.cameras
    : standing.cameras.filter((camera) => opensMember(standing, camera, nowMs))
}

function barOf(standing: Standing, nowMs: number): Bar | undefined {
  const { user, target, askedFrom } = standing
  if (user.isDisabled) return 'disabled'
  if (!user.isSignedIn) return 'signed out'
  if (standing.incidentState !== null && isIncidentOver(standing.incidentState)) return 'incident over'
  if (standing.activation && !standing.activation.isMeant) return 'not in the plan'
  // Outside one's scope it was a second person who opened it, for somebody of that scope: it ends when they move.
  const hasMoved = askedFrom !== null && askedFrom !== user.scope
  const isInside = target.region !== undefined && covers(user.scope, target.region)
  if (target.region !== undefined && !isInside && (hasMoved || askedFrom === null)) return 'scope'
  const camera = target.kind === 'camera' ? standing.cameras[0] : undefined
  const resource = {
    ...(target.region === undefined ? {} : { region: target.region }),
    ...(camera ? { camera } : {}),
  }
  const broken = brokenRule(user, resource, { nowMs, hasSecond: hasSecond(standing) })
  if (broken) return BARS[broken]
  return target.region === undefined ? `${target.kind} gone` : undefined
}

/** Of an active grant against whose user nothing stands. */
function opensMember(standing: Standing, camera: TargetCamera, nowMs: number): boolean {
  const { user, askedCameras, activation } = standing
  const wasAsked = askedCameras.has(camera.cameraId)
  const resource = { region: camera.region, camera }
  // Nobody agreed to a camera that came into the group later.
  if (brokenRule(user, resource, { nowMs, hasSecond: hasSecond(standing) && wasAsked })) return false
  if (wasAsked || activation) return true
  const { policy } = camera
  const hasNote = standing.note !== '' || !policy.needsNote
  const hasIncident = standing.incidentState !== null || !policy.needsIncident
  const isBrief = nowMs < standing.beginAtMs + policy.maxMinutes * MINUTE_MS
  const { history } = standing
  const isShort = !history || history.toMs - history.fromMs <= policy.maxHistoryMinutes * MINUTE_MS
  return hasNote && hasIncident && isBrief && isShort
}

/** A request that waits has not been refused its second person yet. */
function hasSecond({ state, approverId }: Standing): boolean {
  return state === 'pending' || approverId !== null
}

/** The first rule that says no, or that asks for a second person where there was none. */
function brokenRule(
  user: Subject,
  resource: Resource,
  { nowMs, hasSecond }: { nowMs: number; hasSecond: boolean },
): Rule | undefined {
  const { checks } = decide(user, 'grant.request', resource, { atMs: nowMs })
  return checks.find(({ ok, needs }) => !ok || (!hasSecond && needs.includes('second-person')))?.rule
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
