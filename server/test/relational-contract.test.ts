/** What every relational engine has to do, run against SQLite and against a real PostgreSQL. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inScope } from '../src/access/scope.ts'
import { openPostgres } from '../src/adapters/relational/postgres.ts'
import { openSqlite } from '../src/adapters/relational/sqlite.ts'
import { auditFeature } from '../src/audit/audit-feature.ts'
import { correlate } from '../src/incidents/correlate.ts'
import { CursorMovedError, moveCursors, openCursors, setAside } from '../src/ingest/cursor-store.ts'
import { LIST_INDEXES } from '../src/migrations/004-lists.ts'
import type { Relational } from '../src/ports/relational.ts'
import { reportMissingPostgres } from './support/missing-postgres.ts'
import { alertRecord } from './support/people.ts'
import { findPostgres, type PostgresServer, startPostgres } from './support/postgres.ts'

const log = pino({ level: 'silent' })
const WINDOW_MS = 300_000

/** One store; each `open` is what another hub on it would have. */
interface Place {
  open(): Promise<Relational>
  close(): Promise<void>
}
interface Engine {
  name: string
  start(): Promise<void>
  place(): Promise<Place>
  stop(): Promise<void>
}

const sqlite: Engine = {
  name: 'SQLite',
  start: async () => {},
  async place() {
    const folder = await mkdtemp(join(tmpdir(), 'patrolhub-sqlite-'))
    return {
      open: () => openSqlite({ file: join(folder, 'hub.sqlite'), log }),
      close: () => rm(folder, { recursive: true, force: true }),
    }
  },
  stop: async () => {},
}

const programs = await findPostgres()
let server: PostgresServer
const postgres: Engine = {
  name: 'PostgreSQL',
  async start() {
    server = await startPostgres(programs!)
  },
  async place() {
    const url = await server.freshDatabase()
    return { open: () => openPostgres({ url, log }), close: async () => {} }
  },
  stop: async () => server?.close(),
}

if (programs === undefined) reportMissingPostgres()

const edge = (edgeId: string, region = '4105') => ({
  edge_id: edgeId,
  name: 'North gate',
  region,
  token_hash: 'x',
  state: 'never seen',
  last_seen_at_ms: null as number | null,
  software: '',
  detector_id: null,
  health: null,
})

function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error) => error,
  )
}

