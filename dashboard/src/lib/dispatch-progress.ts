/** Where a dispatch stands against its deadlines. Pure. */
import type { Dispatch, DispatchState } from '@patrolhub/protocol'

export const DISPATCH_ORDER: readonly DispatchState[] = [
  'assigned',
  'acknowledged',
  'en_route',
  'on_scene',
  'closed',
]

/** True if a dispatch in state `now` has `step` behind it. */
export function hasReached(now: DispatchState, step: DispatchState): boolean {
  return DISPATCH_ORDER.indexOf(now) >= DISPATCH_ORDER.indexOf(step)
}

export interface Deadline {
  what: 'acknowledge' | 'arrive'
  atMs: number
}

/** The deadline that the team has to meet next; `undefined` once it is on the scene. */
export function nextDeadline(
  dispatch: Pick<Dispatch, 'state' | 'acknowledgeByMs' | 'arriveByMs'>,
): Deadline | undefined {
  if (!hasReached(dispatch.state, 'acknowledged'))
    return { what: 'acknowledge', atMs: dispatch.acknowledgeByMs }
  if (!hasReached(dispatch.state, 'on_scene')) return { what: 'arrive', atMs: dispatch.arriveByMs }
  return undefined
}
