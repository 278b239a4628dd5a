/** PostgreSQL under the hubs of this file's neighbours: which server they use, if any. */
import type { PostgresServer } from '../../../test/support/postgres.ts'

export { findPostgres, type PostgresServer, startPostgres } from '../../../test/support/postgres.ts'

let engine: PostgresServer | undefined

/** From now on every hub of this file's support functions gets an empty database of this server; `undefined` ends it. */
export function useEngine(server: PostgresServer | undefined): void {
  engine = server
}

/** Settings of the relational store for one hub: none, which is SQLite in its folder, unless a server is in use. */
export async function engineEnv(): Promise<Record<string, string>> {
  if (!engine) return {}
  return { PATROLHUB_RELATIONAL: 'postgres', PATROLHUB_POSTGRES_URL: await engine.freshDatabase() }
}
