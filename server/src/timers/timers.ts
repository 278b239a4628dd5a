/**
 * What has to be done again and again by one hub of all that share a store: the one that holds the lease. Each hub also
 * shows that it lives, so that the one with the lease can clear up after those that do not.
 */
import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { Relational } from '../ports/relational.ts'
import { LEASE_TIMING, Lease } from './lease.ts'

/** `run` gets the wall clock in ms. It must be harmless when it runs twice at once. */
export interface Job {
  name: string
  everyMs: number
  /** Every hub does it for itself: what it looks after is not shared. */
  isOwn?: boolean
  run(nowMs: number): Promise<void>
}

export interface TimersDeps {
  relational: Relational
  /** Of this hub's run, see `newHubId`. */
  hubId: string
  log: Logger
  /** Called by the hub with the lease when others have come or gone, with those that live (itself among them). */
  onHubs(livingHubs: readonly string[]): Promise<void>
  now?: () => number
}

const HUB_PREFIX = 'hub:'
/** A hub whose beat stood still for this many looks of the one with the lease is gone. */
const GONE_AFTER_MS = LEASE_TIMING.patienceMs

export class Timers {
  readonly #deps: TimersDeps
  readonly #log: Logger
  readonly #now: () => number
  readonly #lease: Lease
  readonly #jobs: { job: Job; dueAtMs: number }[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #beats = new Map<string, { beat: number; sinceMs: number }>()
  #known = ''
  #timer: NodeJS.Timeout | undefined
  #beating: Promise<void> | undefined
  #isLeader = false

  constructor(deps: TimersDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'timers' })
    this.#now = deps.now ?? Date.now
    this.#lease = new Lease({ relational: deps.relational, name: 'timers', holder: deps.hubId })
  }

  get isLeader(): boolean {
    return this.#isLeader
  }

  /** Before `start`. The first run comes one beat after the lease is held. */
  add(job: Job): void {
    this.#jobs.push({ job, dueAtMs: 0 })
  }

  start(): void {
    const beat = () => {
      this.#beating ??= this.#beat()
        .catch((err: unknown) => {
          this.#isLeader = false
          this.#log.warn({ err }, 'the lease cannot be renewed')
        })
        .finally(() => {
          this.#beating = undefined
        })
    }
    this.#timer = setInterval(beat, LEASE_TIMING.beatMs)
    this.#timer.unref()
    beat()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#beating
    await Promise.all(this.#running)
    const { relational, hubId } = this.#deps
    await this.#lease.release().catch((err: unknown) => this.#log.warn({ err }, 'the lease was not released'))
    await relational.write
      .deleteFrom('lease')
      .where('name', '=', HUB_PREFIX + hubId)
      .execute()
      .catch(() => {
        // It will be found gone.
      })
  }

  async #beat(): Promise<void> {
    const { relational, hubId } = this.#deps
    const own = { name: HUB_PREFIX + hubId, holder: hubId }
    await relational.write
      .insertInto('lease')
      .values({ ...own, beat: 1 })
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet((eb) => ({ beat: eb('lease.beat', '+', 1) })),
      )
      .execute()
    const isLeader = await this.#lease.beat()
    if (isLeader !== this.#isLeader) {
      this.#log.info(
        { hubId, isLeader },
        isLeader ? 'this hub runs the timers' : 'another hub runs the timers',
      )
    }
    this.#isLeader = isLeader
    if (isLeader) await this.#lookAtHubs()
    else this.#known = ''
    const nowMs = performance.now()
    for (const entry of this.#jobs) {
      if (entry.dueAtMs > nowMs || !(isLeader || entry.job.isOwn)) continue
      entry.dueAtMs = Number.POSITIVE_INFINITY
      const run = this.#run(entry.job).finally(() => {
        entry.dueAtMs = performance.now() + entry.job.everyMs
        this.#running.delete(run)
      })
      this.#running.add(run)
    }
  }

  async #run(job: Job): Promise<void> {
    try {
      await job.run(this.#now())
    } catch (err) {
      this.#log.error({ err, job: job.name }, 'a timed job failed; it runs again')
    }
  }

  async #lookAtHubs(): Promise<void> {
    const { write } = this.#deps.relational
    const rows = await write
      .selectFrom('lease')
      .select(['name', 'beat'])
      .where('name', '>=', HUB_PREFIX)
      .where('name', '<', 'hub;')
      .orderBy('name')
      .execute()
    const nowMs = performance.now()
    const gone: string[] = []
    for (const { name, beat } of rows) {
      const seen = this.#beats.get(name)
      if (seen?.beat !== beat) this.#beats.set(name, { beat, sinceMs: nowMs })
      else if (nowMs - seen.sinceMs >= GONE_AFTER_MS) gone.push(name)
    }
    const living = rows.map(({ name }) => name).filter((name) => !gone.includes(name))
    if (gone.length > 0) {
      this.#log.warn({ gone }, 'hubs are gone')
      await write.deleteFrom('lease').where('name', 'in', gone).execute()
      for (const name of gone) this.#beats.delete(name)
    }
    if (living.join() === this.#known) return
    await this.#deps.onHubs(living.map((name) => name.slice(HUB_PREFIX.length)))
    this.#known = living.join()
  }
}

/** Names one run of a hub: another run of the same machine is another hub. */
export function newHubId(): string {
  return randomUUID()
}
