/** Brings a relational store up to the tables of this version. Every migration runs in one transaction or not at all. */
import { type Kysely, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { HubError } from '../errors.ts'
import * as first from './001-first.ts'
import * as changes from './002-changes.ts'
import * as evidenceHold from './003-evidence-hold.ts'
import * as lists from './004-lists.ts'
import * as access from './005-access.ts'
import * as grantPolicy from './006-grant-policy.ts'
import * as history from './007-history.ts'
import * as groupsPlans from './008-groups-plans.ts'
import * as record from './009-record.ts'
import * as edgeSettings from './010-edge-settings.ts'
import * as watchList from './011-watch-list.ts'
import * as plateSightings from './012-plate-sightings.ts'
import * as plateReadings from './014-plate-readings.ts'

/** In order; names are for ever. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '001-first': first,
  '002-changes': changes,
  '003-evidence-hold': evidenceHold,
  '004-lists': lists,
  '005-access': access,
  '006-grant-policy': grantPolicy,
  '007-history': history,
  '008-groups-plans': groupsPlans,
  '009-record': record,
  '010-edge-settings': edgeSettings,
  '011-watch-list': watchList,
  '012-plate-sightings': plateSightings,
  '014-plate-readings': plateReadings,
}

/** Of this version, in order. */
export const MIGRATION_NAMES: readonly string[] = Object.keys(MIGRATIONS)

/**
 * Runs what is missing and answers the names of what ran. Throws HUB_DATABASE_NEWER if the store has a migration that
 * this version does not know: an older hub must not write into it.
 */
export async function migrate(db: Kysely<unknown>, storeName: string): Promise<string[]> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    migrationTableName: 'schema_migration',
    migrationLockTableName: 'schema_migration_lock',
    // Each stands for itself, so one with a smaller number may come to a store that has later ones.
    allowUnorderedMigrations: true,
  })
  const unknown = (await appliedMigrations(db)).filter((name) => !(name in MIGRATIONS))
  if (unknown.length > 0) {
    throw new HubError(
      'HUB_DATABASE_NEWER',
      `${storeName} was written by a newer version of the hub (migration ${unknown.join(', ')}); ` +
        'start that version, or restore a backup made before it',
    )
  }
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) {
    const failed = results?.find((result) => result.status === 'Error')?.migrationName
    throw new HubError(
      'HUB_DATABASE',
      `${storeName}: migration ${failed ?? ''} failed: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
  return (results ?? []).map((result) => result.migrationName)
}

async function appliedMigrations(db: Kysely<unknown>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some((table) => table.name === 'schema_migration')) return []
  const { rows } = await sql<{ name: string }>`select name from schema_migration order by name`.execute(db)
  return rows.map((row) => row.name)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