describe.each(programs ? [sqlite, postgres] : [sqlite])('the relational store in $name', (engine) => {
  let place: Place
  let store: Relational
  const opened: Relational[] = []
  const openAnother = async () => {
    const another = await place.open()
    opened.push(another)
    return another
  }
  beforeAll(() => engine.start())
  afterAll(() => engine.stop())
  beforeEach(async () => {
    place = await engine.place()
    store = await openAnother()
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close()
    await place.close()
  })

  describe('a transaction', () => {
    it('shows every reader what it wrote once it is committed, and not before', async () => {
      const { write, read } = store
      await write.transaction().execute(async (trx) => {
        await trx.insertInto('edge').values(edge('e1')).execute()
        expect(await read.selectFrom('edge').selectAll().execute()).toEqual([])
      })
      expect(await read.selectFrom('edge').selectAll().execute()).toMatchObject([edge('e1')])
    })

    it('leaves nothing if it fails, by the caller or by a statement', async () => {
      const { write, read } = store
      const byCaller = write.transaction().execute(async (trx) => {
        await trx.insertInto('edge').values(edge('e1')).execute()
        throw new Error('no')
      })
      await expect(byCaller).rejects.toThrow('no')
      const byStatement = write.transaction().execute(async (trx) => {
        await trx.insertInto('edge').values(edge('e2')).execute()
        await trx.insertInto('edge').values(edge('e2')).execute()
      })
      expect(store.violation(await failure(byStatement))).toBe('unique')
      expect(await read.selectFrom('edge').selectAll().execute()).toEqual([])
    })

    it('may read a value and write the next one, however many hubs do so at once', async () => {
      await store.write.insertInto('setting').values({ name: 'n', value: '0' }).execute()
      const hubs = [store, await openAnother(), await openAnother()]
      const increments = Array.from({ length: 60 }, (_, index) =>
        hubs[index % hubs.length]!.write.transaction().execute(async (trx) => {
          const { value } = await trx.selectFrom('setting').selectAll().executeTakeFirstOrThrow()
          const next = String(Number(value) + 1)
          await trx.updateTable('setting').set({ value: next }).where('name', '=', 'n').execute()
        }),
      )
      await Promise.all(increments)
      expect(await store.read.selectFrom('setting').selectAll().execute()).toEqual([
        { name: 'n', value: '60' },
      ])
    })
  })

  it('refuses to write through a reading connection', async () => {
    await expect(store.read.insertInto('edge').values(edge('e1')).execute()).rejects.toThrow(
      /read-?only|query_only/,
    )
  })

  it('names the violation, and nothing else; none of them passes by itself', async () => {
    const { write } = store
    await write.insertInto('edge').values(edge('e1')).execute()
    const cursor = { edge_id: 'e9', stream: 's', epoch: 'e', seq: 1, updated_at_ms: 1 }
    const failures = [
      await failure(write.insertInto('edge').values(edge('e1')).execute()),
      await failure(write.insertInto('cursor').values(cursor).execute()),
      await failure(sql`insert into setting (name) values ('a')`.execute(write)),
      await failure(sql`selct 1`.execute(write)),
      new Error('another'),
    ]
    expect(failures.map((error) => store.violation(error))).toEqual([
      'unique',
      'foreign-key',
      'not-null',
      undefined,
      undefined,
    ])
    expect(failures.map((error) => store.isTemporary(error))).toEqual(failures.map(() => false))
  })

  it('refuses what is no plain value as a parameter', async () => {
    for (const value of [new Date(), {}, [], undefined, Number.NaN]) {
      const asked = sql`select * from edge where name = ${value}`.execute(store.read)
      await expect(asked, String(value)).rejects.toThrow(/parameter 1/)
    }
    const flagged = { ...account('u1'), is_disabled: true as never }
    await expect(store.write.insertInto('user_account').values(flagged).execute()).rejects.toThrow()
  })

  describe('values', () => {
    it('come back as they were: text of every script, empty text, null, flags', async () => {
      const names = ['安阳市', '🚨 alert', "O'Neil \\ %_", '', 'é', 'e\u0301']
      for (const [index, name] of names.entries()) {
        await store.write
          .insertInto('edge')
          .values({ ...edge(`e${index}`), name })
          .execute()
      }
      const rows = await store.read.selectFrom('edge').selectAll().orderBy('edge_id').execute()
      expect(rows.map((row) => row.name)).toEqual(names)
      expect(rows[0]!.detector_id).toBeNull()
      await store.write.insertInto('user_account').values(account('u1')).execute()
      const found = await store.read.selectFrom('user_account').selectAll().executeTakeFirstOrThrow()
      expect([found.is_disabled, found.must_change_password]).toEqual([0, 1])
      const { rows: compared } = await sql`select 1 = 1 as yes, 1 = 2 as no`.execute(store.read)
      expect(compared).toEqual([{ yes: 1, no: 0 }])
    })

    it('of integers are exact numbers up to 2^53, counts and sums too; beyond, the query fails', async () => {
      const { write, read } = store
      await write
        .insertInto('edge')
        .values({ ...edge('e1'), last_seen_at_ms: Number.MAX_SAFE_INTEGER })
        .execute()
      const one = await read
        .selectFrom('edge')
        .select((eb) => [
          'last_seen_at_ms',
          eb.fn.countAll<number>().as('n'),
          eb.fn.sum<number>('last_seen_at_ms').as('sum'),
        ])
        .groupBy('last_seen_at_ms')
        .executeTakeFirstOrThrow()
      expect(one).toEqual({ last_seen_at_ms: 2 ** 53 - 1, n: 1, sum: 2 ** 53 - 1 })
      await sql`update edge set last_seen_at_ms = 9007199254740993`.execute(write)
      await expect(read.selectFrom('edge').selectAll().execute()).rejects.toThrow(/too large/)
    })

    it('of integers that are no times have 64 bits too: a clip may have more than 4 GiB', async () => {
      const clip = {
        ...{ evidence_id: 'v1', alert_id: null, dispatch_id: null, region: '4105', role: 'clip' },
        ...{ mime: 'video/mp4', sha256: 'x', bytes: 5_000_000_000, at_ms: 1, stored_at_ms: null },
      }
      await store.write.insertInto('evidence').values(clip).execute()
      expect(await store.read.selectFrom('evidence').selectAll().execute()).toMatchObject([clip])
    })

    it('that are generated rise with every row', async () => {
      const { write, read } = store
      await write.insertInto('edge').values(edge('e1')).execute()
      const key = { edgeId: 'e1', stream: 'alerts', epoch: 'x' } as const
      const entries = [1, 2, 3].map((seq) => ({ seq, reason: 'bad', payload: { seq } }))
      await write.transaction().execute((trx) => setAside(trx, key, entries, 1))
      const rows = await read.selectFrom('set_aside').select(['id', 'seq']).orderBy('id').execute()
      expect(rows).toEqual([1, 2, 3].map((seq) => ({ id: seq, seq })))
    })
  })

  describe('text', () => {
    it('compares by code, so that a scope holds its divisions and no others', async () => {
      const inside = ['4105', '410502', '410502003', '410502003201']
      const outside = ['4104', '41', '4106', '410', '4106:', '4105:', '4105a', '5105', '']
      for (const region of [...inside, ...outside]) {
        await store.write
          .insertInto('edge')
          .values(edge(`e-${region}`, region))
          .execute()
      }
      const found = await store.read
        .selectFrom('edge')
        .select('region')
        .where((eb) => inScope({ scope: '4105' }, eb.ref('edge.region')))
        .execute()
      expect(found.map((row) => row.region).sort()).toEqual(inside)
    })

    it('is ordered by code too, as pages that continue after an id need it', async () => {
      const ids = ['a', 'B', 'b', 'A', '_', '-', ':', '1', '10', '9', 'é', '中']
      for (const id of ids) await store.write.insertInto('edge').values(edge(id)).execute()
      const { read } = store
      const ordered = await read.selectFrom('edge').select('edge_id').orderBy('edge_id').execute()
      expect(ordered.map((row) => row.edge_id)).toEqual(ids.toSorted())
      const after = await read
        .selectFrom('edge')
        .select('edge_id')
        .where('edge_id', '>', 'B')
        .orderBy('edge_id')
        .execute()
      expect(after.map((row) => row.edge_id)).toEqual(ids.toSorted().slice(ids.toSorted().indexOf('B') + 1))
    })
  })

  describe('hubs that write at once', () => {
    it('put every alert into one incident, number incidents without gaps and keep one chain', async () => {
      await store.write.insertInto('edge').values(edge('e1')).execute()
      const hubs = [store, await openAnother()]
      const receivedAtMs = Date.now()
      const devices = ['cam-01', 'cam-02', 'cam-03']
      const work = Array.from({ length: 60 }, (_, index) => {
        const relational = hubs[index % hubs.length]!
        const audit = auditFeature({ config: { rootScope: '4105' }, relational })
        const record = alertRecord('410502', {
          deviceId: devices[index % devices.length]!,
          atMs: receivedAtMs,
        })
        return relational.write.transaction().execute(async (trx) => {
          const [taken] = await correlate(
            trx,
            [{ record, edge: { edgeId: 'e1', region: '4105' }, receivedAtMs }],
            WINDOW_MS,
          )
          const entry = { actor: undefined, action: 'incident.open', subject: record.alertId, detail: taken }
          await audit.append(trx, entry as never)
        })
      })
      await Promise.all(work)
      const incidents = await store.read
        .selectFrom('incident')
        .select(['device_id', 'number', 'alert_count'])
        .orderBy('device_id')
        .execute()
      expect(incidents.map(({ device_id, alert_count }) => [device_id, alert_count])).toEqual(
        devices.map((device) => [device, 20]),
      )
      const numbers = incidents.map((incident) => incident.number.split('-')[1])
      expect(numbers.sort()).toEqual(['0001', '0002', '0003'])
      const audit = auditFeature({ config: { rootScope: '4105' }, relational: store })
      expect(await audit.verify()).toMatchObject({ ok: true, entries: 60 })
    })

    it('move a cursor once: the others learn that it has moved', async () => {
      await store.write.insertInto('edge').values(edge('e1')).execute()
      const key = { edgeId: 'e1', stream: 'alerts', epoch: randomUUID() } as const
      await store.write
        .transaction()
        .execute((trx) => openCursors(trx, 'e1', key.epoch, { alerts: 0, measurements: 0 }, 1))
      const hubs = [store, await openAnother()]
      const moves = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          failure(
            hubs[index % 2]!.write.transaction().execute((trx) =>
              moveCursors(trx, [{ key, from: 0, to: 5, atMs: 2 }]),
            ),
          ),
        ),
      )
      expect(moves.filter((outcome) => outcome === undefined)).toHaveLength(1)
      expect(moves.filter((outcome) => outcome instanceof CursorMovedError)).toHaveLength(9)
    })
  })

  describe('opening', () => {
    it('migrates an empty store once, however many hubs start at once', async () => {
      const other = await engine.place()
      const hubs = await Promise.all([other.open(), other.open(), other.open(), other.open()])
      try {
        for (const [index, hub] of hubs.entries()) {
          await hub.write
            .insertInto('edge')
            .values(edge(`e${index}`))
            .execute()
        }
        expect(await hubs[0]!.read.selectFrom('edge').select('edge_id').execute()).toHaveLength(4)
        const { rows } = await sql`select name from schema_migration order by name`.execute(hubs[0]!.read)
        const files = await readdir(join(import.meta.dirname, '../src/migrations'))
        const all = files.filter((file) => /^\d/.test(file)).map((file) => file.replace('.ts', ''))
        expect(rows).toEqual(all.sort().map((name) => ({ name })))
      } finally {
        for (const hub of hubs) await hub.close()
        await other.close()
      }
    })

    it('keeps what is there', async () => {
      await store.write.insertInto('edge').values(edge('e1')).execute()
      await store.close()
      const again = await openAnother()
      expect(await again.read.selectFrom('edge').selectAll().execute()).toMatchObject([edge('e1')])
    })

    it('counts what was stored before there were counts', async () => {
      await store.write.insertInto('edge').values(edge('e1')).execute()
      for (const [number, region] of ['410502', '410502', '410503003'].entries()) {
        await storeIncident(store, `i${number}`, region, number + 1)
      }
      // As a hub left it that had the migrations before this one.
      await store.write.schema.dropTable('region_tally').execute()
      for (const [table, columns] of LIST_INDEXES) {
        await store.write.schema.dropIndex(`${table}_by_${columns.join('_')}`).execute()
      }
      for (const [table, columns] of FIRST_INDEXES) {
        await store.write.schema
          .createIndex(`${table}_by_${columns.join('_')}`)
          .on(table)
          .columns([...columns])
          .execute()
      }
      await sql`delete from schema_migration where name = '004-lists'`.execute(store.write)
      const again = await openAnother()
      expect(await again.read.selectFrom('region_tally').selectAll().orderBy('region').execute()).toEqual([
        { region: '410502', alerts: 3, incidents: 2 },
        { region: '410503003', alerts: 3, incidents: 1 },
      ])
    })

    it('is refused if a newer hub has written the store', async () => {
      await sql`insert into schema_migration (name, timestamp) values ('999-later', '')`.execute(store.write)
      await expect(place.open()).rejects.toMatchObject({
        code: 'HUB_DATABASE_NEWER',
        message: expect.stringContaining('999-later'),
      })
    })
  })

  it('closes twice without complaint', async () => {
    await store.close()
    await store.close()
  })
})

