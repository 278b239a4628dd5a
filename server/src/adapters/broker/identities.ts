/** Who an edge is, remembered for a moment: a message a batch must not mean a query a batch. */
import type { EdgeIdentity } from '../../ports/broker.ts'

/** How long an edge that was revoked or moved to another region may still be taken for what it was. */
const REMEMBERED_MS = 5000

export class Identities {
  readonly #find: (edgeId: string) => Promise<EdgeIdentity | undefined>
  readonly #known = new Map<string, { identity: EdgeIdentity | undefined; untilMs: number }>()
  /** Questions to the store under way. */
  readonly #asked = new Map<string, Promise<EdgeIdentity | undefined>>()

  constructor(find: (edgeId: string) => Promise<EdgeIdentity | undefined>) {
    this.#find = find
  }

  /**
   * `undefined` for an unknown or revoked edge. Throws what the store throws. Who asks for one edge is answered in the
   * order of asking: a batch must not overtake the one before because that one had to ask the store.
   */
  of(edgeId: string): Promise<EdgeIdentity | undefined> {
    const asked = this.#asked.get(edgeId)
    if (asked) return asked
    const nowMs = performance.now()
    const known = this.#known.get(edgeId)
    if (known && known.untilMs > nowMs) return Promise.resolve(known.identity)
    const asking = this.#find(edgeId)
      .then((identity) => {
        this.#known.set(edgeId, { identity, untilMs: nowMs + REMEMBERED_MS })
        return identity
      })
      .finally(() => this.#asked.delete(edgeId))
    this.#asked.set(edgeId, asking)
    return asking
  }

  forget(edgeId: string): void {
    this.#known.delete(edgeId)
  }
}
