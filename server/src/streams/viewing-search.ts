/**
 * Finds viewings of cameras inside a scope, newest first. What finds often is found among the newest; only what is rare
 * goes through an index (migrations/009-record.ts).
 */
import {
  covers,
  VIEWING_MARKS,
  type Viewing,
  type ViewingMark,
  type ViewingMarkName,
  type ViewingPage,
} from '@patrolhub/protocol'
import { inScope, type Scoped } from '../access/scope.ts'
import type { Place } from '../newest-in-scope.ts'
import { pageOf } from '../paging.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { camerasNamed, incidentNamed, peopleNamed } from '../search/terms.ts'

export interface ViewingTerms {
  /** Part of a name. */
  person?: string
  /** Id, or part of a name. */
  camera?: string
  purpose?: string
  /** Number or id. */
  incident?: string
  /** `any`: with a mark, whichever. */
  mark?: ViewingMarkName | 'any'
  /** Of the opening; inclusive. */
  fromMs?: number
  /** Exclusive. */
  toMs?: number
}

/** How many of the newest are looked through before the whole is. */
const LOOKS = [2000, 50_000, undefined] as const

export async function searchViewings(
  db: DbOrTransaction,
  who: Scoped,
  {
    terms,
    limit,
    before,
    nowMs,
  }: { terms: ViewingTerms; limit: number; before: Place | undefined; nowMs: number },
): Promise<ViewingPage> {
  const places = await find(db, who, { terms, count: limit + 1, before })
  const { rows, next } = pageOf(places, limit, (place) => place)
  const items = await viewsOf(
    db,
    who,
    rows.map(({ id }) => id),
    nowMs,
  )
  return next === undefined ? { items } : { items, next }
}

async function find(
  db: DbOrTransaction,
  who: Scoped,
  { terms, count, before }: { terms: ViewingTerms; count: number; before: Place | undefined },
): Promise<Place[]> {
  const { purpose, mark, fromMs, toMs } = terms
  const people = terms.person === undefined ? undefined : await peopleNamed(db, terms.person)
  const cameras = terms.camera === undefined ? undefined : await camerasNamed(db, who, terms.camera)
  const incident = terms.incident === undefined ? undefined : await incidentNamed(db, who, terms.incident)
  if (people?.length === 0 || (terms.incident !== undefined && incident === undefined)) return []
  // An index leads to these at once.
  const isNarrow = people !== undefined || cameras !== undefined || incident !== undefined
  for (const look of isNarrow ? [undefined] : LOOKS) {
    const newest = db
      .selectFrom('viewing')
      .selectAll('viewing')
      .$if(before !== undefined, (query) =>
        query
          .where('opened_at_ms', '<=', before!.atMs)
          .where((eb) => eb.or([eb('opened_at_ms', '<', before!.atMs), eb('viewing_id', '<', before!.id)])),
      )
      .$if(fromMs !== undefined, (query) => query.where('opened_at_ms', '>=', fromMs!))
      .$if(toMs !== undefined, (query) => query.where('opened_at_ms', '<', toMs!))
    const rows = await db
      .selectFrom(
        (look === undefined
          ? newest
          : newest.orderBy('opened_at_ms', 'desc').orderBy('viewing_id', 'desc').limit(look)
        ).as('seen'),
      )
      .select(['seen.viewing_id', 'seen.opened_at_ms'])
      .where((eb) => inScope(who, eb.ref('seen.region')))
      .$if(people !== undefined, (query) => query.where('seen.user_id', 'in', people!))
      .$if(cameras !== undefined, (query) => query.where('seen.camera_id', 'in', cameras!))
      .$if(purpose !== undefined, (query) => query.where('seen.purpose', '=', purpose!))
      .$if(incident !== undefined, (query) => query.where('seen.incident_id', '=', incident!))
      .$if(mark !== undefined, (query) =>
        query.where('seen.viewing_id', 'in', (eb) =>
          eb
            .selectFrom('viewing_mark')
            .select('viewing_mark.viewing_id')
            .$if(mark !== 'any', (marks) => marks.where('viewing_mark.mark', '=', mark!)),
        ),
      )
      .orderBy('seen.opened_at_ms', 'desc')
      .orderBy('seen.viewing_id', 'desc')
      .limit(count)
      .execute()
    if (rows.length === count || look === undefined) {
      return rows.map((row) => ({ atMs: row.opened_at_ms, id: row.viewing_id }))
    }
  }
  return []
}

