/**
 * What holds when the InfluxDB adapter writes into VictoriaMetrics, which answers `/api/v2/write` too. Numbers arrive
 * with their labels; text does not. It answers InfluxQL with nothing, so the hub cannot read from it: it is a place to
 * send points to, not a store for the hub.
 */
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openInfluxdb } from '../src/adapters/timeseries/influxdb.ts'
import type { Point, TimeSeries } from '../src/ports/timeseries.ts'
import {
  findVictoriaMetrics,
  startVictoriaMetrics,
  type VictoriaMetrics,
} from './support/victoria-metrics.ts'

const log = pino({ level: 'silent' })
const T0 = Date.UTC(2026, 10, 22, 8)

function passage(seq: number, more: Partial<Point> = {}): Point {
  return {
    measurement: 'passage',
    atMs: T0 + seq,
    tieBreak: seq,
    edgeId: 'edge-01',
    deviceId: 'cp 01',
    region: '410502003',
    series: '',
    labels: { vehicleClass: 'K31', plateHash: 'a'.repeat(64) },
    fields: { lane: seq % 4, speedKmh: seq / 2 },
    ...more,
  }
}

const program = findVictoriaMetrics()
if (program === undefined) {
  const message =
    'VictoriaMetrics is not installed: writing into it is NOT tested (apt-get install victoria-metrics)'
  if (process.env.CI) {
    it('VictoriaMetrics is installed', () => expect.fail(message))
  } else {
    it.skip(message, () => {})
    process.stderr.write(`\n${'!'.repeat(message.length)}\n${message}\n${'!'.repeat(message.length)}\n\n`)
  }
}

const open = ({ url }: VictoriaMetrics): TimeSeries =>
  openInfluxdb({ url, token: 'any', org: 'any', bucket: 'hub', log })

describe.runIf(program)('points written into VictoriaMetrics that keeps one sample a millisecond', () => {
  let server: VictoriaMetrics
  let store: TimeSeries
  beforeAll(async () => {
    server = await startVictoriaMetrics(program!, { dedup: true })
    store = open(server)
  })
  afterAll(async () => {
    await store?.close()
    await server?.close()
  })

  it('arrive as numbers under their labels, more than one request holds', async () => {
    const points = Array.from({ length: 12_000 }, (_, index) => passage(index))
    expect(await store.append(points)).toEqual([])
    const [speeds, ...others] = await server.samples('passage_speedKmh')
    expect(others).toEqual([])
    expect(speeds!.metric).toEqual({
      __name__: 'passage_speedKmh',
      device: 'cp 01',
      edge: 'edge-01',
      region: '410502003',
      vehicleClass: 'K31',
    })
    expect(speeds!.timestamps).toEqual(points.map(({ atMs }) => atMs))
    expect(speeds!.values).toEqual(points.map(({ fields }) => fields.speedKmh))
    expect((await server.samples('passage_lane'))[0]!.values).toEqual(points.map(({ fields }) => fields.lane))
  })

  it('are there once, however often they are appended', async () => {
    const points = Array.from({ length: 200 }, (_, index) => passage(index, { deviceId: 'cp-again' }))
    await store.append(points)
    await store.append(points.slice(50, 150))
    await Promise.all([store.append(points), store.append(points)])
    const again = (await server.samples('passage_speedKmh')).find(
      ({ metric }) => metric.device === 'cp-again',
    )
    expect(again!.timestamps).toEqual(points.map(({ atMs }) => atMs))
    expect(again!.values).toEqual(points.map(({ fields }) => fields.speedKmh))
  })

  it('lose their text, and one of two that share device and millisecond', async () => {
    const labels = { plateHash: 'b'.repeat(64) }
    await store.append([
      passage(20_001, { atMs: T0, deviceId: 'cp-two', labels }),
      passage(20_002, { atMs: T0, deviceId: 'cp-two', labels }),
    ])
    const of = async (name: string) =>
      (await server.samples(name)).find(({ metric }) => metric.device === 'cp-two')
    expect((await of('passage_speedKmh'))!.timestamps).toEqual([T0])
    expect((await of('passage_plateHash'))!.values).toEqual([0])
  })

  it('are refused while it is away, all of them, and taken once it is back with what it had', async () => {
    const points = [1, 2, 3].map((seq) => passage(seq, { deviceId: 'cp-away' }))
    const stored = async () =>
      (await server.samples('passage_lane')).find(({ metric }) => metric.device === 'cp-away')
    await store.append(points.slice(0, 1))
    await server.stop()
    await expect(store.append(points)).rejects.toThrow(/InfluxDB: .*ECONNREFUSED/)
    await server.start()
    expect((await stored())!.timestamps).toEqual([T0 + 1])
    expect(await store.append(points)).toEqual([])
    expect((await stored())!.timestamps).toEqual([T0 + 1, T0 + 2, T0 + 3])
  })
})

describe.runIf(program)('VictoriaMetrics as it comes', () => {
  it('keeps a repeated point as often as it was sent: the flag for one sample a millisecond is needed', async () => {
    const server = await startVictoriaMetrics(program!, { dedup: false })
    try {
      const store = open(server)
      await store.append([passage(1)])
      await store.append([passage(1)])
      expect((await server.samples('passage_lane'))[0]!.timestamps).toEqual([T0 + 1, T0 + 1])
    } finally {
      await server.close()
    }
  })
})
