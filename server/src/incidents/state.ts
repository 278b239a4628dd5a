/** How an incident may move: pure, one table. */
import { INCIDENT_STATES, type IncidentState, type MoveIncident } from '@patrolhub/protocol'
import { may } from '../access/decide.ts'
import type { Permission } from '../access/permissions.ts'

/** A state that a person moves an incident to by hand; the others follow its dispatches. */
export type ManualState = MoveIncident['to']

interface ManualMove {
  from: readonly IncidentState[]
  to: ManualState
  needs: Permission
  needsNote: boolean
}

/** `handled` back to `accepted`: the result was not good enough, the work goes on. */
const MANUAL_MOVES: readonly ManualMove[] = [
  { from: ['reported', 'handled'], to: 'accepted', needs: 'incident.move', needsNote: false },
  { from: ['handled'], to: 'verified', needs: 'incident.move', needsNote: false },
  { from: ['verified'], to: 'closed', needs: 'incident.move', needsNote: false },
  {
    from: ['reported', 'accepted', 'assigned', 'acknowledged', 'en_route', 'on_scene', 'handled'],
    to: 'dismissed',
    needs: 'incident.move',
    needsNote: true,
  },
]

/** States that end an incident: nothing moves it and no alert joins it any more. */
export const ENDED_STATES = ['closed', 'dismissed'] as const satisfies readonly IncidentState[]

export const OPEN_STATES: readonly IncidentState[] = INCIDENT_STATES.filter((state) => !hasEnded(state))

/** How far the work has gone, for moves that follow a dispatch: they only go up. */
const PROGRESS: Readonly<Record<IncidentState, number>> = {
  reported: 0,
  accepted: 1,
  assigned: 2,
  acknowledged: 3,
  en_route: 4,
  on_scene: 5,
  handled: 6,
  verified: 7,
  closed: 8,
  dismissed: 8,
}

/** A team may be sent until the work is done. Sending one to a `reported` incident accepts it. */
export function isDispatchable(state: IncidentState): boolean {
  return PROGRESS[state] < PROGRESS.handled
}

export function hasEnded(state: IncidentState): boolean {
  return (ENDED_STATES as readonly IncidentState[]).includes(state)
}

/** Who moves: what a decision needs to know of them. */
export type Mover = Parameters<typeof may>[0]

/** States that this person may move an incident of their scope to by hand now, in the order of the work. */
export function allowedMoves(state: IncidentState, who: Mover): ManualState[] {
  return MANUAL_MOVES.filter((move) => move.from.includes(state) && may(who, move.needs)).map(
    (move) => move.to,
  )
}

export type MoveCheck = { ok: true } | { ok: false; why: 'not from here' | 'not allowed' | 'needs a note' }

/** Whether this person may make this move with this note. */
export function checkMove(state: IncidentState, to: ManualState, who: Mover, note: string): MoveCheck {
  const move = MANUAL_MOVES.find((candidate) => candidate.to === to && candidate.from.includes(state))
  if (!move) return { ok: false, why: 'not from here' }
  if (!may(who, move.needs)) return { ok: false, why: 'not allowed' }
  if (move.needsNote && note.trim() === '') return { ok: false, why: 'needs a note' }
  return { ok: true }
}

/** Whether a dispatch that got to `to` takes its incident along: only forward, and only as far as `handled`. */
export function followsTo(state: IncidentState, to: IncidentState): boolean {
  return !hasEnded(state) && PROGRESS[to] <= PROGRESS.handled && PROGRESS[to] > PROGRESS[state]
}
