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

const edge = (edgeId: string) => ({
  edge_id: edgeId,
  name: 'North gate',
  region: '410502',
  token_hash: 'x',
  state: 'never seen',
  last_seen_at_ms: null,
  software: '',
  detector_id: null,
})

describe('the SQLite store', () => {
  it('is durable: WAL, synchronous=FULL, foreign keys on', async () => {
    const { write, read } = await store()
    const pragma = async (name: string) =>
      Object.values((await sql`pragma ${sql.raw(name)}`.execute(write)).rows[0] as object)[0]
    expect(await pragma('journal_mode')).toBe('wal')
    expect(await pragma('synchronous')).toBe(2)
    expect(await pragma('foreign_keys')).toBe(1)
    await expect(read.insertInto('edge').values(edge('e1')).execute()).rejects.toThrow(/readonly|query_only/)
  })

  it('commits to every reader what a transaction wrote, and nothing of one that failed', async () => {
    const { write, read } = await store()
    await write.transaction().execute(async (trx) => {
      await trx.insertInto('edge').values(edge('e1')).execute()
      expect(await read.selectFrom('edge').selectAll().execute()).toEqual([])
    })
    await expect(
      write.transaction().execute(async (trx) => {
        await trx.insertInto('edge').values(edge('e2')).execute()
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await read.selectFrom('edge').select('edge_id').execute()).toEqual([{ edge_id: 'e1' }])
  })

  it('runs transactions one after another', async () => {
    const { write } = await store()
    await write.insertInto('setting').values({ name: 'n', value: '0' }).execute()
    await Promise.all(
      Array.from({ length: 50 }, () =>
        write.transaction().execute(async (trx) => {
          const { value } = await trx.selectFrom('setting').selectAll().executeTakeFirstOrThrow()
          await trx
            .updateTable('setting')
            .set({ value: String(Number(value) + 1) })
            .execute()
        }),
      ),
    )
    expect((await write.selectFrom('setting').selectAll().executeTakeFirstOrThrow()).value).toBe('50')
  })

  it('names the violation, and nothing else', async () => {
    const relational = await store()
    const { write } = relational
    await write.insertInto('edge').values(edge('e1')).execute()
    const failure = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        (error) => error,
      )
    const twice = await failure(write.insertInto('edge').values(edge('e1')).execute())
    const orphan = await failure(
      write
        .insertInto('cursor')
        .values({ edge_id: 'e9', stream: 's', epoch: 'e', seq: 1, updated_at_ms: 1 })
        .execute(),
    )
    const missing = await failure(sql`insert into setting (name) values ('a')`.execute(write))
    const syntax = await failure(sql`selct 1`.execute(write))
    expect([twice, orphan, missing, syntax].map((error) => relational.violation(error))).toEqual([
      'unique',
      'foreign-key',
      'not-null',
      undefined,
    ])
  })

  it('refuses an object as a parameter, which node:sqlite would take as names and find nothing', async () => {
    const { read } = await store()
    for (const value of [new Date(), {}, [], true, undefined, Number.NaN]) {
      await expect(sql`select * from edge where name = ${value}`.execute(read)).rejects.toThrow(/parameter 1/)
    }
  })

  it('refuses a database that a newer hub wrote, and a file that is no database', async () => {
    const file = join(folder, 'hub.sqlite')
    const first = await store(file)
    await sql`insert into schema_migration (name, timestamp) values ('999-later', '')`.execute(first.write)
    await first.close()
    await expect(openSqlite({ file, log })).rejects.toMatchObject({
      code: 'HUB_DATABASE_NEWER',
      message: expect.stringContaining('999-later'),
    })
    const garbage = join(folder, 'garbage.sqlite')
    await writeFile(garbage, 'this is not a database, and it is long enough to be read as one '.repeat(40))
    await expect(openSqlite({ file: garbage, log })).rejects.toMatchObject({
      code: 'HUB_DATABASE',
      message: expect.stringContaining('garbage.sqlite'),
    })
  })

  it('lets two open it at once on a fresh file: one migrates, both work', async () => {
    const file = join(folder, 'hub.sqlite')
    const [one, two] = await Promise.all([store(file), store(file)])
    await one!.write.insertInto('edge').values(edge('e1')).execute()
    await two!.write.insertInto('edge').values(edge('e2')).execute()
    expect((await one!.read.selectFrom('edge').select('edge_id').execute()).length).toBe(2)
  })
})
