/** Where plates have been of late, by their hashes, so that one that is at two places at once is noticed. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('plate_sighting')
    .addColumn('plate_hash', 'text', (column) => column.notNull())
    .addColumn('checkpoint_id', 'text', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addColumn('is_told', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('plate_sighting_key', ['plate_hash', 'checkpoint_id', 'at_ms'])
    .execute()
  await db.schema.createIndex('plate_sighting_by_time').on('plate_sighting').column('at_ms').execute()
}
