/**
 * Follows the log of changes and hands over what is new, in order, once. Woken by this hub's commits and by the other
 * hubs' word; a look every half second makes up for a word that was lost. While one pass works, what is committed
 * meanwhile gathers for the next: a burst costs a few passes, not one each.
 */
import type { Logger } from 'pino'
import type { Relational } from '../ports/relational.ts'
import { type Change, changesAfter, logBounds } from './changes.ts'

const LOOK_EVERY_MS = 500
const PASS_ROWS = 1000
/** After a pass the tail rests half as long as the pass took, at most this: others need the store too. */
const MAX_REST_MS = 20
/** A pass that fails for a reason that will not pass is tried this often, then row by row. */
const ATTEMPTS = 3
const RETRY_MS = 200

export interface ChangeTailDeps {
  relational: Pick<Relational, 'read' | 'isTemporary'>
  log: Logger
  /** Takes consecutive changes. If it rejects they are handed over again. */
  handle(changes: readonly Change[]): Promise<void>
}

export class ChangeTail {
  readonly #deps: ChangeTailDeps
  readonly #log: Logger
  #upTo = 0
  #isWanted = false
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  /** Changes that could not be handed over and were left out. */
  skipped = 0

  constructor(deps: ChangeTailDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'changes' })
  }

  /** Everything up to this revision has been handed over. */
  get upTo(): number {
    return this.#upTo
  }

  /** Begins with what is committed from now on: whoever was not connected asks for what it missed. */
  async start(): Promise<void> {
    this.#upTo = (await logBounds(this.#deps.relational.read)).newest
    this.#timer = setInterval(() => this.wake(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  wake(): void {
    if (this.#isClosed || !this.#timer) return
    this.#isWanted = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false
      const beganAtMs = performance.now()
      try {
        const changes = await changesAfter(this.#deps.relational.read, this.#upTo, PASS_ROWS)
        if (changes.length === 0) continue
        await this.#handOver(changes, failures >= ATTEMPTS)
        failures = 0
        this.#isWanted ||= changes.length === PASS_ROWS
        await pause(Math.min((performance.now() - beganAtMs) / 2, MAX_REST_MS))
      } catch (err) {
        if (!this.#deps.relational.isTemporary(err)) failures += 1
        this.#log.error({ err, upTo: this.#upTo }, 'changes could not be told; trying again')
        this.#isWanted = true
        await pause(RETRY_MS)
      }
    }
  }

  async #handOver(changes: readonly Change[], isRowByRow: boolean): Promise<void> {
    if (!isRowByRow) {
      await this.#deps.handle(changes)
      this.#upTo = changes.at(-1)!.revision
      return
    }
    for (const change of changes) {
      try {
        await this.#deps.handle([change])
      } catch (err) {
        if (this.#deps.relational.isTemporary(err)) throw err
        this.skipped += 1
        this.#log.error({ err, ...change }, 'a change that cannot be told was left out')
      }
      this.#upTo = change.revision
    }
  }
}

/** The timer's least is a millisecond. */
async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
