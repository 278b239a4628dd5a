/** Evidence: every row that says its bytes are here, against the files; and files that no row names. */
import { randomInt } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { fingerprint } from '../backup/manifest.ts'
import type { Finding } from './doctor.ts'

/** Files hashed when not all are. */
const SAMPLE = 200
const SHOWN = 10

export async function checkEvidence(
  database: DatabaseSync,
  folder: string,
  isFull: boolean,
): Promise<Finding[]> {
  const check = 'evidence'
  const rows = database
    .prepare(
      'select sha256, min(bytes) as bytes from evidence where stored_at_ms is not null group by sha256',
    )
    .all() as { sha256: string; bytes: number }[]
  const problems: string[] = []
  const whole: { sha256: string; path: string }[] = []
  for (const { sha256, bytes } of rows) {
    const path = join(folder, sha256.slice(0, 2), sha256)
    const size = await sizeOf(path)
    if (size === undefined) problems.push(`${sha256} is missing`)
    else if (size !== bytes) problems.push(`${sha256} has ${size} bytes, not ${bytes}`)
    else whole.push({ sha256, path })
  }
  const hashed = isFull ? whole : sample(whole)
  for (const { sha256, path } of hashed) {
    const found = await fingerprint(path)
    if (found.sha256 !== sha256) problems.push(`${sha256} has other content`)
  }
  const known = new Set(rows.map(({ sha256 }) => sha256))
  const spare = (await namesIn(folder)).filter((name) => !known.has(name)).length
  const looked = `${rows.length} files, ${hashed.length} of them hashed${isFull ? '' : ' (--full hashes all)'}`
  const findings: Finding[] = [
    problems.length === 0
      ? { check, level: 'ok', message: looked }
      : {
          check,
          level: 'problem',
          message: `${problems.length} of ${looked}: ${problems.slice(0, SHOWN).join('; ')}`,
          advice: `look at the disk; take these files from a backup, evidence/<first two digits>/<hash>`,
        },
  ]
  if (spare > 0) {
    findings.push({
      check,
      level: 'note',
      message: `${spare} files that no row names; they harm nobody, and the hub removes them`,
    })
  }
  const { missing } = database
    .prepare('select count(*) as missing from evidence where missing_at_ms is not null')
    .get() as { missing: number }
  if (missing > 0) {
    findings.push({ check, level: 'note', message: `the bytes of ${missing} records never came` })
  }
  return findings
}

function sample<T>(all: readonly T[]): T[] {
  if (all.length <= SAMPLE) return [...all]
  const from = randomInt(all.length)
  const step = all.length / SAMPLE
  return Array.from({ length: SAMPLE }, (_, index) => all[(from + Math.floor(index * step)) % all.length]!)
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Names of all files that lie under a hash. */
async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = []
  const folders = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of folders) {
    if (/^[0-9a-f]{2}$/.test(name)) names.push(...(await readdir(join(folder, name))))
  }
  return names
}
