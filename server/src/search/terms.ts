/** What an auditor types, as the ids that are meant. */
import { covers } from '@patrolhub/protocol'
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { inScope, type Scoped } from '../access/scope.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

/** A word that names more than this many is too short. */
const MAX_NAMED = 200

/** Ids of the accounts whose user name or full name contains this. Throws HUB_BAD_REQUEST if it names too many. */
export async function peopleNamed(db: DbOrTransaction, text: string): Promise<string[]> {
  const rows = await db
    .selectFrom('user_account')
    .select('user_id')
    .where((eb) =>
      eb.or([
        eb('user_id', '=', text),
        contains(eb.ref('username'), text),
        contains(eb.ref('display_name'), text),
      ]),
    )
    .limit(MAX_NAMED + 1)
    .execute()
  return few(
    rows.map((row) => row.user_id),
    'person',
  )
}

/**
 * Ids of the cameras inside the scope whose name contains this; and what was typed, which may be the id of a camera that
 * is not there any more. Throws HUB_BAD_REQUEST if it names too many.
 */
export async function camerasNamed(db: DbOrTransaction, who: Scoped, text: string): Promise<string[]> {
  const rows = await db
    .selectFrom('device')
    .select('device_id')
    .where('kind', '=', 'camera')
    .where((eb) => contains(eb.ref('name'), text))
    .where((eb) => inScope(who, eb.ref('region')))
    .limit(MAX_NAMED + 1)
    .execute()
  return [
    ...new Set([
      text,
      ...few(
        rows.map((row) => row.device_id),
        'camera',
      ),
    ]),
  ]
}

/** The id of the incident with this number or id, if it lies inside the scope. */
export async function incidentNamed(
  db: DbOrTransaction,
  who: Scoped,
  text: string,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('incident')
    .select(['incident_id', 'region'])
    .where((eb) => eb.or([eb('incident_id', '=', text), eb('number', '=', text)]))
    .executeTakeFirst()
  return row && covers(who.scope, row.region) ? row.incident_id : undefined
}

/** Whatever the case of its letters; on both engines. */
function contains(column: Expression<string>, text: string): RawBuilder<SqlBool> {
  const pattern = `%${text.toLowerCase().replaceAll(/[\\%_]/g, (sign) => `\\${sign}`)}%`
  return sql<SqlBool>`lower(${column}) like ${pattern} escape '\\'`
}

function few(ids: string[], name: string): string[] {
  if (ids.length <= MAX_NAMED) return ids
  throw new HubError(
    'HUB_BAD_REQUEST',
    `${name}: more than ${MAX_NAMED} are named like this; type more of the name`,
  )
}
