/**
 * How often somebody may try to sign in. Three counts, so that guessing is slow from one place and from many, while a
 * stranger's failures do not lock an operator out of their usual place: by account and address, by account, by address.
 */
import { AttemptLimiter } from './attempt-limiter.ts'

const WINDOW_MS = 15 * 60_000
const MAX_KEYS = 20_000

export interface Attempt {
  username: string
  address: string
}

export class SignInLimits {
  readonly #byPair = new AttemptLimiter({ attempts: 10, windowMs: WINDOW_MS, maxKeys: MAX_KEYS })
  readonly #byAccount = new AttemptLimiter({ attempts: 50, windowMs: WINDOW_MS, maxKeys: MAX_KEYS })
  readonly #byAddress = new AttemptLimiter({ attempts: 100, windowMs: WINDOW_MS, maxKeys: MAX_KEYS })

  /** Counts the attempt and answers 0, or answers the seconds to wait and counts nothing. */
  take(attempt: Attempt, nowMs: number): number {
    const counts = this.#countsOf(attempt)
    const waitMs = Math.max(...counts.map(([limiter, key]) => limiter.waitMs(key, nowMs)))
    if (waitMs > 0) return Math.ceil(waitMs / 1000)
    for (const [limiter, key] of counts) limiter.count(key, nowMs)
    return 0
  }

  /** The attempt succeeded: only failures count. */
  forgive(attempt: Attempt): void {
    for (const [limiter, key] of this.#countsOf(attempt)) limiter.forgive(key)
  }

  #countsOf({ username, address }: Attempt): [AttemptLimiter, string][] {
    return [
      [this.#byPair, `${address} ${username}`],
      [this.#byAccount, username],
      [this.#byAddress, networkOf(address)],
    ]
  }
}

/** IPv6: the /64, which one caller has whole. IPv4 (also mapped): the address. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped) return mapped[1]!
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%')[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
  }
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')
}
