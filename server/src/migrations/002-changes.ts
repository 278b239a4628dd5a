/**
 * What several hubs on one store share: the log of changes that every hub pushes from, the leases under which one of
 * them does what must be done once, deadlines that were missed, and whose player a viewing is.
 */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('change')
    .addColumn('revision', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('subject_id', 'text', (column) => column.notNull())
    .addColumn('detail', 'text', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('lease')
    .addColumn('name', 'text', (column) => column.primaryKey().notNull())
    .addColumn('holder', 'text', (column) => column.notNull())
    .addColumn('beat', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('missed_deadline')
    .addColumn('dispatch_id', 'text', (column) => column.notNull().references('dispatch.dispatch_id'))
    .addColumn('deadline', 'text', (column) => column.notNull())
    .addColumn('due_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('noted_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('missed_deadline_key', ['dispatch_id', 'deadline'])
    .execute()
  await db.schema
    .alterTable('viewing')
    .addColumn('hub_id', 'text', (column) => column.notNull().defaultTo(''))
    .execute()
  await db.schema
    .createIndex('dispatch_by_state_created_at_ms')
    .on('dispatch')
    .columns(['state', 'created_at_ms'])
    .execute()
}
