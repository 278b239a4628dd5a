/**
 * Commits the batches of many edges together: what comes while a transaction runs goes into the next one. A commit costs
 * a sync of the disk and a dozen statements whether it holds one batch or fifty, so the more comes, the less each costs.
 * Alerts go first, and measurements leave a pause between their groups, so that an alert seldom finds one under way. If a
 * group fails, each of its batches is tried alone: nobody pays for a neighbour's record.
 */
import type { Relational } from '../ports/relational.ts'
import { type Commit, commitBatch, commitTogether, type Item, type RecordTakers } from './commit.ts'

/** Records in one transaction: more would hold up whoever else wants to write. */
const MAX_RECORDS = 2000
const MAX_BATCHES = 200
/** Between two groups of measurements: nobody waits for a measurement, and more go into the next. */
const MEASUREMENTS_PAUSE_MS = 10

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
  #measurementsDueAtMs = 0
  #endPause: (() => void) | undefined

  constructor(relational: Relational, takers: RecordTakers) {
    this.#relational = relational
    this.#takers = takers
  }

  /** As `commitBatch`. Batches of one edge and stream must not wait here at the same time. */
  commit(commit: Commit, onFault: Waiting['onFault']): Promise<void> {
    const done = Promise.withResolvers<void>()
    this.#waiting[commit.key.stream].push({ commit, onFault, done })
    if (!this.#isRunning) void this.#run()
    else if (commit.key.stream === 'alerts') this.#endPause?.()
    return done.promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    const { alerts, measurements } = this.#waiting
    while (alerts.length > 0 || measurements.length > 0) {
      if (alerts.length > 0) {
        await this.#commitGroup(take(alerts))
        continue
      }
      const pauseMs = this.#measurementsDueAtMs - performance.now()
      if (pauseMs > 0) await this.#pause(pauseMs)
      if (alerts.length > 0) continue
      await this.#commitGroup(take(measurements))
      this.#measurementsDueAtMs = performance.now() + MEASUREMENTS_PAUSE_MS
    }
    this.#isRunning = false
  }

  /** Ends early when an alert comes. */
  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#endPause = resolve
    await promise
    clearTimeout(timer)
    this.#endPause = undefined
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

/** What goes into one transaction, taken off the front. */
function take(queue: Waiting[]): Waiting[] {
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

function isWritten(kind: string): boolean {
  return kind === 'alert' || kind === 'evidence' || kind === 'health'
}
