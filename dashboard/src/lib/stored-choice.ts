import { useState } from 'react'

/** Reads a remembered choice; a browser that stores nothing has none. */
export function readChoice(name: string): string | undefined {
  try {
    return localStorage.getItem(`patrolhub.${name}`) ?? undefined
  } catch {
    return undefined
  }
}

export function rememberChoice(name: string, value: string): void {
  try {
    localStorage.setItem(`patrolhub.${name}`, value)
  } catch {
    // The choice holds until the page is closed.
  }
}

/** A switch that is remembered on this device. */
export function useStoredSwitch(name: string, initial: boolean): [boolean, (isOn: boolean) => void] {
  const [isOn, setOn] = useState(() => (readChoice(name) ?? String(initial)) === 'true')
  return [
    isOn,
    (next) => {
      setOn(next)
      rememberChoice(name, String(next))
    },
  ]
}
