/** Viewings on the record: a row and an audit entry when a player opens and when it closes, also after a crash. */
import type { HistorySpan } from '@patrolhub/protocol'
import type { Principal } from '../access/principal.ts'
import type { StreamsDeps, WhyClosed } from './streams.ts'

export interface ViewingRecord {
  viewingId: string
  grantId: string
  cameraId: string
  viewer: Principal
  openedAtMs: number
  /** Of history: where the player asked to begin, and how fast. */
  history?: { atMs: number; speed: number }
}

export class Viewings {
  readonly #deps: Pick<StreamsDeps, 'relational' | 'audit' | 'hubId'>
  readonly #now: () => number

  constructor(deps: StreamsDeps) {
    this.#deps = deps
    this.#now = deps.now ?? Date.now
  }

  /** Before the first byte: what is not on the record is not shown. */
  async open(viewing: ViewingRecord): Promise<void> {
    const { relational, audit, hubId } = this.#deps
    const { viewingId, grantId, cameraId, viewer, openedAtMs, history } = viewing
    await relational.write.transaction().execute(async (trx) => {
      await trx
        .insertInto('viewing')
        .values({
          viewing_id: viewingId,
          grant_id: grantId,
          user_id: viewer.userId,
          camera_id: cameraId,
          opened_at_ms: openedAtMs,
          closed_at_ms: null,
          bytes: 0,
          why_closed: null,
          hub_id: hubId,
        })
        .execute()
      await audit.append(trx, {
        actor: viewer,
        action: 'viewing.opened',
        subject: `camera:${cameraId}`,
        detail: { viewingId, grantId, ...(history ? { history } : {}) },
      })
    })
  }

  /** `shown`: of history, the wall clock of the first and the last picture that went out. */
  async close(
    viewing: ViewingRecord,
    end: { bytes: number; why: WhyClosed; shown: HistorySpan | undefined },
  ): Promise<void> {
    const { relational, audit } = this.#deps
    const { viewingId, grantId, cameraId, viewer, openedAtMs } = viewing
    const closedAtMs = this.#now()
    await relational.write.transaction().execute(async (trx) => {
      const result = await trx
        .updateTable('viewing')
        .set({ closed_at_ms: closedAtMs, bytes: end.bytes, why_closed: end.why })
        .where('viewing_id', '=', viewingId)
        .where('closed_at_ms', 'is', null)
        .executeTakeFirst()
      if (Number(result.numUpdatedRows) === 0) return
      await audit.append(trx, {
        actor: viewer,
        action: 'viewing.closed',
        subject: `camera:${cameraId}`,
        detail: { viewingId, grantId, ...end, seconds: Math.round((closedAtMs - openedAtMs) / 1000) },
      })
    })
  }

  /** Keeps the counts of open viewings, so that a crash loses little of them. */
  async keepBytes(counts: readonly { viewingId: string; bytes: number }[]): Promise<void> {
    if (counts.length === 0) return
    await this.#deps.relational.write.transaction().execute(async (trx) => {
      for (const { viewingId, bytes } of counts) {
        await trx
          .updateTable('viewing')
          .set({ bytes })
          .where('viewing_id', '=', viewingId)
          .where('closed_at_ms', 'is', null)
          .execute()
      }
    })
  }

  /**
   * Closes what hubs that are gone left open; answers how many. Nobody knows when those players lost their picture: the
   * entry says that the time is an upper bound.
   */
  async sweep(livingHubs: readonly string[]): Promise<number> {
    const { relational, audit } = this.#deps
    const closedAtMs = this.#now()
    return relational.write.transaction().execute(async (trx) => {
      const rows = await trx
        .selectFrom('viewing')
        .selectAll()
        .where('closed_at_ms', 'is', null)
        .$if(livingHubs.length > 0, (query) => query.where('hub_id', 'not in', [...livingHubs]))
        .execute()
      for (const row of rows) {
        await trx
          .updateTable('viewing')
          .set({ closed_at_ms: closedAtMs, why_closed: 'hub crashed' satisfies WhyClosed })
          .where('viewing_id', '=', row.viewing_id)
          .execute()
        await audit.append(trx, {
          actor: undefined,
          action: 'viewing.closed',
          subject: `camera:${row.camera_id}`,
          detail: {
            viewingId: row.viewing_id,
            grantId: row.grant_id,
            of: row.user_id,
            why: 'hub crashed' satisfies WhyClosed,
            bytesAtLeast: row.bytes,
            closedAtMost: closedAtMs,
          },
        })
      }
      return rows.length
    })
  }
}
