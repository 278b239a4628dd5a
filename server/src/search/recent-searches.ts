/** Which searches are on the record already: a page that is open asks again and again, and comes by pages. */

/** The same search of one session is one entry in this time. */
const SAME_SEARCH_MS = 10 * 60_000
const MAX_SEARCHES = 10_000

/** Of each search what putting it on the record came to. */
export class RecentSearches<Outcome> {
  readonly #now: () => number
  /** Oldest first. */
  readonly #searches = new Map<string, { atMs: number; kept: Promise<Outcome> }>()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** What `keep` came to for this search, of which it is asked only once in a while; not remembered if it throws. */
  async once(key: string, keep: () => Promise<Outcome>): Promise<Outcome> {
    const last = this.#searches.get(key)
    if (last !== undefined && this.#now() - last.atMs < SAME_SEARCH_MS) return last.kept
    const kept = keep()
    this.#searches.delete(key)
    this.#searches.set(key, { atMs: this.#now(), kept })
    if (this.#searches.size > MAX_SEARCHES) this.#searches.delete(this.#searches.keys().next().value!)
    try {
      return await kept
    } catch (error) {
      this.#searches.delete(key)
      throw error
    }
  }

  /** The next one like it is a new one. */
  forget(key: string): void {
    this.#searches.delete(key)
  }
}
