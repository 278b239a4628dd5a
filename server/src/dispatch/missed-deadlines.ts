/** Deadlines of dispatches that passed: put on the books once, and everybody concerned is told. */
import type { DispatchState } from '@patrolhub/protocol'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { MissedDeadlineTable } from '../ports/tables.ts'

type Deadline = MissedDeadlineTable['deadline']

/** States in which each deadline still runs. */
const RUNNING: Readonly<Record<Deadline, readonly DispatchState[]>> = {
  acknowledge: ['assigned'],
  arrive: ['assigned', 'acknowledged', 'en_route'],
}
const COLUMN = { acknowledge: 'acknowledge_by_ms', arrive: 'arrive_by_ms' } as const
/** In one transaction. */
const AT_ONCE = 200

export interface MissedDeadlinesDeps {
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
}

/** Notes what has passed by now; harmless when it runs at two hubs at once. Answers how many were noted. */
export async function noteMissedDeadlines(
  { relational, audit, changes }: MissedDeadlinesDeps,
  nowMs: number,
): Promise<number> {
  let noted = 0
  for (const deadline of ['acknowledge', 'arrive'] as const) {
    if ((await passed(relational.read, deadline, nowMs)).length === 0) continue
    noted += await relational.write.transaction().execute(async (trx) => {
      const rows = await passed(trx, deadline, nowMs)
      for (const row of rows) {
        await trx
          .insertInto('missed_deadline')
          .values({ dispatch_id: row.dispatchId, deadline, due_at_ms: row.dueAtMs, noted_at_ms: nowMs })
          .execute()
        await audit.append(trx, {
          actor: undefined,
          action: 'deadline.missed',
          subject: `dispatch:${row.dispatchId}`,
          detail: { deadline, dueAtMs: row.dueAtMs, incidentId: row.incidentId, teamId: row.teamId },
        })
      }
      await changes.note(
        trx,
        'dispatch',
        rows.map((row) => row.dispatchId),
      )
      return rows.length
    })
  }
  return noted
}

function passed(db: DbOrTransaction, deadline: Deadline, nowMs: number) {
  return db
    .selectFrom('dispatch')
    .leftJoin('missed_deadline', (join) =>
      join
        .onRef('missed_deadline.dispatch_id', '=', 'dispatch.dispatch_id')
        .on('missed_deadline.deadline', '=', deadline),
    )
    .select([
      'dispatch.dispatch_id as dispatchId',
      'dispatch.incident_id as incidentId',
      'dispatch.team_id as teamId',
      `dispatch.${COLUMN[deadline]} as dueAtMs`,
    ])
    .where('dispatch.state', 'in', [...RUNNING[deadline]])
    .where(`dispatch.${COLUMN[deadline]}`, '<', nowMs)
    .where('missed_deadline.deadline', 'is', null)
    .limit(AT_ONCE)
    .execute()
}

/** Deadlines that these dispatches have missed, by dispatch. */
export async function missedOf(
  db: DbOrTransaction,
  dispatchIds: readonly string[],
): Promise<Map<string, Deadline[]>> {
  if (dispatchIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('missed_deadline')
    .select(['dispatch_id', 'deadline'])
    .where('dispatch_id', 'in', [...dispatchIds])
    .orderBy('deadline')
    .execute()
  const groups = Map.groupBy(rows, (row) => row.dispatch_id)
  return new Map([...groups].map(([id, group]) => [id, group.map((row) => row.deadline)]))
}
