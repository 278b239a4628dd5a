/** What every time-series engine has to do, run against DuckDB and against a real InfluxDB. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
import { openInfluxdb } from '../src/adapters/timeseries/influxdb.ts'
import type { Point, TimeSeries } from '../src/ports/timeseries.ts'
import { findInfluxd, type Influxd, startInfluxd } from './support/influxd.ts'

const log = pino({ level: 'silent' })
const T0 = Date.UTC(2026, 10, 22, 8)

function passage(seq: number, more: Partial<Point> = {}): Point {
  return {
    measurement: 'passage',
    atMs: T0 + seq,
    tieBreak: seq,
    edgeId: 'edge-01',
    deviceId: 'cp-01',
    region: '410502003',
    series: '',
    labels: { vehicleClass: 'K31', direction: 'north bound', plateHash: 'a'.repeat(64) },
    fields: { lane: 1, speedKmh: 42.5 },
    ...more,
  }
}

function score(seq: number, value: number, deviceId: string): Point {
  return {
    measurement: 'score',
    atMs: T0 + seq * 1000,
    tieBreak: seq,
    edgeId: 'edge-01',
    deviceId,
    region: '410502003',
    series: 'flow',
    labels: {},
    fields: { value, score: value / 100, expectedLow: value - 5, expectedHigh: value + 5 },
  }
}

interface Engine {
  name: string
  open(): Promise<{ store: TimeSeries; reopen(): Promise<TimeSeries>; close(): Promise<void> }>
}

const duckdb: Engine = {
  name: 'DuckDB',
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'patrolhub-duckdb-'))
    const file = join(folder, 'points.duckdb')
    let store = await openDuckdb({ file, log })
    return {
      store,
      async reopen() {
        await store.close()
        store = await openDuckdb({ file, log })
        return store
      },
      async close() {
        await store.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
}

const program = findInfluxd()
let influxd: Influxd | undefined
const influxdb: Engine = {
  name: 'InfluxDB',
  async open() {
    influxd = await startInfluxd(program!)
    const { url, database } = influxd
    const open = () => openInfluxdb({ url, token: 'user:password', org: 'any', bucket: database, log })
    return {
      store: open(),
      reopen: async () => open(),
      close: async () => influxd?.close(),
    }
  },
}

if (program === undefined) {
  const message =
    'InfluxDB is not installed: the contract of the external time-series store is NOT tested (apt-get install influxdb)'
  if (process.env.CI) {
    it('InfluxDB is installed', () => expect.fail(message))
  } else {
    it.skip(message, () => {})
    process.stderr.write(`\n${'!'.repeat(message.length)}\n${message}\n${'!'.repeat(message.length)}\n\n`)
  }
}

describe.each(program ? [duckdb, influxdb] : [duckdb])('time series in $name', ({ open }) => {
  let engine: Awaited<ReturnType<Engine['open']>>
  let store: TimeSeries
  beforeAll(async () => {
    engine = await open()
    store = engine.store
  })
  afterAll(() => engine?.close())

  it('answers an empty store with nothing', async () => {
    await store.ping()
    expect(await store.count('')).toEqual({ passages: 0, readings: 0, total: 0 })
    expect(await store.latestPassages('cp-01', '4105', 10)).toEqual([])
    expect(await store.append([])).toEqual([])
  })

  it('keeps a point once, however often it is appended, also within one call and beside others', async () => {
    const points = Array.from({ length: 3000 }, (_, index) => passage(index + 1))
    expect(await store.append(points)).toEqual([])
    await store.append(points.slice(500, 1500))
    await store.append([passage(7), passage(7), passage(3001)])
    await Promise.all([store.append(points), store.append(points), store.append([passage(3002)])])
    expect(await store.count('4105')).toEqual({ passages: 3002, readings: 0, total: 3002 })
  })

  it('keeps a point of a numbered source once, whatever is sent again, also after it was opened again', async () => {
    const atMs = T0 + 5_000_000
    const of = (from: number, to: number, more: Partial<Point> = {}) =>
      Array.from({ length: to - from + 1 }, (_, index) =>
        passage(from + index, { atMs: atMs + from + index, deviceId: 'cp-again', ...more }),
      )
    const appended = async () => (await store.latestPassages('cp-again', '4105', 10_000)).length
    await store.append(of(1, 100), 'source')
    await store.append(of(1, 100), 'source')
    await store.append(of(101, 200), 'source')
    // Overlapping, out of order, twice in one call, twice at once, and beside a source that sends the same numbers.
    await store.append(of(150, 250), 'source')
    await store.append(of(251, 260).reverse(), 'source')
    await store.append([...of(261, 270), ...of(261, 270)], 'source')
    await Promise.all([store.append(of(271, 280), 'source'), store.append(of(271, 280), 'source')])
    await store.append(of(201, 300), 'other')
    await store.append(of(271, 280))
    expect(await appended()).toBe(300)

    // The hub was killed between points and cursor: what the edge sends again is more than one batch.
    store = await engine.reopen()
    await store.append(of(201, 250), 'source')
    await store.append(of(251, 300), 'source')
    await store.append(of(301, 310), 'source')
    await store.append(of(301, 320), 'source')
    await store.append(of(321, 330), 'source')
    expect(await appended()).toBe(330)
  })

  it('tells two records of one millisecond apart, and two devices with the same numbers', async () => {
    const atMs = T0 + 10_000_000
    await store.append([
      passage(9001, { atMs, deviceId: 'cp-02' }),
      passage(9002, { atMs, deviceId: 'cp-02' }),
      passage(9001, { atMs, deviceId: 'cp-03' }),
    ])
    expect((await store.latestPassages('cp-02', '4105', 10)).length).toBe(2)
    expect((await store.latestPassages('cp-03', '4105', 10)).length).toBe(1)
  })

  it('answers the newest passages first, with what is known of them and never the plate', async () => {
    const atMs = T0 + 20_000_000
    await store.append([
      passage(9100, { atMs, deviceId: 'cp-04' }),
      passage(9101, { atMs: atMs + 1000, deviceId: 'cp-04', labels: {}, fields: { lane: 3 } }),
      passage(9102, { atMs: atMs - 1000, deviceId: 'cp-04' }),
    ])
    const full = { lane: 1, speedKmh: 42.5, vehicleClass: 'K31', direction: 'north bound', hasPlate: true }
    expect(await store.latestPassages('cp-04', '4105', 2)).toEqual([
      { atMs: atMs + 1000, lane: 3, hasPlate: false },
      { atMs, ...full },
    ])
  })

  it('counts by scope, as a prefix of the region', async () => {
    await store.append([
      passage(9200, { region: '410503001', deviceId: 'cp-05' }),
      passage(9201, { region: '410600', deviceId: 'cp-06' }),
      {
        ...passage(9202),
        measurement: 'reading',
        series: 'water_level',
        labels: { unit: 'm' },
        fields: { value: 2.5 },
      },
      {
        ...passage(9203),
        measurement: 'health',
        series: 'edge',
        labels: {},
        fields: { uptimeSeconds: 12, cpuPercent: 3, odd: 7 },
      },
    ])
    const whole = await store.count('')
    const city = await store.count('4105')
    expect(whole.passages).toBe(city.passages + 1)
    expect((await store.count('410503')).passages).toBe(1)
    expect((await store.count('4106')).total).toBe(1)
    expect(city.readings).toBe(1)
    expect((await store.count('41050200')).total).toBe(city.total - 1)
    expect((await store.count('42')).total).toBe(0)
  })

  it('averages a series by step and shows a gap as a gap', async () => {
    const odd = `sensor, "a" 'b' = \\`
    await store.append([
      score(0, 10, 'cp-10'),
      score(1, 20, 'cp-10'),
      score(5, 60, 'cp-10'),
      score(2, 99, 'cp-11'),
      score(2, 99, odd),
    ])
    const times = { fromMs: T0 + 500, toMs: T0 + 6001, stepMs: 2000 }
    const query = { deviceId: 'cp-10', series: 'flow', scope: '4105', ...times }
    const empty = { value: null, score: null, expectedLow: null, expectedHigh: null }
    expect(await store.scoredSeries(query)).toEqual([
      { atMs: T0, value: 15, score: 0.2, expectedLow: 10, expectedHigh: 20 },
      { atMs: T0 + 2000, ...empty },
      { atMs: T0 + 4000, value: 60, score: 0.6, expectedLow: 55, expectedHigh: 65 },
      { atMs: T0 + 6000, ...empty },
    ])
    expect(
      (await store.scoredSeries({ ...query, series: "x' or 1=1 --" })).every((p) => p.value === null),
    ).toBe(true)
  })

  it('answers nothing from outside the scope, though the device lies inside now', async () => {
    await store.append([
      passage(9300, { region: '410601', deviceId: 'cp-12' }),
      passage(9301, { region: '410502003', deviceId: 'cp-12' }),
      { ...score(7, 10, 'cp-12'), region: '410601' },
      { ...score(9, 30, 'cp-12'), region: '410502003' },
    ])
    const query = { deviceId: 'cp-12', series: 'flow', fromMs: T0, toMs: T0 + 10_000, stepMs: 10_000 }
    const [inside] = await store.scoredSeries({ ...query, scope: '410502' })
    expect(inside!.value).toBe(30)
    expect((await store.scoredSeries({ ...query, scope: '41' }))[0]!.value).toBe(20)
    expect((await store.latestPassages('cp-12', '4105', 10)).length).toBe(1)
    expect((await store.latestPassages('cp-12', '4107', 10)).length).toBe(0)
  })

  it('has everything after it was opened again', async () => {
    const before = await store.count('')
    store = await engine.reopen()
    expect(await store.count('')).toEqual(before)
    await store.append([passage(1)])
    expect(await store.count('')).toEqual(before)
  })
})

describe('DuckDB', () => {
  it('refuses a file that is no database, naming it', async () => {
    await expect(openDuckdb({ file: import.meta.filename, log })).rejects.toMatchObject({
      code: 'HUB_TIMESERIES',
      message: expect.stringContaining('timeseries-contract.test.ts'),
    })
  })
})

describe.runIf(program)('InfluxDB', () => {
  it('sets the one bad point aside with its reason and stores the others', async () => {
    const server = await startInfluxd(program!)
    try {
      const odd = await fetch(`${server.url}/api/v2/write?bucket=hub`, {
        method: 'POST',
        body: `health,device=e odd="text" ${BigInt(T0) * 1_000_000n}`,
      })
      expect(odd.ok).toBe(true)
      const store = openInfluxdb({ url: server.url, token: 'a:b', org: 'o', bucket: 'hub', log })
      const points = Array.from({ length: 40 }, (_, index) => passage(index + 1))
      const bad: Point = {
        ...passage(21),
        measurement: 'health',
        series: 'edge',
        labels: {},
        fields: { odd: 1 },
      }
      const refused = await store.append(points.toSpliced(20, 0, bad))
      expect(refused).toEqual([{ point: bad, reason: expect.stringMatching(/field type conflict/) }])
      expect((await store.count('')).passages).toBe(40)
    } finally {
      await server.close()
    }
  })

  it('rejects when InfluxDB is away or the database is missing, and can be asked again', async () => {
    const server = await startInfluxd(program!)
    const missing = openInfluxdb({ url: server.url, token: 'a:b', org: 'o', bucket: 'nowhere', log })
    await expect(missing.append([passage(1)])).rejects.toThrow(/database not found/)
    const store = openInfluxdb({ url: server.url, token: 'a:b', org: 'o', bucket: 'hub', log })
    await store.append([passage(1)])
    await server.close()
    await expect(store.append([passage(2)])).rejects.toThrow(/InfluxDB/)
    await expect(store.ping()).rejects.toThrow()
  })
})
