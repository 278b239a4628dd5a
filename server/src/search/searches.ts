/** Who searched the record for what, on the record before it is answered. Pages of one search are one entry. */
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { Relational } from '../ports/relational.ts'

/** A page that is open asks again and again: the same search of one session is one entry in this time. */
const SAME_SEARCH_MS = 10 * 60_000
const MAX_SEARCHES = 10_000

export type SearchTerms = Readonly<Record<string, string | number | undefined>>

export interface SearchesDeps {
  relational: Relational
  audit: AuditTrail
  now?: () => number
}

export class Searches {
  readonly #deps: SearchesDeps
  readonly #now: () => number
  /** Oldest first; `kept` resolves when it is on the record. */
  readonly #searches = new Map<string, { atMs: number; kept: Promise<void> }>()

  constructor(deps: SearchesDeps) {
    this.#deps = deps
    this.#now = deps.now ?? Date.now
  }

  /** Resolves when it is on the record. `of`: what is searched, `record` or `viewings`. */
  async record(caller: Principal, of: string, terms: SearchTerms): Promise<void> {
    const key = JSON.stringify([caller.userId, caller.sessionHash, of, terms])
    const last = this.#searches.get(key)
    if (last !== undefined && this.#now() - last.atMs < SAME_SEARCH_MS) return last.kept
    const kept = this.#write(caller, 'audit.searched', of, terms)
    this.#searches.delete(key)
    this.#searches.set(key, { atMs: this.#now(), kept })
    if (this.#searches.size > MAX_SEARCHES) this.#searches.delete(this.#searches.keys().next().value!)
    try {
      await kept
    } catch (error) {
      this.#searches.delete(key)
      throw error
    }
  }

  /** What was taken out. Every time, before the first byte. */
  recordExport(
    caller: Principal,
    of: string,
    terms: SearchTerms,
    taken: { format: string; rows: number },
  ): Promise<void> {
    return this.#write(caller, 'audit.exported', of, { ...terms, ...taken })
  }

  async #write(caller: Principal, action: string, of: string, detail: SearchTerms): Promise<void> {
    const { relational, audit } = this.#deps
    await relational.write
      .transaction()
      .execute((trx) => audit.append(trx, { actor: caller, action, subject: `audit:${of}`, detail }))
  }
}
