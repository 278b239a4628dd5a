/** What every time-series engine has to do, run against DuckDB and against a real InfluxDB. */
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
import { openInfluxdb } from '../src/adapters/timeseries/influxdb.ts'
import { type PassagePlace, passagePlaceOf } from '../src/ports/passage-id.ts'
import type { FlowQuery, PassageQuery, Point, RawFrom, TimeSeries } from '../src/ports/timeseries.ts'
import { findInfluxd, startInfluxd } from './support/influxd.ts'
import { ENGINES, type OpenEngine, requireInfluxdb } from './support/time-series-engines.ts'

const log = pino({ level: 'silent' })
const program = findInfluxd()
requireInfluxdb('the contract of the external time-series store')
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

describe.each(ENGINES)('time series in $name', ({ open }) => {
  let engine: OpenEngine
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
      { passageId: expect.any(String), atMs: atMs + 1000, lane: 3, hasPlate: false },
      { passageId: expect.any(String), atMs, ...full },
    ])
  })

  it('finds passages by whatever is known of them, page by page, in one order', async () => {
    const fromMs = T0 + 30_000_000
    const hash = (index: number) => String(index % 5).repeat(64)
    const points = Array.from({ length: 240 }, (_, index) =>
      passage(20_000 + (index % 90), {
        // Several at the same instant, and the same number at different checkpoints.
        atMs: fromMs + Math.floor(index / 7) * 1000,
        deviceId: `cp-s${index % 3}`,
        region: ['410502003', '410502004', '410502005'][index % 3]!,
        labels: {
          vehicleClass: ['K33', 'H11', 'H25'][index % 3]!,
          ...(index % 4 === 0 ? {} : { plateColour: ['blue', 'yellow', 'green'][(index % 4) - 1]! }),
          ...(index % 5 === 0 ? {} : { direction: ['1', "it's"][index % 2]! }),
          ...(index % 6 === 0 ? {} : { plateHash: hash(index) }),
        },
        fields: { lane: index % 4, ...(index % 7 === 0 ? {} : { speedKmh: 30 + (index % 50) }) },
      }),
    )
    await store.append(points)
    const unique = [
      ...new Map(points.map((each) => [`${each.atMs} ${each.tieBreak} ${each.deviceId}`, each])).values(),
    ]
    const wishes: [Partial<PassageQuery>, (point: Point) => boolean][] = [
      [{}, () => true],
      [{ scope: '410502004' }, ({ region }) => region.startsWith('410502004')],
      [{ deviceId: 'cp-s1' }, ({ deviceId }) => deviceId === 'cp-s1'],
      [{ lane: 0 }, ({ fields }) => fields.lane === 0],
      [{ vehicleClass: 'H' }, ({ labels }) => labels.vehicleClass!.startsWith('H')],
      [
        { plateColour: 'blue', direction: "it's" },
        ({ labels }) => labels.plateColour === 'blue' && labels.direction === "it's",
      ],
      [{ minKmh: 40, maxKmh: 60 }, ({ fields }) => (fields.speedKmh ?? 0) >= 40 && fields.speedKmh! <= 60],
      [{ plateHash: hash(2) }, ({ labels }) => labels.plateHash === hash(2)],
      [
        { fromMs: fromMs + 5000, toMs: fromMs + 9000 },
        ({ atMs }) => atMs >= fromMs + 5000 && atMs < fromMs + 9000,
      ],
      [{ plateHash: 'f'.repeat(64) }, () => false],
    ]
    for (const [wish, fits] of wishes) {
      const expected = unique
        .filter(fits)
        .map((each) => [each.atMs, each.deviceId, each.fields.lane].join(' '))
      for (const limit of [7, 500]) {
        const found: Awaited<ReturnType<TimeSeries['searchPassages']>> = []
        let before: PassagePlace | undefined
        for (;;) {
          const query = { scope: '4105', fromMs, toMs: fromMs + 60_000, limit, ...wish }
          const page = await store.searchPassages({ ...query, ...(before ? { before } : {}) })
          found.push(...page)
          if (page.length < limit) break
          before = passagePlaceOf(page.at(-1)!.passageId)!
        }
        const seen = found.map((each) => [each.atMs, each.checkpointId, each.lane].join(' '))
        expect(seen.toSorted(), JSON.stringify(wish)).toEqual(expected.toSorted())
        expect(new Set(found.map(({ passageId }) => passageId)).size).toBe(found.length)
        expect(found.map(({ atMs }) => atMs)).toEqual(found.map(({ atMs }) => atMs).toSorted((a, b) => b - a))
      }
    }
  })

  it('answers the newest passages however long ago they were', async () => {
    const agesMs = [0, 1000, 7_200_000, 3 * 86_400_000, 80 * 86_400_000]
    const nowMs = Date.now()
    await store.append(
      agesMs.map((ageMs, index) => passage(9150 + index, { atMs: nowMs - ageMs, deviceId: 'cp-old' })),
    )
    for (let limit = 1; limit <= agesMs.length + 1; limit++) {
      const found = await store.latestPassages('cp-old', '4105', limit)
      expect(found.map(({ atMs }) => nowMs - atMs)).toEqual(agesMs.slice(0, limit))
    }
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

  describe('sums', () => {
    const DAY_MS = 86_400_000
    /** Two days before everything else in this file. */
    const D0 = Math.floor(T0 / DAY_MS) * DAY_MS - 2 * DAY_MS
    const AFTER = D0 + 2 * DAY_MS
    const MINUTE_MS = 60_000
    const vehicle = (seq: number, atMs: number, speedKmh?: number, more: Partial<Point> = {}) =>
      passage(seq, {
        atMs,
        deviceId: 'cp-20',
        region: '410504001',
        labels: {},
        fields: { lane: 1, ...(speedKmh === undefined ? {} : { speedKmh }) },
        ...more,
      })
    const flow = (more: Partial<FlowQuery> = {}) =>
      store.passageFlow({
        scope: '410504',
        deviceId: 'cp-20',
        fromMs: D0,
        toMs: D0 + 2 * 3_600_000,
        stepMs: 30 * MINUTE_MS,
        ...more,
      })
    const chart = (stepMs: number, spanMs = 2 * 3_600_000) =>
      store.scoredSeries({
        deviceId: 'cp-20',
        series: 'flow',
        scope: '4105',
        fromMs: D0,
        toMs: D0 + spanMs,
        stepMs,
      })
    const scored = (seq: number, minute: number, value: number): Point => ({
      ...score(seq, value, 'cp-20'),
      atMs: D0 + minute * MINUTE_MS + 123,
      region: '410504001',
    })

    it('answer what the raw points answer, in every width of step, and gaps as gaps', async () => {
      await store.append([
        vehicle(1, D0 + 1000, 40),
        vehicle(2, D0 + 2000, 60),
        vehicle(3, D0 + 3000),
        vehicle(4, D0 + 31 * MINUTE_MS, 80),
        vehicle(5, D0 + 95 * MINUTE_MS),
        vehicle(6, D0 + 1000, 10, { deviceId: 'cp-21', region: '410504002' }),
        vehicle(7, D0 + 1000, 10, { deviceId: 'cp-22', region: '410505001' }),
        ...[0, 1, 7, 30, 31, 59, 60, 119].map((minute, index) =>
          scored(10 + index, minute, 10 * (index + 1)),
        ),
      ])
      const questions = async () => ({
        flow: await flow(),
        all: await flow({ deviceId: undefined as never, stepMs: 3_600_000 }),
        day: await flow({ stepMs: DAY_MS, toMs: D0 + 1 }),
        raw: await chart(1000, 120_000),
        minutes: await chart(MINUTE_MS),
        five: await chart(5 * MINUTE_MS),
        hours: await chart(3_600_000),
        counts: await store.count(''),
        inside: await store.count('410504'),
      })
      const raw = await questions()
      expect(raw.flow).toEqual([
        { atMs: D0, vehicles: 3, meanSpeedKmh: 50 },
        { atMs: D0 + 30 * MINUTE_MS, vehicles: 1, meanSpeedKmh: 80 },
        { atMs: D0 + 60 * MINUTE_MS, vehicles: null, meanSpeedKmh: null },
        { atMs: D0 + 90 * MINUTE_MS, vehicles: 1, meanSpeedKmh: null },
      ])
      expect(raw.all[0]).toEqual({ atMs: D0, vehicles: 5, meanSpeedKmh: 47.5 })
      expect(raw.hours.map(({ value }) => value)).toEqual([35, 75])
      expect(await store.runRollups(AFTER)).toBeGreaterThan(0)
      expect(await questions()).toEqual(raw)
    })

    it('take in what comes days late and what comes twice', async () => {
      const before = await flow()
      await store.append([vehicle(1, D0 + 1000, 40)])
      await store.runRollups(AFTER)
      expect(await flow()).toEqual(before)
      await store.append([vehicle(30, D0 + 4000, 100)])
      const late = { atMs: D0, vehicles: 4, meanSpeedKmh: (40 + 60 + 100) / 3 }
      expect((await flow())[0], 'before it is summed up').toEqual(late)
      await store.runRollups(AFTER)
      expect((await flow())[0]).toEqual(late)
      expect((await flow({ stepMs: 3_600_000 }))[0]!.vehicles).toBe(5)
    })

    it('leave alone what is not over yet', async () => {
      await store.runRollups(AFTER)
      const nowMs = Date.now()
      const at = { atMs: nowMs, deviceId: 'cp-23' }
      await store.append([vehicle(40, nowMs, 50, at)])
      const now = () =>
        store.passageFlow({
          scope: '41',
          deviceId: 'cp-23',
          fromMs: nowMs,
          toMs: nowMs + 1,
          stepMs: MINUTE_MS,
        })
      expect((await now())[0]!.vehicles).toBe(1)
      await store.runRollups(nowMs)
      await store.append([vehicle(41, nowMs + 1, 50, { ...at, atMs: nowMs + 1 })])
      expect((await now()).reduce((sum, { vehicles }) => sum + (vehicles ?? 0), 0)).toBe(
        Math.floor(nowMs / MINUTE_MS) === Math.floor((nowMs + 1) / MINUTE_MS) ? 2 : 1,
      )
    })

    it('are kept when the raw points are deleted, and are deleted in their turn', async () => {
      await store.runRollups(AFTER)
      const [flowBefore, chartBefore] = [await flow(), await chart(MINUTE_MS)]
      const rawFrom: RawFrom = { passage: D0 + DAY_MS, reading: 0, score: D0 + DAY_MS, health: 0 }
      const counted = await store.count('410504')
      await store.runRetention(rawFrom, { minute: 0, hour: 0 }, [])
      expect(await store.latestPassages('cp-20', '41', 10)).toEqual([])
      expect((await chart(1000, 120_000)).every(({ value }) => value === null)).toBe(true)
      expect(await flow()).toEqual(flowBefore)
      expect(await chart(MINUTE_MS)).toEqual(chartBefore)
      expect(await store.count('410504')).toEqual(counted)
      // What comes so late that its raw neighbours are gone must not replace their sums, also not when more is kept now.
      await store.append([vehicle(50, D0 + 5000, 1), vehicle(51, 5000, 1)])
      expect(await flow()).toEqual(flowBefore)
      await store.runRollups(AFTER)
      await store.runRetention({ ...rawFrom, passage: D0 - DAY_MS }, { minute: 0, hour: 0 }, [])
      await store.append([vehicle(52, D0 + 6000, 1)])
      await store.runRollups(AFTER)
      expect(await flow()).toEqual(flowBefore)
      expect(await store.count('410504')).toEqual(counted)
      await store.runRetention(rawFrom, { minute: D0 + DAY_MS, hour: 0 }, [])
      expect((await chart(MINUTE_MS)).every(({ value }) => value === null)).toBe(true)
      expect((await chart(3_600_000)).map(({ value }) => value)).toEqual([35, 75])
      await store.runRetention(rawFrom, { minute: D0 + DAY_MS, hour: D0 + DAY_MS }, [])
      expect((await chart(3_600_000)).every(({ value }) => value === null)).toBe(true)
    })
  })

  describe('plates', () => {
    const P0 = Date.UTC(2024, 0, 1, 8)
    const DAY_MS = 86_400_000
    const plated = (seq: number, version: number, more: Partial<Point> = {}): Point =>
      passage(seq, {
        atMs: P0 + Math.floor(seq / 3) * 60_000,
        deviceId: 'cp-30',
        region: '410505',
        labels: {
          vehicleClass: 'K31',
          direction: 'a, "b"=c',
          plateHash: 'a'.repeat(64),
          plateCipher: `${version}.iv${seq}.text.tag`,
        },
        ...more,
      })
    const all = { fromMs: 0, toMs: P0 + DAY_MS, limit: 1000 }
    const ciphers = async (query: object = {}) =>
      (await store.plates.read({ ...all, ...query })).plates.map(({ plateCipher }) => plateCipher)
    const cipher = (seq: number, version = 1) => `${version}.iv${seq}.text.tag`

    beforeAll(async () => {
      await store.append([
        ...[0, 1, 2, 3, 4, 5, 6].map((seq) => plated(seq, 1)),
        plated(300, 12, { edgeId: 'edge-02' }),
        plated(7, 1, { deviceId: 'cp-31', labels: { plateHash: 'b'.repeat(64) } }),
        plated(8, 1, { labels: {} }),
      ])
    })

    it('are counted by version of the key and by edge', async () => {
      expect(await store.plates.use()).toEqual([
        { version: 1, edgeId: 'edge-01', passages: 7, oldestMs: P0, newestMs: P0 + 120_000 },
        { version: 12, edgeId: 'edge-02', passages: 1, oldestMs: P0 + 6_000_000, newestMs: P0 + 6_000_000 },
      ])
    })

    it('are read by time, whole milliseconds at a time, all of them or those of other versions', async () => {
      expect((await ciphers()).sort()).toEqual(
        [0, 1, 2, 3, 4, 5, 6].map((seq) => cipher(seq)).concat(cipher(300, 12)),
      )
      expect(await ciphers({ exceptVersion: 1 })).toEqual([cipher(300, 12)])
      expect((await ciphers({ exceptVersion: 12 })).length).toBe(7)
      const page = await store.plates.read({ ...all, limit: 4 })
      expect([page.upToMs, page.plates.length]).toEqual([P0 + 60_000, 3])
      const small = await store.plates.read({ ...all, limit: 1 })
      expect(small.plates.length, 'one millisecond has more than the limit').toBe(3)
      expect(small.plates[0]).toMatchObject({ deviceId: 'cp-30', atMs: P0, plateHash: 'a'.repeat(64) })
    })

    it('are replaced where they are, beside whatever else the passage has', async () => {
      const before = await store.latestPassages('cp-30', '4105', 20)
      const counted = await store.count('')
      const { plates } = await store.plates.read({ ...all, limit: 4 })
      const changes = plates.map((from) => ({
        from,
        plateCipher: from.plateCipher.replace(/^1/, '2'),
        plateHash: from.plateCipher === cipher(1) ? 'c'.repeat(64) : undefined,
      }))
      expect(await store.plates.replace(changes)).toBe(3)
      expect(await store.plates.replace([])).toBe(0)
      expect(await ciphers({ exceptVersion: 1 })).toEqual([
        cipher(0, 2),
        cipher(1, 2),
        cipher(2, 2),
        cipher(300, 12),
      ])
      const hashes = (await store.plates.read(all)).plates.map(({ plateHash }) => plateHash?.[0])
      expect(hashes.join('')).toBe('acaaaaaa')
      expect(await store.latestPassages('cp-30', '4105', 20)).toEqual(before)
      expect(await store.count('')).toEqual(counted)
      expect((await store.plates.use()).map(({ version, passages }) => [version, passages])).toEqual([
        [1, 4],
        [2, 3],
        [12, 1],
      ])
    })

    it('go at their time while the passages stay, but for those of a held incident', async () => {
      const counted = await store.count('')
      const kept = [
        { deviceId: 'cp-30', atMs: P0 + 60_000 },
        { deviceId: 'cp-31', atMs: P0 },
      ]
      expect(await store.plates.drop(P0 + 120_001, kept)).toBe(5)
      expect(await ciphers()).toEqual([cipher(3), cipher(4), cipher(5), cipher(300, 12)])
      expect(await store.plates.drop(P0 + 120_001, kept), 'once').toBe(0)
      expect((await store.latestPassages('cp-31', '4105', 9)).map(({ hasPlate }) => hasPlate)).toEqual([
        false,
      ])
      expect((await store.latestPassages('cp-30', '4105', 3)).map(({ hasPlate }) => hasPlate)).toEqual([
        true,
        false,
        false,
      ])
      expect(await store.count('')).toEqual(counted)
    })

    it('of a held incident outlive the passages around them', async () => {
      await store.runRollups(Date.now())
      await store.append([plated(900, 1, { atMs: P0 + 60_000, deviceId: 'cp-32' })])
      await store.runRollups(Date.now())
      const rawFrom: RawFrom = { passage: P0 + DAY_MS, reading: 0, score: 0, health: 0 }
      const kept = [
        { deviceId: 'cp-30', atMs: P0 + 60_000 },
        { deviceId: 'cp-31', atMs: P0 + DAY_MS },
      ]
      const counted = await store.count('')
      await store.runRetention(rawFrom, { minute: 0, hour: 0 }, kept)
      expect(await ciphers()).toEqual([cipher(3), cipher(4), cipher(5)])
      expect((await store.latestPassages('cp-30', '4105', 9)).length).toBe(3)
      expect((await store.latestPassages('cp-32', '4105', 9)).length).toBe(0)
      expect(await store.count('')).toEqual(counted)
      await store.runRetention(rawFrom, { minute: 0, hour: 0 }, [])
      expect(await ciphers()).toEqual([])
    })
  })

  it('finds a passage again by the name that a list gave it, and nothing by another', async () => {
    const atMs = T0 + 21_000_000
    await store.append([
      passage(12_009_170, { atMs, deviceId: 'cp-41', labels: { plateCipher: '1.a.b.c' } }),
      passage(12_009_171, { atMs, deviceId: 'cp-41' }),
      passage(12_009_170, { atMs, deviceId: 'cp-42', edgeId: 'edge-02', labels: {} }),
    ])
    const found = async (deviceId: string) => {
      const listed = await store.latestPassages(deviceId, '4105', 5)
      const places = listed.map(({ passageId }) => passagePlaceOf(passageId)!)
      return Promise.all(places.map((place) => store.passage(place)))
    }
    const whole = { deviceId: 'cp-41', region: '410502003', atMs }
    expect((await store.latestPassages('cp-41', '4105', 5, atMs)).length).toBe(2)
    expect(await store.latestPassages('cp-41', '4105', 5, atMs - 1)).toEqual([])
    expect(await found('cp-41')).toEqual([
      { ...whole, plateHash: 'a'.repeat(64) },
      { ...whole, plateCipher: '1.a.b.c' },
    ])
    expect(await found('cp-42')).toEqual([{ ...whole, deviceId: 'cp-42' }])
    const place = passagePlaceOf((await store.latestPassages('cp-41', '4105', 1))[0]!.passageId)!
    for (const other of [{ tieBreak: 5 }, { atMs: atMs + 1 }, { edgeId: 'edge-02' }, { deviceId: 'cp-42' }]) {
      expect(await store.passage({ ...place, ...other })).toBeUndefined()
    }
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
