/**
 * Commits the batches of many edges together: what comes while a transaction runs goes into the next one. A commit costs
 * a sync of the disk and a dozen statements whether it holds one batch or fifty, so the more comes, the less each costs.
 * Alerts go first. If a group fails, each of its batches is tried alone: nobody pays for a neighbour's record.
 */
import type { Relational } from '../ports/relational.ts'
import { type Commit, commitBatch, commitTogether, type Item, type RecordTakers } from './commit.ts'

/** Records in one transaction: more would hold up whoever else wants to write. */
const MAX_RECORDS = 2000
const MAX_BATCHES = 200

interface Waiting {
  commit: Commit
  onFault: (item: Item, error: unknown) => void
  done: PromiseWithResolvers<void>
}

export class GroupCommit {
  readonly #relational: Relational
  readonly #takers: RecordTakers
  readonly #waiting: Record<'alerts' | 'measurements', Waiting[]> = { alerts: [], measurements: [] }
  #isRunning = false

  constructor(relational: Relational, takers: RecordTakers) {
    this.#relational = relational
    this.#takers = takers
  }

  /** As `commitBatch`. Batches of one edge and stream must not wait here at the same time. */
  commit(commit: Commit, onFault: Waiting['onFault']): Promise<void> {
    const done = Promise.withResolvers<void>()
    this.#waiting[commit.key.stream].push({ commit, onFault, done })
    if (!this.#isRunning) void this.#run()
    return done.promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (;;) {
      const group = this.#next()
      if (group.length === 0) break
      await this.#commitGroup(group)
    }
    this.#isRunning = false
  }

  #next(): Waiting[] {
    const queue = this.#waiting[this.#waiting.alerts.length > 0 ? 'alerts' : 'measurements']
    let records = 0
    let count = 0
    while (count < Math.min(queue.length, MAX_BATCHES)) {
      // Of measurements only the cursor and the health records are written here.
      records += queue[count]!.commit.items.filter(({ record }) => record && isWritten(record.kind)).length
      if (count > 0 && records > MAX_RECORDS) break
      count += 1
    }
    return queue.splice(0, count)
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    if (group.length > 1) {
      const refusedBefore = group.map(({ commit }) => commit.items.map(({ refused }) => refused))
      try {
        await commitTogether(
          this.#relational,
          this.#takers,
          group.map(({ commit }) => commit),
        )
        for (const { done } of group) done.resolve()
        return
      } catch {
        // What the undone transaction said of a record says nothing.
        for (const [index, { commit }] of group.entries()) {
          for (const [place, item] of commit.items.entries()) item.refused = refusedBefore[index]![place]
        }
      }
    }
    for (const { commit, onFault, done } of group) {
      await commitBatch(this.#relational, this.#takers, commit, onFault).then(done.resolve, done.reject)
    }
  }
}

function isWritten(kind: string): boolean {
  return kind === 'alert' || kind === 'evidence' || kind === 'health'
}
