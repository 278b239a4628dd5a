/** What is PostgreSQL's own; what every engine has to do stands in relational-contract.test.ts. */
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../src/adapters/relational/postgres.ts'
import type { Relational } from '../src/ports/relational.ts'
import { reportMissingPostgres } from './support/missing-postgres.ts'
import { findPostgres, type PostgresServer, startPostgres } from './support/postgres.ts'

const log = pino({ level: 'silent' })
const programs = await findPostgres()
let server: PostgresServer

if (programs === undefined) reportMissingPostgres()

const edge = (edgeId: string) => ({
  edge_id: edgeId,
  name: 'North gate',
  region: '4105',
  token_hash: 'x',
  state: 'never seen',
  last_seen_at_ms: null as number | null,
  software: '',
  detector_id: null,
})

function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error) => error,
  )
}

describe.runIf(programs)('the PostgreSQL store', () => {
  let url: string
  let store: Relational
  beforeAll(async () => {
    server = await startPostgres(programs!)
  })
  afterAll(() => server?.close())
  beforeEach(async () => {
    url = await server.freshDatabase()
    store = await openPostgres({ url, log })
  })
  afterEach(() => store.close())

  const addEdge = (edgeId: string) => store.write.insertInto('edge').values(edge(edgeId)).execute()

  it('is away for a while: statements fail as temporary, and go on when it is back', async () => {
    await addEdge('e1')
    const { promise: isInside, resolve: enter } = Promise.withResolvers<void>()
    const { promise: isBack, resolve: goOn } = Promise.withResolvers<void>()
    const interrupted = failure(
      store.write.transaction().execute(async (trx) => {
        await trx.insertInto('edge').values(edge('e2')).execute()
        enter()
        await isBack
        await trx.insertInto('edge').values(edge('e3')).execute()
      }),
    )
    await isInside
    await server.restart()
    goOn()
    expect(store.isTemporary(await interrupted)).toBe(true)
    const deadline = Date.now() + 10_000
    for (let error = await failure(addEdge('e4')); error; error = await failure(addEdge('e4'))) {
      expect(store.isTemporary(error), String(error)).toBe(true)
      if (Date.now() > deadline) throw error
    }
    // A reader whose connection was cut says so once at most, then has a new one.
    await failure(store.read.selectFrom('edge').select('edge_id').execute())
    const rows = await store.read.selectFrom('edge').select('edge_id').orderBy('edge_id').execute()
    expect(rows.map((row) => row.edge_id)).toEqual(['e1', 'e4'])
  })

  it('lets go of the lock of a hub that died in a transaction', async () => {
    const other = await openPostgres({ url, log })
    const { promise: isInside, resolve: enter } = Promise.withResolvers<number>()
    const died = failure(
      other.write.transaction().execute(async (trx) => {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
        enter(rows[0]!.pid)
        await sql`select pg_sleep(60)`.execute(trx)
      }),
    )
    const pid = await isInside
    const waiting = store.write
      .transaction()
      .execute((trx) => trx.insertInto('edge').values(edge('e1')).execute())
    await server.administer(`select pg_terminate_backend(${pid})`)
    expect(store.isTemporary(await died)).toBe(true)
    await waiting
    await other.close()
  })

  it('answers a commit only when it is on the disk, also if the server would not by itself', async () => {
    const database = new URL(url).pathname.slice(1)
    await server.administer(`alter database ${database} set synchronous_commit = off`)
    const hub = await openPostgres({ url, log })
    const setting = async (name: string) =>
      (await sql<{ value: string }>`select current_setting(${name}) as value`.execute(hub.write)).rows[0]!
        .value
    expect(await setting('synchronous_commit')).toBe('on')
    expect(await setting('idle_in_transaction_session_timeout')).toBe('30s')
    await hub.close()
  })

  it('has its order of text from the hub alone: the server itself orders as a language does', async () => {
    const [row] = await server.administer(`select ':' < '0' as is_language_order`)
    expect(row).toEqual({ is_language_order: true })
    const { rows } = await sql<{ column_name: string }>`
      select table_name || '.' || column_name as column_name from information_schema.columns
      where table_schema = 'public' and table_name not like 'schema_migration%'
        and data_type = 'text' and collation_name is distinct from 'C'`.execute(store.read)
    expect(rows).toEqual([])
  })

  it('that cannot be used ends the start with its place and its reason, never its password', async () => {
    const wrong = new URL(url)
    wrong.password = 'open-sesame'
    const nowhere = new URL(url)
    nowhere.pathname = '/nothing'
    const refused = 'postgres://admin:open-sesame@127.0.0.1:1/hub'
    for (const [address, reason] of [
      [wrong.href, /authentication failed/],
      [nowhere.href, /"nothing" does not exist/],
      [refused, /ECONNREFUSED/],
    ] as const) {
      const error = (await failure(openPostgres({ url: address, log }))) as Error
      expect(error).toMatchObject({ code: 'HUB_DATABASE', message: expect.stringMatching(reason) })
      expect(error.message).not.toContain('open-sesame')
    }
  })
})
