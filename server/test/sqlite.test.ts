/** What is SQLite's own; what every engine has to do stands in relational-contract.test.ts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlite } from '../src/adapters/relational/sqlite.ts'
import type { Relational } from '../src/ports/relational.ts'

const log = pino({ level: 'silent' })
let folder: string
let open: Relational[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-sqlite-'))
})
afterEach(async () => {
  for (const relational of open) await relational.close()
  open = []
  await rm(folder, { recursive: true, force: true })
})

async function store(file = join(folder, 'deep', 'hub.sqlite')): Promise<Relational> {
  const relational = await openSqlite({ file, log })
  open.push(relational)
  return relational
}

describe('the SQLite store', () => {
  it('is durable: WAL, synchronous=FULL, foreign keys on', async () => {
    const { write } = await store()
    const pragma = async (name: string) =>
      Object.values((await sql`pragma ${sql.raw(name)}`.execute(write)).rows[0] as object)[0]
    expect(await pragma('journal_mode')).toBe('wal')
    expect(await pragma('synchronous')).toBe(2)
    expect(await pragma('foreign_keys')).toBe(1)
  })

  it('refuses true as a parameter: SQLite has no such value', async () => {
    const { read } = await store()
    await expect(sql`select * from edge where name = ${true}`.execute(read)).rejects.toThrow(/parameter 1/)
  })

  it('refuses a file that is no database', async () => {
    const garbage = join(folder, 'garbage.sqlite')
    await writeFile(garbage, 'this is not a database, and it is long enough to be read as one '.repeat(40))
    await expect(openSqlite({ file: garbage, log })).rejects.toMatchObject({
      code: 'HUB_DATABASE',
      message: expect.stringContaining('garbage.sqlite'),
    })
  })
})
