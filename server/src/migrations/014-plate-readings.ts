/** When accounts have read a plate in clear, so that they may do it only so often: the same count at every hub. */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('plate_reading')
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('plate_reading_by_user')
    .on('plate_reading')
    .columns(['user_id', 'at_ms'])
    .execute()
}
