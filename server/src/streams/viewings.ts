/** Viewings on the record: a row and an audit entry when a player opens and when it closes, also after a crash. */
import type { HistorySpan, ViewingMark } from '@patrolhub/protocol'
import { sql } from 'kysely'
import type { Principal } from '../access/principal.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { StreamsDeps, WhyClosed } from './streams.ts'
import { longFromMs, marksAtOpening } from './viewing-marks.ts'

const MINUTE_MS = 60_000

export interface ViewingRecord {
  viewingId: string
  grantId: string
  cameraId: string
  viewer: Principal
  openedAtMs: number
  /** Of history: where the player asked to begin, and how fast. */
  history?: { atMs: number; speed: number }
  /** Under a plan that was activated as an exercise. */
  isDrill: boolean
}

export class Viewings {
  readonly #deps: Pick<StreamsDeps, 'config' | 'relational' | 'audit' | 'hubId'>
  readonly #now: () => number

  constructor(deps: StreamsDeps) {
    this.#deps = deps
    this.#now = deps.now ?? Date.now
  }

  /** Before the first byte: what is not on the record is not shown. */
  async open(viewing: ViewingRecord): Promise<void> {
    const { relational, audit, hubId } = this.#deps
    const { viewingId, grantId, cameraId, viewer, openedAtMs, isDrill, history } = viewing
    await relational.write.transaction().execute(async (trx) => {
      const grant = await trx
        .selectFrom('viewing_grant')
        .select(['region', 'purpose', 'incident_id', 'activation_id'])
        .where('grant_id', '=', grantId)
        .executeTakeFirstOrThrow()
      const device = await trx
        .selectFrom('device')
        .select(['region', 'sensitivity'])
        .where('device_id', '=', cameraId)
        .executeTakeFirst()
      const camera = device ?? { region: grant.region, sensitivity: 'restricted' }
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
          region: camera.region,
          purpose: grant.purpose,
          incident_id: grant.incident_id,
        })
        .execute()
      const lately = await this.#lately(trx, viewing)
      const hasOccasion = grant.incident_id !== null || grant.activation_id !== null
      const opening = { atMs: openedAtMs, viewer, hasOccasion, camera, ...lately }
      const marks = marksAtOpening(opening, this.#deps.config)
      await keepMarks(trx, viewingId, marks)
      await audit.append(trx, {
        actor: viewer,
        action: 'viewing.opened',
        subject: `camera:${cameraId}`,
        detail: {
          viewingId,
          grantId,
          ...(isDrill ? { isDrill } : {}),
          ...(history ? { history } : {}),
          ...(marks.length === 0 ? {} : { marks }),
        },
      })
    })
  }

  /** What the viewer has opened lately, this viewing among it. */
  async #lately(
    trx: DbOrTransaction,
    { viewer, cameraId, openedAtMs }: ViewingRecord,
  ): Promise<{ camerasLately: number; looksLately: number }> {
    const { markManyMinutes, markRepeatedHours } = this.#deps.config
    const own = (withinMinutes: number) =>
      trx
        .selectFrom('viewing')
        .where('user_id', '=', viewer.userId)
        .where('opened_at_ms', '>', openedAtMs - withinMinutes * MINUTE_MS)
    const cameras = await own(markManyMinutes)
      .select((eb) => eb.fn.count<number>('camera_id').distinct().as('n'))
      .executeTakeFirstOrThrow()
    const looks = await own(markRepeatedHours * 60)
      .where('camera_id', '=', cameraId)
      // A player that comes back, or history that is wound on, is the same look.
      .select((eb) => eb.fn.count<number>('grant_id').distinct().as('n'))
      .executeTakeFirstOrThrow()
    return { camerasLately: Number(cameras.n), looksLately: Number(looks.n) }
  }

  /** `shown`: of history, the wall clock of the first and the last picture that went out. */
  async close(
    viewing: ViewingRecord,
    end: { bytes: number; why: WhyClosed; shown: HistorySpan | undefined },
  ): Promise<void> {
    const { relational, audit } = this.#deps
    const { viewingId, grantId, cameraId, viewer, openedAtMs, isDrill } = viewing
    const closedAtMs = this.#now()
    const seconds = Math.round((closedAtMs - openedAtMs) / 1000)
    const longFrom = longFromMs(this.#deps.config)
    await relational.write.transaction().execute(async (trx) => {
      const result = await trx
        .updateTable('viewing')
        .set({ closed_at_ms: closedAtMs, bytes: end.bytes, seconds, why_closed: end.why })
        .where('viewing_id', '=', viewingId)
        .where('closed_at_ms', 'is', null)
        .executeTakeFirst()
      if (Number(result.numUpdatedRows) === 0) return
      const isLong = longFrom !== undefined && closedAtMs - openedAtMs >= longFrom
      const minutes = { found: Math.floor(seconds / 60), allowed: this.#deps.config.markLongMinutes }
      const marks: ViewingMark[] = isLong ? [{ mark: 'long', ...minutes }] : []
      await keepMarks(trx, viewingId, marks)
      await audit.append(trx, {
        actor: viewer,
        action: 'viewing.closed',
        subject: `camera:${cameraId}`,
        detail: {
          viewingId,
          grantId,
          ...end,
          seconds,
          ...(isDrill ? { isDrill } : {}),
          ...(marks.length === 0 ? {} : { marks }),
        },
      })
    })
  }

  /** Keeps how long and how much was seen of open viewings, so that a crash loses little of it; marks the long ones. */
  async keep(counts: readonly { viewingId: string; bytes: number }[]): Promise<void> {
    if (counts.length === 0) return
    const { config, relational } = this.#deps
    const nowMs = this.#now()
    const longFrom = longFromMs(config)
    await relational.write.transaction().execute(async (trx) => {
      for (const { viewingId, bytes } of counts) {
        const row = await trx
          .updateTable('viewing')
          .set({ bytes, seconds: sql<number>`cast((${nowMs} - opened_at_ms) / 1000 as integer)` })
          .where('viewing_id', '=', viewingId)
          .where('closed_at_ms', 'is', null)
          .returning('opened_at_ms')
          .executeTakeFirst()
        if (!row || longFrom === undefined || nowMs - row.opened_at_ms < longFrom) continue
        const found = Math.floor((nowMs - row.opened_at_ms) / MINUTE_MS)
        await keepMarks(trx, viewingId, [{ mark: 'long', found, allowed: config.markLongMinutes }])
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
            secondsAtLeast: row.seconds,
            closedAtMost: closedAtMs,
          },
        })
      }
      return rows.length
    })
  }
}

async function keepMarks(
  trx: DbOrTransaction,
  viewingId: string,
  marks: readonly ViewingMark[],
): Promise<void> {
  for (const { mark, found = null, allowed = null } of marks) {
    await trx
      .insertInto('viewing_mark')
      .values({ viewing_id: viewingId, mark, found, allowed })
      .onConflict((conflict) => conflict.columns(['viewing_id', 'mark']).doUpdateSet({ found }))
      .execute()
  }
}
