/** Who may watch which camera, for how long, and what ends it: data and pure functions. */
import type { GrantState, NewGrant, Sensitivity } from '@patrolhub/protocol'
import { decide, type Subject } from '../access/decide.ts'

export interface GrantPolicy {
  /** A longer wish is shortened to this. */
  maxMinutes: number
  /** A word on why, besides the purpose. */
  needsNote: boolean
  /** A second person, with `grant.approve` and the camera in their scope, has to agree. */
  needsApproval: boolean
}

/** By the camera's sensitivity. The camera always has to lie inside the scope of who asks. */
export const GRANT_POLICIES: Readonly<Record<Sensitivity, GrantPolicy>> = {
  public: { maxMinutes: 240, needsNote: false, needsApproval: false },
  controlled: { maxMinutes: 120, needsNote: true, needsApproval: false },
  restricted: { maxMinutes: 60, needsNote: true, needsApproval: true },
}

/** A request that nobody answers for this long has expired. */
export const PENDING_MS = 15 * 60_000
/** Open grants of one user. */
export const MAX_OPEN_GRANTS = 200

/** The policy for a camera; what is not known to be less sensitive counts as restricted. */
export function policyFor(sensitivity: string): GrantPolicy {
  return GRANT_POLICIES[sensitivity as Sensitivity] ?? GRANT_POLICIES.restricted
}

/** What the request lacks under the policy; empty if nothing. */
export function problemsUnder(policy: GrantPolicy, request: Pick<NewGrant, 'purpose' | 'note'>): string[] {
  const hasNote = (request.note ?? '').trim() !== ''
  if (hasNote) return []
  const problems: string[] = []
  if (policy.needsNote) problems.push('/note: this camera may only be watched with a note that says why')
  if (request.purpose === 'other') problems.push('/note: the purpose `other` needs a note that says which')
  return problems
}

/** A grant with all that decides whether it still holds. */
export interface Standing {
  state: string
  createdAtMs: number
  endAtMs: number
  approverId: string | null
  user: Subject & { isDisabled: boolean; isSignedIn: boolean }
  /** `undefined`: no edge has this camera any more. */
  camera: { region: string; sensitivity: string } | undefined
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
        | 'off duty'
        | 'camera gone'
        | 'now restricted'
    }

/** What of the decision ends a grant that was given; the hours count when it is given only. */
const ENDS = { permission: 'role', scope: 'scope', duty: 'off duty' } as const

/** Why an open grant (pending or active) ends now, or `undefined` while it holds. Wall clock. */
export function endOf(standing: Standing, nowMs: number): GrantEnd | undefined {
  const { user, camera, approverId } = standing
  const isPending = standing.state === 'pending'
  if (isPending && nowMs >= standing.createdAtMs + PENDING_MS) return { state: 'expired', why: 'unanswered' }
  if (!isPending && nowMs >= standing.endAtMs) return { state: 'expired', why: 'time' }
  if (user.isDisabled) return { state: 'revoked', why: 'disabled' }
  if (!user.isSignedIn) return { state: 'revoked', why: 'signed out' }
  const place = camera ? { region: camera.region } : {}
  const denied = decide(user, 'grant.request', place, { atMs: nowMs }).checks.find(({ ok }) => !ok)
  if (denied && denied.rule in ENDS) return { state: 'revoked', why: ENDS[denied.rule as keyof typeof ENDS] }
  if (!camera) return { state: 'revoked', why: 'camera gone' }
  if (!isPending && approverId === null && policyFor(camera.sensitivity).needsApproval) {
    return { state: 'revoked', why: 'now restricted' }
  }
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
