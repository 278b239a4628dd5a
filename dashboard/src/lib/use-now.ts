import { useSyncExternalStore } from 'react'

/** One timer a second for the whole page, however many ages and countdowns are on it. */
const listeners = new Set<() => void>()
let nowMs = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  nowMs = Date.now()
  timer ??= setInterval(() => {
    nowMs = Date.now()
    for (const each of listeners) each()
  }, 1000)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** The wall clock, a step a second. */
export function useNowMs(): number {
  return useSyncExternalStore(subscribe, () => nowMs)
}
