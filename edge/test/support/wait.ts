/** Waiting for something to become true, with a deadline that says what was awaited. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks every 20 ms. Rejects after `deadlineMs` with `what` and, if given, what was seen last. */
export async function waitFor<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  options: { deadlineMs?: number; seen?: () => unknown } = {},
): Promise<T> {
  const { deadlineMs = 15_000, seen } = options
  const endMs = performance.now() + deadlineMs
  while (performance.now() < endMs) {
    const value = await ask()
    if (value) return value
    await sleep(20)
  }
  throw new Error(`not within ${deadlineMs} ms: ${what}${seen ? `; last: ${JSON.stringify(seen())}` : ''}`)
}
