/**
 * One hub of several holds a lease by counting up its beat. Another takes it over when it has seen the same beat for
 * long enough by its own monotonic clock, so the hubs' clocks need not agree. A holder that was frozen for longer may
 * believe for one more beat that it still holds: what is done under a lease must be harmless when done twice.
 */
import type { Relational } from '../ports/relational.ts'

export interface LeaseTiming {
  beatMs: number
  /** The same beat for this long, and the holder is taken for gone. */
  patienceMs: number
}

export const LEASE_TIMING: LeaseTiming = { beatMs: 1000, patienceMs: 3500 }

interface Seen {
  holder: string
  beat: number
  sinceMs: number
}

export class Lease {
  readonly #relational: Relational
  readonly #name: string
  readonly #holder: string
  readonly #timing: LeaseTiming
  #seen: Seen | undefined

  constructor(options: { relational: Relational; name: string; holder: string; timing?: LeaseTiming }) {
    this.#relational = options.relational
    this.#name = options.name
    this.#holder = options.holder
    this.#timing = options.timing ?? LEASE_TIMING
  }

  /** Call once a beat; answers whether this hub holds the lease now. */
  async beat(): Promise<boolean> {
    return this.#relational.write.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('lease')
        .select(['holder', 'beat'])
        .where('name', '=', this.#name)
        .executeTakeFirst()
      if (!row) {
        await trx.insertInto('lease').values({ name: this.#name, holder: this.#holder, beat: 1 }).execute()
        return true
      }
      if (row.holder !== this.#holder && !this.#isGone(row)) return false
      await trx
        .updateTable('lease')
        .set({ holder: this.#holder, beat: row.beat + 1 })
        .where('name', '=', this.#name)
        .execute()
      return true
    })
  }

  /** Lets another have it at once. */
  async release(): Promise<void> {
    await this.#relational.write
      .deleteFrom('lease')
      .where('name', '=', this.#name)
      .where('holder', '=', this.#holder)
      .execute()
  }

  #isGone({ holder, beat }: { holder: string; beat: number }): boolean {
    const nowMs = performance.now()
    if (this.#seen?.holder !== holder || this.#seen.beat !== beat) {
      this.#seen = { holder, beat, sinceMs: nowMs }
      return false
    }
    return nowMs - this.#seen.sinceMs >= this.#timing.patienceMs
  }
}