/** In the order of the ids. */
async function viewsOf(
  db: DbOrTransaction,
  who: Scoped,
  ids: readonly string[],
  nowMs: number,
): Promise<Viewing[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('viewing')
    .leftJoin('viewing_grant', 'viewing_grant.grant_id', 'viewing.grant_id')
    .leftJoin('plan_activation', 'plan_activation.activation_id', 'viewing_grant.activation_id')
    .leftJoin('user_account', 'user_account.user_id', 'viewing.user_id')
    .leftJoin('device', 'device.device_id', 'viewing.camera_id')
    .leftJoin('incident', 'incident.incident_id', 'viewing.incident_id')
    .selectAll('viewing')
    .select([
      'viewing_grant.note',
      'plan_activation.is_drill',
      'viewing_grant.history_from_ms',
      'viewing_grant.history_to_ms',
      'user_account.display_name',
      'device.name as camera_name',
      'device.region as camera_region',
      'incident.number',
      'incident.region as incident_region',
    ])
    .where('viewing.viewing_id', 'in', ids)
    .execute()
  const marks = await marksOf(db, ids)
  const byId = new Map(rows.map((row) => [row.viewing_id, row]))
  return ids.flatMap((id): Viewing[] => {
    const row = byId.get(id)
    if (!row) return []
    // What lies outside the scope by now is named by its id only.
    const showsCamera = row.camera_region !== null && covers(who.scope, row.camera_region)
    const showsIncident = row.incident_region !== null && covers(who.scope, row.incident_region)
    const isOpen = row.closed_at_ms === null
    return [
      {
        viewingId: row.viewing_id,
        userId: row.user_id,
        userName: row.display_name ?? row.user_id,
        cameraId: row.camera_id,
        cameraName: showsCamera ? row.camera_name! : row.camera_id,
        region: row.region,
        purpose: row.purpose,
        note: row.note ?? '',
        ...(row.incident_id === null ? {} : { incidentId: row.incident_id }),
        ...(showsIncident ? { incidentNumber: row.number! } : {}),
        ...(row.history_from_ms === null || row.history_to_ms === null
          ? {}
          : { history: { fromMs: row.history_from_ms, toMs: row.history_to_ms } }),
        isDrill: row.is_drill === 1,
        openedAtMs: row.opened_at_ms,
        ...(isOpen ? {} : { closedAtMs: row.closed_at_ms! }),
        seconds: isOpen ? Math.max(row.seconds, Math.floor((nowMs - row.opened_at_ms) / 1000)) : row.seconds,
        bytes: row.bytes,
        ...(row.why_closed === null ? {} : { whyClosed: row.why_closed }),
        marks: marks.get(id) ?? [],
      },
    ]
  })
}

async function marksOf(db: DbOrTransaction, ids: readonly string[]): Promise<Map<string, ViewingMark[]>> {
  const rows = await db.selectFrom('viewing_mark').selectAll().where('viewing_id', 'in', ids).execute()
  const marks = new Map<string, ViewingMark[]>()
  for (const { viewing_id, mark, found, allowed } of rows) {
    const counted = found === null || allowed === null ? {} : { found, allowed }
    marks.set(viewing_id, [...(marks.get(viewing_id) ?? []), { mark: mark as ViewingMarkName, ...counted }])
  }
  for (const all of marks.values()) all.sort((a, b) => placeOf(a) - placeOf(b))
  return marks
}

function placeOf({ mark }: ViewingMark): number {
  return VIEWING_MARKS.indexOf(mark)
}
