/** The relational file: its pages, its references, its version, and the record. */
import type { DatabaseSync } from 'node:sqlite'
import { entryOf } from '../audit/chain.ts'
import { keyOf, sealOf } from '../audit/record-rows.ts'
import { RecordVerifier } from '../audit/verify-record.ts'
import { MIGRATION_NAMES } from '../migrations/migrate.ts'
import type { AuditKeyTable, AuditSealTable, AuditTable } from '../ports/tables.ts'
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
  const advice = 'keep this folder as it is: somebody has changed the record; compare it with a backup'
  const broken = (message: string): Finding => ({ check, level: 'problem', message, advice })
  const verifier = new RecordVerifier()
  // Before the migration that brings the seals there are none.
  const hasSeals =
    database.prepare("select 1 from sqlite_schema where name = 'audit_seal'").get() !== undefined
  const rowsOf = <Row>(statement: string): Row[] => database.prepare(statement).all() as Row[]
  const keys = hasSeals ? rowsOf<AuditKeyTable>('select * from audit_key order by key_no') : []
  // Seals first: a hub that runs beside adds entries and seals meanwhile.
  const seals = hasSeals ? rowsOf<AuditSealTable>('select * from audit_seal order by seal_no') : []
  for (const key of keys) {
    const wrong = verifier.take({ kind: 'key', ...keyOf(key) })
    if (wrong) return broken(wrong.reason)
  }
  const page = database.prepare(`select * from audit where seq > ? order by seq limit ${PAGE}`)
  let next = 0
  const takeSeals = (upTo: number) => {
    while (seals[next] && seals[next]!.seq <= upTo) {
      const wrong = verifier.take({ kind: 'seal', ...sealOf(seals[next++]!) })
      if (wrong) return wrong
    }
    return undefined
  }
  for (;;) {
    const rows = page.all(verifier.at.seq) as unknown as AuditTable[]
    for (const row of rows) {
      const wrong = verifier.take({ kind: 'entry', ...entryOf(row) }) ?? takeSeals(row.seq)
      if (wrong) return broken(wrong.reason)
    }
    if (rows.length < PAGE) break
  }
  const wrong = takeSeals(Number.MAX_SAFE_INTEGER)
  if (wrong) return broken(wrong.reason)
  const { entries, seals: sealed } = verifier.counts
  return { check, level: 'ok', message: `${entries} entries, ${sealed} seals, whole` }
}
