import { useSyncExternalStore } from 'react'
import { hubNowMs } from './hub-clock.ts'

/** One timer a second for the whole page, however many ages and countdowns are on it. */
const listeners = new Set<() => void>()
let nowMs = hubNowMs()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  nowMs = hubNowMs()
  timer ??= setInterval(() => {
    nowMs = hubNowMs()
    for (const each of listeners) each()
  }, 1000)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** The hub's wall clock, a step a second. */
export function useNowMs(): number {
  return useSyncExternalStore(subscribe, () => nowMs)
}
