/**
 * The record: seals over its entries and the keys that make them; what a viewing is searched by, kept with it, how long
 * it lasted and what is unusual about it; indexes for the auditor's searches.
 */
import { type Kysely, sql } from 'kysely'

/** Equality first, then the order of a page. */
export const RECORD_INDEXES = [
  ['audit', ['actor_id', 'seq']],
  ['audit', ['action', 'seq']],
  ['audit', ['subject', 'seq']],
  ['audit', ['at_ms', 'seq']],
  ['audit_seal', ['seq']],
  ['viewing', ['opened_at_ms', 'viewing_id', 'region']],
  ['viewing', ['region', 'opened_at_ms', 'viewing_id']],
  ['viewing', ['user_id', 'opened_at_ms', 'viewing_id']],
  ['viewing', ['incident_id', 'opened_at_ms']],
  ['viewing', ['closed_at_ms']],
  ['viewing_mark', ['mark', 'viewing_id']],
] as const

async function seals(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit_key')
    .addColumn('key_no', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('key_id', 'text', (column) => column.notNull().unique())
    .addColumn('public_key', 'text', (column) => column.notNull())
    .addColumn('from_seal', 'bigint', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addColumn('signed_by', 'text', (column) => column.notNull())
    .addColumn('signature', 'text', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('audit_seal')
    .addColumn('seal_no', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('previous_seal', 'text', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addColumn('key_id', 'text', (column) => column.notNull())
    .addColumn('signature', 'text', (column) => column.notNull())
    .execute()
}

async function viewings(db: Kysely<unknown>): Promise<void> {
  const text = ['region', 'purpose'] as const
  for (const column of text) {
    await db.schema
      .alterTable('viewing')
      .addColumn(column, 'text', (added) => added.notNull().defaultTo(''))
      .execute()
  }
  await db.schema.alterTable('viewing').addColumn('incident_id', 'text').execute()
  await db.schema
    .alterTable('viewing')
    .addColumn('seconds', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
  await sql`
    update viewing set
      region = (select region from viewing_grant where viewing_grant.grant_id = viewing.grant_id),
      purpose = (select purpose from viewing_grant where viewing_grant.grant_id = viewing.grant_id),
      incident_id = (select incident_id from viewing_grant where viewing_grant.grant_id = viewing.grant_id),
      seconds = coalesce((closed_at_ms - opened_at_ms) / 1000, 0)`.execute(db)
  await db.schema
    .createTable('viewing_mark')
    .addColumn('viewing_id', 'text', (column) =>
      column.notNull().references('viewing.viewing_id').onDelete('cascade'),
    )
    .addColumn('mark', 'text', (column) => column.notNull())
    .addColumn('found', 'bigint')
    .addColumn('allowed', 'bigint')
    .addPrimaryKeyConstraint('viewing_mark_key', ['viewing_id', 'mark'])
    .execute()
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await seals(db)
  await viewings(db)
  for (const [table, columns] of RECORD_INDEXES) {
    await db.schema
      .createIndex(`${table}_by_${columns.join('_')}`)
      .on(table)
      .columns([...columns])
      .execute()
  }
}
