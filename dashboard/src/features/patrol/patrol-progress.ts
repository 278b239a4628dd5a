/** What a dispatch looks like to the one who is doing it: what the hub knows and what is still on the phone. Pure. */
import type { Dispatch, DispatchState } from '@patrolhub/protocol'
import { hasReached } from '../../lib/dispatch-progress.ts'
import type { OutboxEntry } from './outbox-store.ts'

/** The furthest state, counting steps that are not sent yet; refused ones do not count. */
export function stateWithUnsent(dispatch: Dispatch, unsent: readonly OutboxEntry[]): DispatchState {
  let state = dispatch.state
  for (const entry of unsent) {
    if (entry.kind !== 'step' || entry.refusal !== '' || entry.dispatchId !== dispatch.dispatchId) continue
    if (!hasReached(state, entry.step.state)) state = entry.step.state
  }
  return state
}

type NextStep = Exclude<DispatchState, 'assigned'>

/** The step that comes next; `undefined` once it is closed. */
export function nextStep(state: DispatchState): NextStep | undefined {
  switch (state) {
    case 'assigned':
      return 'acknowledged'
    case 'acknowledged':
      return 'en_route'
    case 'en_route':
      return 'on_scene'
    case 'on_scene':
      return 'closed'
    case 'closed':
      return undefined
  }
}
