import type { Alert, Dispatch } from '@patrolhub/protocol'
import { createContext, useContext, useEffect, useEffectEvent, useSyncExternalStore } from 'react'
import type { Live, LiveState } from './live.ts'

export const LiveContext = createContext<Live | undefined>(undefined)

export function useLive(): Live {
  const live = useContext(LiveContext)
  if (!live) throw new Error('useLive needs a LiveContext around it')
  return live
}

export function useLiveState(): LiveState {
  const live = useLive()
  return useSyncExternalStore(live.subscribe, live.state)
}

/** Calls `listener` for each alert that arrives while the component is on the screen. */
export function useAlertArrival(listener: (alert: Alert) => void): void {
  const live = useLive()
  const latest = useEffectEvent(listener)
  useEffect(() => live.onAlert((alert) => latest(alert)), [live])
}

/** Calls `listener` for each new or changed dispatch that arrives while the component is on the screen. */
export function useDispatchArrival(listener: (dispatch: Dispatch) => void): void {
  const live = useLive()
  const latest = useEffectEvent(listener)
  useEffect(() => live.onDispatch((dispatch) => latest(dispatch)), [live])
}
