/**
 * Finds entries, newest first. Numbers of entries have no gaps, so the newest are looked through by number first: a
 * search that finds often is answered at once, however long the record is. Only what is rare goes through an index.
 */
import type { AuditEntry, AuditPage } from '@patrolhub/protocol'
import type { Principal } from '../access/principal.ts'
import { inScope, mayReach } from '../access/scope.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { camerasNamed, incidentNamed, peopleNamed } from '../search/terms.ts'
import { entryOf } from './chain.ts'

export interface EntryTerms {
  /** Part of a name; `system` for what nobody in particular did. */
  person?: string
  /** `viewing`, or `viewing.opened`. */
  kind?: string
  /** Id, or part of a name. */
  camera?: string
  /** Number or id. */
  incident?: string
  /** Inclusive. */
  fromMs?: number
  /** Exclusive. */
  toMs?: number
}

const WINDOWS = [5000, 100_000, Number.POSITIVE_INFINITY]
/** Hubs' clocks differ: times need not rise with the numbers by more than this. */
const CLOCKS_DIFFER_MS = 5 * 60_000
const SYSTEM = 'system'
/** Dispatches, grants and cameras of one incident that are looked for. */
const MAX_PARTS = 100

/** The entries that the caller may see: of people inside the scope, and over the whole hub all of them. */
export async function searchEntries(
  db: DbOrTransaction,
  caller: Principal,
  {
    terms,
    limit,
    before,
    rootScope,
  }: { terms: EntryTerms; limit: number; before: number; rootScope: string },
): Promise<AuditPage> {
  const found = await find(db, caller, { terms, limit: limit + 1, before, rootScope })
  const items = found.slice(0, limit).map(viewOf)
  return found.length > limit ? { items, next: String(items.at(-1)!.seq) } : { items }
}

function viewOf(row: Parameters<typeof entryOf>[0]): AuditEntry {
  const { actorId: _, ...entry } = entryOf(row)
  return { ...entry, detail: entry.detail as Record<string, unknown> }
}

async function find(
  db: DbOrTransaction,
  caller: Principal,
  {
    terms,
    limit,
    before,
    rootScope,
  }: { terms: EntryTerms; limit: number; before: number; rootScope: string },
) {
  const { person, kind, camera, fromMs, toMs } = terms
  const people = person === undefined || person === SYSTEM ? undefined : await peopleNamed(db, person)
  const cameras = camera === undefined ? undefined : await camerasNamed(db, caller, camera)
  const about = terms.incident === undefined ? undefined : await aboutIncident(db, caller, terms.incident)
  if (people?.length === 0 || (terms.incident !== undefined && !about)) return []
  const { lowest, highest } = await boundsOf(db, { fromMs, toMs, before })
  for (const window of WINDOWS) {
    const floor = Math.max(lowest, highest - window)
    const rows = await db
      .selectFrom('audit')
      .selectAll()
      .where('seq', '<', highest)
      .where('seq', '>=', floor)
      .$if(!mayReach(caller, rootScope), (query) =>
        query.where(
          'actor_id',
          'in',
          db
            .selectFrom('user_account')
            .select('user_id')
            .where((eb) => inScope(caller, eb.ref('scope'))),
        ),
      )
      .$if(person === SYSTEM, (query) => query.where('actor_id', 'is', null))
      .$if(people !== undefined, (query) => query.where('actor_id', 'in', people!))
      .$if(kind !== undefined, (query) =>
        kind!.includes('.')
          ? query.where('action', '=', kind!)
          : // '/' is the character after '.'.
            query.where('action', '>=', `${kind}.`).where('action', '<', `${kind}/`),
      )
      .$if(cameras !== undefined, (query) =>
        query.where(
          'subject',
          'in',
          cameras!.map((id) => `camera:${id}`),
        ),
      )
      .$if(about !== undefined, (query) =>
        query.where((eb) =>
          eb.or([
            eb('subject', 'in', about!.subjects),
            ...(about!.grantIds.length === 0
              ? []
              : [
                  eb.and([
                    eb('subject', 'in', about!.watched),
                    eb.or(about!.grantIds.map((id) => eb('detail', 'like', `%"grantId":"${id}"%`))),
                  ]),
                ]),
          ]),
        ),
      )
      .$if(fromMs !== undefined, (query) => query.where('at_ms', '>=', fromMs!))
      .$if(toMs !== undefined, (query) => query.where('at_ms', '<', toMs!))
      .orderBy('seq', 'desc')
      .limit(limit)
      .execute()
    if (rows.length === limit || floor === lowest) return rows
  }
  return []
}

/** The numbers between which the entries of this time lie, `highest` not among them. */
async function boundsOf(
  db: DbOrTransaction,
  { fromMs, toMs, before }: { fromMs: number | undefined; toMs: number | undefined; before: number },
): Promise<{ lowest: number; highest: number }> {
  const first =
    fromMs === undefined
      ? { seq: 1 }
      : await db
          .selectFrom('audit')
          .select('seq')
          .where('at_ms', '>=', fromMs - CLOCKS_DIFFER_MS)
          .orderBy('at_ms')
          .orderBy('seq')
          .limit(1)
          .executeTakeFirst()
  const last = await db
    .selectFrom('audit')
    .select('seq')
    .$if(toMs !== undefined, (query) =>
      query.where('at_ms', '<', toMs! + CLOCKS_DIFFER_MS).orderBy('at_ms', 'desc'),
    )
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  const highest = Math.min(before, (last?.seq ?? 0) + 1)
  return { lowest: first?.seq ?? highest, highest }
}

/** What entries about an incident are about: itself, its dispatches, and what was watched for it. */
async function aboutIncident(
  db: DbOrTransaction,
  caller: Principal,
  text: string,
): Promise<{ subjects: string[]; watched: string[]; grantIds: string[] } | undefined> {
  const incidentId = await incidentNamed(db, caller, text)
  if (incidentId === undefined) return undefined
  const dispatches = await db
    .selectFrom('dispatch')
    .select('dispatch_id')
    .where('incident_id', '=', incidentId)
    .limit(MAX_PARTS)
    .execute()
  const grants = await db
    .selectFrom('viewing_grant')
    .select(['grant_id', 'target_kind', 'target_id'])
    .where('incident_id', '=', incidentId)
    .orderBy('created_at_ms', 'desc')
    .limit(MAX_PARTS)
    .execute()
  const cameras = await db
    .selectFrom('viewing')
    .select('camera_id')
    .distinct()
    .where('incident_id', '=', incidentId)
    .limit(MAX_PARTS)
    .execute()
  return {
    subjects: [`incident:${incidentId}`, ...dispatches.map(({ dispatch_id }) => `dispatch:${dispatch_id}`)],
    watched: [
      ...grants.map(({ target_kind, target_id }) => `${target_kind}:${target_id}`),
      ...cameras.map(({ camera_id }) => `camera:${camera_id}`),
    ],
    grantIds: grants.map(({ grant_id }) => grant_id),
  }
}
