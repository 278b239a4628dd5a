/**
 * How often somebody may try to sign in. Three counts, so that guessing is slow from one place and from many, while a
 * stranger's failures do not lock an operator out of their usual place: by account and address, by account, by address.
 * Those of the account stand in the store, so that hubs on one store count together; a time ends them, or an
 * administrator. That of the address is this hub's own: it keeps a flood from the store.
 */
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import { AttemptLimiter } from './attempt-limiter.ts'

const WINDOW_MS = 15 * 60_000
const MAX_KEYS = 20_000
const PER_PAIR = 10
const PER_ACCOUNT = 50
const PER_ADDRESS = 100
/** Counts whose time is over are cleared away this often. */
const SWEEP_EVERY_MS = 60_000

export interface Attempt {
  /** Names the account: `accountKey`, or for a name that nobody has anything that hides it. */
  account: string
  address: string
}

export function accountKey(userId: string): string {
  return `user:${userId}`
}

export class SignInLimits {
  readonly #relational: Pick<Relational, 'read' | 'write'>
  readonly #byAddress = new AttemptLimiter({ attempts: PER_ADDRESS, windowMs: WINDOW_MS, maxKeys: MAX_KEYS })
  #sweptAtMs = 0

  constructor(relational: Pick<Relational, 'read' | 'write'>) {
    this.#relational = relational
  }

  /**
   * Counts the attempt before its outcome is known, and answers 0; or answers the seconds to wait and counts nothing.
   * `isLast`: the account is shut from now on unless this attempt is forgiven.
   */
  async take(attempt: Attempt, nowMs: number): Promise<{ waitSeconds: number; isLast: boolean }> {
    const network = networkOf(attempt.address)
    const addressWaitMs = this.#byAddress.waitMs(network, nowMs)
    if (addressWaitMs > 0) return { waitSeconds: Math.ceil(addressWaitMs / 1000), isLast: false }
    this.#byAddress.count(network, nowMs)
    const taken = await this.#relational.write.transaction().execute(async (trx) => {
      await this.#sweep(trx, nowMs)
      const counts: { key: string; failures: number; endsAtMs: number; isNew: boolean; limit: number }[] = []
      for (const [key, limit] of keysOf(attempt)) {
        const row = await trx
          .selectFrom('sign_in_count')
          .selectAll()
          .where('key', '=', key)
          .executeTakeFirst()
        const isOver = !row || row.ends_at_ms <= nowMs
        const endsAtMs = isOver ? nowMs + WINDOW_MS : row.ends_at_ms
        counts.push({ key, limit, failures: isOver ? 0 : row.failures, endsAtMs, isNew: !row })
      }
      const full = counts.filter((count) => count.failures >= count.limit)
      if (full.length > 0) {
        const waitMs = Math.max(...full.map((count) => count.endsAtMs - nowMs))
        return { waitSeconds: Math.ceil(waitMs / 1000), isLast: false }
      }
      for (const { key, failures, endsAtMs, isNew } of counts) {
        const values = { failures: failures + 1, ends_at_ms: endsAtMs }
        if (isNew)
          await trx
            .insertInto('sign_in_count')
            .values({ key, ...values })
            .execute()
        else await trx.updateTable('sign_in_count').set(values).where('key', '=', key).execute()
      }
      const account = counts.find((count) => count.key === attempt.account)
      return { waitSeconds: 0, isLast: account !== undefined && account.failures + 1 === PER_ACCOUNT }
    })
    if (taken.waitSeconds > 0) this.#byAddress.forgive(network)
    return taken
  }

  /** The attempt succeeded: only failures count. */
  async forgive(attempt: Attempt): Promise<void> {
    this.#byAddress.forgive(networkOf(attempt.address))
    await this.#relational.write
      .updateTable('sign_in_count')
      .set((eb) => ({ failures: eb('failures', '-', 1) }))
      .where(
        'key',
        'in',
        keysOf(attempt).map(([key]) => key),
      )
      .where('failures', '>', 0)
      .execute()
  }

  /** Until when each of these accounts is shut; those that are open are missing. */
  async lockedUntil(
    db: DbOrTransaction,
    accounts: readonly string[],
    nowMs: number,
  ): Promise<Map<string, number>> {
    if (accounts.length === 0) return new Map()
    const rows = await db
      .selectFrom('sign_in_count')
      .selectAll()
      .where('failures', '>=', PER_ACCOUNT)
      .where('ends_at_ms', '>', nowMs)
      .execute()
    const wanted = new Set(accounts)
    return new Map(rows.filter((row) => wanted.has(row.key)).map((row) => [row.key, row.ends_at_ms]))
  }

  /** Opens the account again, from everywhere. */
  async unlock(trx: DbOrTransaction, account: string): Promise<void> {
    await trx
      .deleteFrom('sign_in_count')
      .where((eb) => eb.or([eb('key', '=', account), eb('key', 'like', `${account} %`)]))
      .execute()
  }

  async #sweep(trx: DbOrTransaction, nowMs: number): Promise<void> {
    if (nowMs - this.#sweptAtMs < SWEEP_EVERY_MS) return
    this.#sweptAtMs = nowMs
    await trx.deleteFrom('sign_in_count').where('ends_at_ms', '<=', nowMs).execute()
  }
}

/** In this order, whoever counts. */
function keysOf({ account, address }: Attempt): [key: string, limit: number][] {
  return [
    [account, PER_ACCOUNT],
    [`${account} ${address}`, PER_PAIR],
  ]
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
