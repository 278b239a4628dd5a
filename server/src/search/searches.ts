/** Who searched the record for what, on the record before it is answered. Pages of one search are one entry. */
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { Relational } from '../ports/relational.ts'
import { RecentSearches } from './recent-searches.ts'

export type SearchTerms = Readonly<Record<string, string | number | undefined>>

export interface SearchesDeps {
  relational: Relational
  audit: AuditTrail
  now?: () => number
}

export class Searches {
  readonly #deps: SearchesDeps
  readonly #recent: RecentSearches<void>

  constructor(deps: SearchesDeps) {
    this.#deps = deps
    this.#recent = new RecentSearches(deps.now)
  }

  /** Resolves when it is on the record. `of`: what is searched, `record` or `viewings`. */
  record(caller: Principal, of: string, terms: SearchTerms): Promise<void> {
    const key = JSON.stringify([caller.userId, caller.sessionHash, of, terms])
    return this.#recent.once(key, () => this.#write(caller, 'audit.searched', of, terms))
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
