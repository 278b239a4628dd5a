/** Plates that are looked for: as keyed hashes, and sealed for those who have to read them. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('watch_entry')
    .addColumn('entry_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('plate_hash', 'text', (column) => column.notNull())
    .addColumn('plate_sealed', 'text', (column) => column.notNull())
    .addColumn('plate_masked', 'text', (column) => column.notNull())
    .addColumn('region', 'text', (column) => column.notNull())
    .addColumn('severity', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('instruction', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('requested_by', 'text', (column) => column.notNull())
    .addColumn('requested_name', 'text', (column) => column.notNull())
    .addColumn('decided_name', 'text')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('begin_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('end_at_ms', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('watch_entry_by_state')
    .on('watch_entry')
    .columns(['state', 'end_at_ms'])
    .execute()
}
