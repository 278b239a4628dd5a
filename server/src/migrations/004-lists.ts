/**
 * Lists and counts that stay quick with a million incidents: indexes that answer "the newest inside a scope" and "the
 * open ones inside a scope" without looking at each row of the scope, and counts by region that are kept while alerts
 * come in. They replace the narrower ones of before.
 */
import { type Kysely, sql } from 'kysely'

const GONE = [
  'incident_by_region_state',
  'incident_by_opened_at_ms_region',
  'incident_by_state_opened_at_ms',
  'alert_by_region_at_ms',
  'alert_by_at_ms_region',
  'dispatch_by_region_state',
] as const

/** Time, then id: the order of a page. The rest is what a condition or the answer needs, so no row is looked up. */
export const LIST_INDEXES = [
  ['incident', ['region', 'opened_at_ms', 'incident_id', 'state']],
  ['incident', ['state', 'region', 'opened_at_ms', 'incident_id']],
  ['incident', ['opened_at_ms', 'incident_id', 'region', 'state']],
  ['alert', ['region', 'at_ms', 'alert_id']],
  ['alert', ['at_ms', 'alert_id', 'region']],
  ['dispatch', ['region', 'created_at_ms', 'dispatch_id', 'state']],
  ['dispatch', ['state', 'region', 'created_at_ms', 'dispatch_id']],
  ['dispatch', ['created_at_ms', 'dispatch_id', 'region', 'state']],
] as const

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const name of GONE) await db.schema.dropIndex(name).execute()
  for (const [table, columns] of LIST_INDEXES) {
    await db.schema
      .createIndex(`${table}_by_${columns.join('_')}`)
      .on(table)
      .columns([...columns])
      .execute()
  }
  await db.schema
    .createTable('region_tally')
    .addColumn('region', 'text', (column) => column.primaryKey().notNull())
    .addColumn('alerts', 'bigint', (column) => column.notNull())
    .addColumn('incidents', 'bigint', (column) => column.notNull())
    .execute()
  await sql`
    insert into region_tally (region, alerts, incidents)
    select region, sum(alerts), sum(incidents) from (
      select region, count(*) as alerts, 0 as incidents from alert group by region
      union all
      select region, 0 as alerts, count(*) as incidents from incident group by region
    ) as counted group by region`.execute(db)
}
