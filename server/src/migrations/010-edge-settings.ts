/**
 * Settings that engineers give an edge from the hub: every version with what became of it; and how the box of an edge
 * does.
 */
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('edge_settings')
    .addColumn('edge_id', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('note', 'text', (column) => column.notNull())
    .addColumn('made_by', 'text', (column) => column.notNull())
    .addColumn('made_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('problems', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('edge_settings_key', ['edge_id', 'version'])
    .execute()
  await db.schema.alterTable('edge').addColumn('health', 'text').execute()
}
