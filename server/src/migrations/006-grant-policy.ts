/**
 * What each sensitivity of a camera asks of who wants to watch it, as rows that an administrator changes; and the scope
 * from which a camera outside it was asked for.
 */
import type { Kysely } from 'kysely'

/** As it was decided before there were rows. */
const ROWS = [
  ['public', 240, 0, 0],
  ['controlled', 120, 1, 0],
  ['restricted', 60, 1, 1],
] as const

interface Tables {
  grant_policy: {
    sensitivity: string
    max_minutes: number
    needs_note: number
    needs_incident: number
    needs_second_person: number
    outside: string
  }
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('grant_policy')
    .addColumn('sensitivity', 'text', (column) => column.primaryKey().notNull())
    .addColumn('max_minutes', 'integer', (column) => column.notNull())
    .addColumn('needs_note', 'integer', (column) => column.notNull())
    .addColumn('needs_incident', 'integer', (column) => column.notNull())
    .addColumn('needs_second_person', 'integer', (column) => column.notNull())
    .addColumn('outside', 'text', (column) => column.notNull())
    .execute()
  await (db as Kysely<Tables>)
    .insertInto('grant_policy')
    .values(
      ROWS.map(([sensitivity, maxMinutes, needsNote, needsSecondPerson]) => ({
        sensitivity,
        max_minutes: maxMinutes,
        needs_note: needsNote,
        needs_incident: 0,
        needs_second_person: needsSecondPerson,
        outside: 'no',
      })),
    )
    .execute()
  await db.schema.alterTable('viewing_grant').addColumn('asked_from', 'text').execute()
  await db.schema
    .createIndex('viewing_grant_by_incident_id')
    .on('viewing_grant')
    .columns(['incident_id'])
    .execute()
}
