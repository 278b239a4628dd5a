/** Opens the relational store that the configuration names. */
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { HubConfig } from '../../config.ts'
import type { Relational } from '../../ports/relational.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

export type RelationalSettings = Pick<HubConfig, 'relational' | 'postgresUrl' | 'dataDir'>

/** Throws HUB_DATABASE or HUB_DATABASE_NEWER that say what to do. */
export function openRelational(config: RelationalSettings, log: Logger): Promise<Relational> {
  switch (config.relational) {
    case 'sqlite':
      return openSqlite({ file: join(config.dataDir, 'hub.sqlite'), log })
    case 'postgres':
      return openPostgres({ url: config.postgresUrl!, log })
  }
}