const FIRST_INDEXES = [
  ['incident', ['opened_at_ms', 'region']],
  ['incident', ['region', 'state']],
  ['incident', ['state', 'opened_at_ms']],
  ['alert', ['at_ms', 'region']],
  ['alert', ['region', 'at_ms']],
  ['dispatch', ['region', 'state']],
] as const

/** An incident with so many alerts. */
async function storeIncident(store: Relational, id: string, region: string, alerts: number): Promise<void> {
  const place = { region, severity: 'minor', rule: 'intrusion', device_id: 'c1', device_kind: 'camera' }
  await store.write
    .insertInto('incident')
    .values({
      ...place,
      ...{
        incident_id: id,
        number: id,
        state: 'reported',
        reason: '',
        alert_count: alerts,
        snapshot_id: null,
      },
      ...{ opened_at_ms: 1, last_alert_at_ms: 1, updated_at_ms: 1, is_drill: 0 as const },
    })
    .execute()
  for (let count = 0; count < alerts; count++) {
    const alert = { alert_id: `${id}-${count}`, edge_id: 'e1', incident_id: id, record: '{}' }
    await store.write
      .insertInto('alert')
      .values({ ...place, ...alert, at_ms: 1, received_at_ms: 1 })
      .execute()
  }
}

/** An account with both flags set differently. */
function account(userId: string) {
  return {
    ...{ user_id: userId, username: userId, display_name: 'Name', password_hash: '', role: 'operator' },
    ...{ scope: '4105', must_change_password: 1 as const, is_disabled: 0 as const, created_at_ms: 1 },
  }
}
