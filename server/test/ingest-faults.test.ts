/** Ingest when a store is in trouble or one record is poison: nothing lost, nothing doubled, nobody blocked. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cursor, edgeTopics } from '@patrolhub/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqlite } from '../src/adapters/relational/sqlite.ts'
import { SqliteError } from '../src/adapters/relational/sqlite-connection.ts'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
import { ChangeLog, changesAfter } from '../src/changes/changes.ts'
import { type Ingest, type IngestDeps, ingestFeature } from '../src/ingest/ingest.ts'
import { createMetrics, type Metrics } from '../src/metrics.ts'
import type { Relational } from '../src/ports/relational.ts'
import type { TimeSeries } from '../src/ports/timeseries.ts'
import { alertRecord, passage, REGION } from './support/edge-client.ts'
import { createEdge, freshFolder, silent } from './support/hub.ts'

const edge = { edgeId: 'edge-01', region: REGION }
const epoch = randomUUID()
const BUSY = 5

let folder: string
let relational: Relational
let timeseries: TimeSeries
let metrics: Metrics
let deps: IngestDeps
let ingest: Ingest
let cursors: Cursor[]
/** Answers the fault to throw now, if any. */
let appendFault: () => Error | undefined
let correlateFault: (reason: string) => Error | undefined
let noteState: () => Promise<void>
let correlated: string[]
let changes: ChangeLog

beforeEach(async () => {
  folder = await freshFolder()
  await createEdge(folder, 'edge-01', REGION)
  relational = await openSqlite({ file: join(folder, 'hub.sqlite'), log: silent })
  timeseries = await openDuckdb({ file: join(folder, 'points.duckdb'), log: silent })
  metrics = createMetrics()
  cursors = []
  correlated = []
  changes = new ChangeLog()
  appendFault = () => undefined
  correlateFault = () => undefined
  noteState = async () => {}
  deps = {
    relational,
    timeseries: {
      ...forward(timeseries),
      async append(points, source) {
        const fault = appendFault()
        if (fault) throw fault
        return timeseries.append(points, source)
      },
    },
    metrics,
    log: silent,
    maxWaitingBytes: 1024 * 1024,
    publish: async (_topic, payload) => void cursors.push(JSON.parse(payload) as Cursor),
    ownerOf: () => undefined,
    registerDevices: async () => {},
    greeted: async () => {},
    readsApart: true,
    gapWaitMs: 0,
    changes,
    noteState: () => noteState(),
    noteHealth: async () => {},
    async correlate(trx, alerts) {
      for (const { record } of alerts) {
        // A write of its own, so that a rolled back transaction shows.
        await trx.insertInto('setting').values({ name: record.alertId, value: record.reason }).execute()
        const fault = correlateFault(record.reason)
        if (fault) throw fault
        correlated.push(record.reason)
      }
      return alerts.map(() => ({ ok: true }))
    },
    findClones: async () => [],
    recordEvidence: async () => ({ ok: true }),
  }
  ingest = ingestFeature(deps)
  await hello(epoch)
  await expect.poll(() => cursors.length).toBe(2)
})
afterEach(async () => {
  await ingest.close()
  await timeseries.close()
  await relational.close()
  await rm(folder, { recursive: true, force: true })
})

