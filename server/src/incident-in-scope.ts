/** An incident that somebody names as what they look at something for. */
import { inScope, type Scoped } from './access/scope.ts'
import { HubError } from './errors.ts'
import type { DbOrTransaction } from './ports/relational.ts'

/** Throws HUB_NOT_FOUND for one outside the scope, or that there is not. */
export async function requireIncident(
  db: DbOrTransaction,
  who: Scoped,
  incidentId: string,
): Promise<{ number: string; state: string }> {
  const row = await db
    .selectFrom('incident')
    .select(['number', 'state'])
    .where('incident_id', '=', incidentId)
    .where((eb) => inScope(who, eb.ref('region')))
    .executeTakeFirst()
  if (!row) throw new HubError('HUB_NOT_FOUND', `no incident ${incidentId}`)
  return row
}

/** What the record says of it; nothing if none was named. Throws as `requireIncident` does. */
export async function incidentLookedAt(
  db: DbOrTransaction,
  who: Scoped,
  incidentId: string | undefined,
): Promise<{ incidentId: string; incident: string } | undefined> {
  if (incidentId === undefined) return undefined
  const { number } = await requireIncident(db, who, incidentId)
  return { incidentId, incident: number }
}
