/** Who an edge is, remembered for a moment: a message a batch must not mean a query a batch. */
import type { EdgeIdentity } from '../../ports/broker.ts'

/** How long an edge that was revoked or moved to another region may still be taken for what it was. */
const REMEMBERED_MS = 5000

export class Identities {
  readonly #find: (edgeId: string) => Promise<EdgeIdentity | undefined>
  readonly #known = new Map<string, { identity: EdgeIdentity | undefined; untilMs: number }>()

  constructor(find: (edgeId: string) => Promise<EdgeIdentity | undefined>) {
    this.#find = find
  }

  /** `undefined` for an unknown or revoked edge. Throws what the store throws. */
  async of(edgeId: string): Promise<EdgeIdentity | undefined> {
    const nowMs = performance.now()
    const known = this.#known.get(edgeId)
    if (known && known.untilMs > nowMs) return known.identity
    const identity = await this.#find(edgeId)
    this.#known.set(edgeId, { identity, untilMs: nowMs + REMEMBERED_MS })
    return identity
  }

  forget(edgeId: string): void {
    this.#known.delete(edgeId)
  }
}