function forward(store: TimeSeries): Omit<TimeSeries, 'append'> {
  return {
    scoredSeries: (query) => store.scoredSeries(query),
    passageFlow: (query) => store.passageFlow(query),
    runRollups: (nowMs) => store.runRollups(nowMs),
    plates: store.plates,
    passage: (place) => store.passage(place),
    runRetention: (rawFrom, sumsFrom, kept) => store.runRetention(rawFrom, sumsFrom, kept),
    searchPassages: (query) => store.searchPassages(query),
    latestPassages: (...question) => store.latestPassages(...question),
    count: (scope) => store.count(scope),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}

const send = (topic: string, message: unknown) =>
  ingest.message(edge, topic, Buffer.from(JSON.stringify(message)))
const nothing = { firstSeq: 0, lastSeq: 0 }
const helloOf = (newEpoch: string) => ({
  epoch: newEpoch,
  software: 't',
  region: REGION,
  atMs: 1,
  streams: { alerts: nothing, measurements: nothing },
  cameras: [],
  checkpoints: [],
  sensors: [],
})
const hello = (newEpoch: string) => send(edgeTopics.hello('edge-01'), helloOf(newEpoch))
const batch = (stream: 'alerts' | 'measurements', firstSeq: number, records: unknown[]) =>
  send(edgeTopics.batch('edge-01', stream), { epoch, firstSeq, records })
const answered = (stream: string, upTo: number) =>
  expect
    .poll(() => cursors.some((cursor) => cursor.stream === stream && cursor.upTo === upTo), {
      timeout: 15_000,
    })
    .toBe(true)

describe('ingest', () => {
  it('tries again while the time-series store is away, and lets alerts pass meanwhile', async () => {
    let faults = 0
    appendFault = () => (faults++ < 3 ? new Error('away') : undefined)
    await batch('measurements', 1, [passage(1), passage(2)])
    await batch('alerts', 1, [alertRecord({ reason: 'a' })])
    await answered('alerts', 1)
    expect(faults).toBeLessThan(3)
    await answered('measurements', 2)
    expect((await timeseries.count('')).passages).toBe(2)
  })

  it('doubles no point when the transaction fails after the points were stored', async () => {
    const write = relational.write
    let faults = 0
    const failing = {
      ...relational,
      get write() {
        if (faults++ === 0) throw new SqliteError('database is locked', BUSY, 'commit')
        return write
      },
    }
    const second = ingestFeature({
      ...({} as IngestDeps),
      relational: failing,
      timeseries,
      metrics,
      log: silent,
      maxWaitingBytes: 1024,
      publish: async (_topic, payload) => void cursors.push(JSON.parse(payload) as Cursor),
      ownerOf: () => undefined,
      changes,
    })
    faults = -1 // The first use reads the cursor.
    const payload = { epoch, firstSeq: 1, records: [passage(1), passage(2)] }
    await second.message(
      edge,
      edgeTopics.batch('edge-01', 'measurements'),
      Buffer.from(JSON.stringify(payload)),
    )
    await answered('measurements', 2)
    expect(faults).toBeGreaterThan(1)
    expect((await timeseries.count('')).passages).toBe(2)
    await second.close()
  })

  it('sets the one record aside that makes its transaction fail, and takes the others once', async () => {
    correlateFault = (reason) => (reason === 'poison' ? new TypeError('a fault of ours') : undefined)
    const alerts = ['a', 'poison', 'b', 'c'].map((reason) => alertRecord({ reason }))
    await batch('alerts', 1, alerts)
    await answered('alerts', 4)
    const aside = await relational.read.selectFrom('set_aside').select(['seq', 'reason']).execute()
    expect(aside).toEqual([{ seq: 2, reason: 'a fault of ours' }])
    const kept = await relational.read.selectFrom('setting').select('value').execute()
    expect(kept.map(({ value }) => value).sort()).toEqual(['a', 'b', 'c'])
    const told = (await changesAfter(relational.read, 0, 100))
      .filter(({ kind }) => kind === 'alert')
      .map(({ subjectId }) => subjectId)
    expect(told).toEqual([alerts[0]!.alertId, alerts[2]!.alertId, alerts[3]!.alertId])
    await batch('alerts', 5, [alertRecord({ reason: 'd' })])
    await answered('alerts', 5)
  })

  it('tells of the alerts before a fault that passes, also when they are committed one at a time', async () => {
    let faults = 0
    correlateFault = (reason) => {
      if (reason === 'poison') return new TypeError('a fault of ours')
      if (reason === 'later' && faults++ < 2) return new SqliteError('database is locked', BUSY, 'insert')
      return undefined
    }
    const alerts = ['a', 'poison', 'b', 'later', 'c'].map((reason) => alertRecord({ reason }))
    await batch('alerts', 1, alerts)
    await answered('alerts', 5)
    expect(faults).toBe(3)
    const told = (await changesAfter(relational.read, 0, 100))
      .filter(({ kind }) => kind === 'alert')
      .map(({ subjectId }) => subjectId)
    expect(told).toEqual([0, 2, 3, 4].map((index) => alerts[index]!.alertId))
    expect(await relational.read.selectFrom('setting').selectAll().execute()).toHaveLength(4)
    const aside = await relational.read.selectFrom('set_aside').select('seq').execute()
    expect(aside).toEqual([{ seq: 2 }])
  })

  it('sets nothing aside because of a fault that passes', async () => {
    let faults = 0
    correlateFault = () => (faults++ < 2 ? new SqliteError('database is locked', BUSY, 'insert') : undefined)
    await batch('alerts', 1, [alertRecord({ reason: 'a' }), alertRecord({ reason: 'b' })])
    await answered('alerts', 2)
    expect(await relational.read.selectFrom('set_aside').selectAll().execute()).toEqual([])
    expect(await relational.read.selectFrom('setting').selectAll().execute()).toHaveLength(2)
  })

  it('leaves a batch to the edge that cannot be stored at all, unanswered and unharmed', async () => {
    appendFault = () => new Error('gone for good')
    await batch('measurements', 1, [passage(1)])
    // Stops the pauses between attempts.
    await ingest.close()
    expect((await metrics.batchesGivenUp.get()).values[0]?.value).toBe(1)
    expect(cursors.some(({ reason }) => reason === 'committed')).toBe(false)
    const { seq } = await relational.read
      .selectFrom('cursor')
      .select('seq')
      .where('stream', '=', 'measurements')
      .executeTakeFirstOrThrow()
    expect(seq).toBe(0)
  })

  it('makes the sender wait while too much waits, and takes everything in the end', async () => {
    const hold = Promise.withResolvers<void>()
    let isHeld = true
    appendFault = () => (isHeld ? new Error('away') : undefined)
    const filler = 'x'.repeat(900)
    const records = (first: number) =>
      Array.from({ length: 1000 }, (_, index) => (index === 0 ? passage(first) : { kind: 'filler', filler }))
    await batch('measurements', 1, records(1))
    let isThrough = false
    const waiting = batch('measurements', 1001, records(1001)).then(() => {
      isThrough = true
      hold.resolve()
    })
    expect((await metrics.ingestPauses.get()).values[0]?.value).toBe(1)
    expect(isThrough).toBe(false)
    isHeld = false
    await Promise.all([waiting, hold.promise])
    await answered('measurements', 2000)
    expect((await timeseries.count('')).passages).toBe(2)
  })

  it('makes the sender of many tiny messages wait too: each costs more than its bytes', async () => {
    appendFault = () => new Error('away')
    await batch('measurements', 1, [passage(1)])
    const sent = Array.from({ length: 600 }, () => batch('measurements', 9, []))
    expect((await metrics.ingestPauses.get()).values[0]?.value).toBeGreaterThan(0)
    appendFault = () => undefined
    await Promise.all(sent)
    await answered('measurements', 1)
  })

  it.each([
    { readsApart: true, name: 'makes an edge that floods wait' },
    {
      readsApart: false,
      name: 'leaves to an edge that floods, where it cannot be told to wait, what is beyond its share',
    },
  ])('$name, and nobody else', async ({ readsApart }) => {
    await createEdge(folder, 'flooding', REGION)
    let isAway = true
    appendFault = () => (isAway ? new Error('away') : undefined)
    const shared = ingestFeature({ ...deps, readsApart, maxWaitingBytes: 6 * 1024 * 1024 })
    const from = (edgeId: string, topic: string, message: unknown) =>
      shared.message({ edgeId, region: REGION }, topic, Buffer.from(JSON.stringify(message)))
    await from('flooding', edgeTopics.hello('flooding'), helloOf(epoch))
    await expect.poll(() => cursors.length).toBe(4)
    const filler = 'x'.repeat(900)
    const flood = Array.from({ length: 12 }, (_, index) =>
      from('flooding', edgeTopics.batch('flooding', 'measurements'), {
        epoch,
        firstSeq: 1 + index * 1000,
        records: Array.from({ length: 1000 }, (_, at) =>
          at === 0 ? passage(index) : { kind: 'filler', filler },
        ),
      }),
    )
    // Would not come back if they had to wait for the flood.
    await from('edge-01', edgeTopics.batch('edge-01', 'measurements'), {
      epoch,
      firstSeq: 1,
      records: [passage(1)],
    })
    await from('edge-01', edgeTopics.batch('edge-01', 'alerts'), {
      epoch,
      firstSeq: 1,
      records: [alertRecord()],
    })
    await answered('alerts', 1)
    const refused = (await metrics.batchesRefused.get()).values.find(
      ({ labels }) => labels.reason === 'share',
    )
    const paused = (await metrics.ingestPauses.get()).values[0]?.value ?? 0
    expect(readsApart ? paused : refused?.value).toBeGreaterThan(5)
    isAway = false
    await Promise.all(flood)
    await answered('measurements', 1)
    const taken = 12 - (refused?.value ?? 0)
    await answered('measurements', taken * 1000)
    await shared.close()
  })

  it('reads the states of an edge no faster than they can be written', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    noteState = () => promise
    let isRead = false
    const reading = send(edgeTopics.status('edge-01'), { state: 'online', atMs: 1 }).then(() => {
      isRead = true
    })
    await new Promise(setImmediate)
    expect(isRead).toBe(false)
    resolve()
    await reading
  })

  it('keeps the cursors of the newest epochs only, however often a journal begins anew', async () => {
    const epochs = Array.from({ length: 70 }, () => randomUUID())
    for (const each of epochs) await hello(each)
    await expect.poll(() => cursors.at(-1)?.epoch).toBe(epochs.at(-1))
    await answered('measurements', 0)
    const kept = await relational.read.selectFrom('cursor').select('epoch').distinct().execute()
    expect(kept).toHaveLength(64)
    expect(kept.map((row) => row.epoch)).toContain(epochs.at(-1))
  })
})
