/** The order of a dispatch's steps. Pure. */
import { DISPATCH_STATES, type DispatchState, type IncidentState } from '@patrolhub/protocol'

/** A step may be left out, never gone back, never made twice. */
export function isForward(from: DispatchState, to: DispatchState): boolean {
  return DISPATCH_STATES.indexOf(to) > DISPATCH_STATES.indexOf(from)
}

/** Where the incident goes with its dispatch; `undefined` while other teams are still on it. */
export function incidentStateFor(step: DispatchState, hasOtherOpen: boolean): IncidentState | undefined {
  if (step !== 'closed') return step
  return hasOtherOpen ? undefined : 'handled'
}
