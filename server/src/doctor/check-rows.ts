/** The relational file: its pages, its references, its version, and the chain of the record. */
import type { DatabaseSync } from 'node:sqlite'
import { CHAIN_START, entryOf, verifyChain } from '../audit/chain.ts'
import { MIGRATION_NAMES } from '../migrations/migrate.ts'
import type { AuditTable } from '../ports/tables.ts'
import type { Finding } from './doctor.ts'

const RESTORE = 'stop the hub, keep this folder as it is, and restore the last good backup into an empty one'
const PAGE = 1000
const SHOWN = 5

export function checkRows(database: DatabaseSync): Finding[] {
  const faults = (database.prepare('pragma integrity_check(20)').all() as { integrity_check: string }[])
    .map((row) => row.integrity_check)
    .filter((fault) => fault !== 'ok')
  if (faults.length > 0) {
    const message = `hub.sqlite is damaged: ${faults.slice(0, SHOWN).join('; ')}`
    return [{ check: 'rows', level: 'problem', message, advice: RESTORE }]
  }
  const loose = database.prepare('pragma foreign_key_check').all() as { table: string }[]
  const findings: Finding[] =
    loose.length === 0
      ? [{ check: 'rows', level: 'ok', message: 'hub.sqlite is whole' }]
      : [
          {
            check: 'rows',
            level: 'problem',
            message: `${loose.length} rows name others that are not there, in ${[...new Set(loose.map(({ table }) => table))].join(', ')}`,
            advice: RESTORE,
          },
        ]
  return [...findings, checkVersion(database), checkRecord(database)]
}

function checkVersion(database: DatabaseSync): Finding {
  const check = 'version'
  const applied = (database.prepare('select name from schema_migration').all() as { name: string }[]).map(
    ({ name }) => name,
  )
  const unknown = applied.filter((name) => !MIGRATION_NAMES.includes(name))
  if (unknown.length > 0) {
    const message = `written by a newer hub (${unknown.join(', ')})`
    return { check, level: 'problem', message, advice: 'start that version, or restore an older backup' }
  }
  const missing = MIGRATION_NAMES.filter((name) => !applied.includes(name))
  return missing.length > 0
    ? { check, level: 'note', message: `the next start brings it up to date (${missing.join(', ')})` }
    : { check, level: 'ok', message: 'of this version' }
}

function checkRecord(database: DatabaseSync): Finding {
  const check = 'record'
  const page = database.prepare(`select * from audit where seq > ? order by seq limit ${PAGE}`)
  let after = { seq: 0, hash: CHAIN_START }
  let entries = 0
  for (;;) {
    const rows = page.all(after.seq) as unknown as AuditTable[]
    const result = verifyChain(rows.map(entryOf), after)
    if (!result.ok) {
      const advice = 'keep this folder as it is: somebody has changed the record; compare it with a backup'
      return { check, level: 'problem', message: result.reason, advice }
    }
    entries += result.entries
    if (rows.length < PAGE) return { check, level: 'ok', message: `${entries} entries, chain whole` }
    after = { seq: rows.at(-1)!.seq, hash: result.lastHash }
  }
}
