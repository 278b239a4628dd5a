/** How many plates one account reads in clear within an hour, whichever way and at whichever hub. */
import type { FastifyReply } from 'fastify'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Principal } from './principal.ts'

const HOUR_MS = 3_600_000

export interface ReadingLimitDeps {
  audit: AuditTrail
  perHour: number
  now?: () => number
}

export class ReadingLimit {
  readonly #deps: ReadingLimitDeps
  readonly #now: () => number

  constructor(deps: ReadingLimitDeps) {
    this.#deps = deps
    this.#now = deps.now ?? Date.now
  }

  /**
   * Counts a reading of `subject`, inside the transaction that puts it on the record. 0 if it may be; else milliseconds
   * until the next may, and the refusal is on the record: commit it.
   */
  async take(trx: DbOrTransaction, actor: Principal, subject: string): Promise<number> {
    const { audit, perHour } = this.#deps
    const { userId } = actor
    const nowMs = this.#now()
    const sinceMs = nowMs - HOUR_MS
    await trx
      .deleteFrom('plate_reading')
      .where('user_id', '=', userId)
      .where('at_ms', '<=', sinceMs)
      .execute()
    const readings = await trx
      .selectFrom('plate_reading')
      .select('at_ms')
      .where('user_id', '=', userId)
      .orderBy('at_ms', 'desc')
      .limit(perHour)
      .execute()
    if (readings.length < perHour) {
      await trx.insertInto('plate_reading').values({ user_id: userId, at_ms: nowMs }).execute()
      return 0
    }
    const waitMs = Math.max(1, readings.at(-1)!.at_ms - sinceMs)
    await audit.append(trx, { actor, action: 'plate.refused', subject, detail: { why: 'too many', perHour } })
    return waitMs
  }

  /** Answers the one who has to wait. */
  refuse(reply: FastifyReply, waitMs: number): never {
    reply.header('retry-after', Math.ceil(waitMs / 1000))
    const minutes = Math.ceil(waitMs / 60_000)
    throw new HubError(
      'HUB_PLATE_LIMIT',
      `this account has read ${this.#deps.perHour} plates within an hour, which is as many as it may; the next in ${minutes} min`,
    )
  }
}
