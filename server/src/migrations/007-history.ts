/**
 * History under a grant: the span that a grant is for, how long a span the policy allows, and the packages that were
 * exported under one.
 */
import type { Kysely } from 'kysely'

/** As long as live video may be watched, as it was shipped. */
const MAX_HISTORY_MINUTES = { public: 240, controlled: 120, restricted: 60 } as const

interface Tables {
  grant_policy: { sensitivity: string; max_history_minutes: number }
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('grant_policy')
    .addColumn('max_history_minutes', 'integer', (column) => column.notNull().defaultTo(60))
    .execute()
  for (const [sensitivity, minutes] of Object.entries(MAX_HISTORY_MINUTES)) {
    await (db as Kysely<Tables>)
      .updateTable('grant_policy')
      .set({ max_history_minutes: minutes })
      .where('sensitivity', '=', sensitivity)
      .execute()
  }
  for (const column of ['history_from_ms', 'history_to_ms']) {
    await db.schema.alterTable('viewing_grant').addColumn(column, 'bigint').execute()
  }
  await db.schema
    .createTable('export')
    .addColumn('export_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('grant_id', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('camera_id', 'text', (column) => column.notNull())
    .addColumn('region', 'text', (column) => column.notNull())
    .addColumn('from_ms', 'bigint', (column) => column.notNull())
    .addColumn('to_ms', 'bigint', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('problem', 'text', (column) => column.notNull().defaultTo(''))
    .addColumn('hub_id', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint')
    .addColumn('sha256', 'text')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_at_ms', 'bigint')
    .execute()
  await db.schema
    .createIndex('export_by_user_id')
    .on('export')
    .columns(['user_id', 'created_at_ms'])
    .execute()
  await db.schema.createIndex('export_by_state').on('export').columns(['state']).execute()
}
