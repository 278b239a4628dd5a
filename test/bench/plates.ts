/**
 * What a new key of plates costs: plates a second that are opened, encrypted anew, compared and replaced in each store,
 * how long an append waits meanwhile, and how long counting and letting go take.
 *
 *   npm run bench -- plates [--plates 200000]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { hashPlate, PlateKeyRing } from '../../server/src/access/plate-keys.ts'
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import { openDuckdb } from '../../server/src/adapters/timeseries/duckdb.ts'
import { openInfluxdb } from '../../server/src/adapters/timeseries/influxdb.ts'
import { auditFeature } from '../../server/src/audit/audit-feature.ts'
import { loadConfig } from '../../server/src/config.ts'
import { rotatePlates } from '../../server/src/plates/rotate.ts'
import type { Point, TimeSeries } from '../../server/src/ports/timeseries.ts'
import { findInfluxd, startInfluxd } from '../../server/test/support/influxd.ts'
import { report, spreadOf } from '../support/bench.ts'

const { values } = parseArgs({ options: { plates: { type: 'string', default: '200000' } } })
const PLATES = Number(values.plates)
const BATCH = 5000
/** Twenty passages a second at two hundred checkpoints of twenty edges. */
const GAP_MS = 50
const BEGIN_MS = Date.UTC(2026, 10, 1)
const APPEND_EVERY_MS = 100

const keyOf = (byte: string) => byte.repeat(32)
const before = new PlateKeyRing(`1:${keyOf('a1')}`)
const ring = new PlateKeyRing(`1:${keyOf('a1')},2:${keyOf('b2')}`)
const log = pino({ level: 'silent' })
const folder = mkdtempSync(join(tmpdir(), 'patrolhub-bench-plates-'))

function passage(index: number): Point {
  const plate = `豫E${String(index).padStart(6, '0')}`
  return {
    measurement: 'passage',
    atMs: BEGIN_MS + index * GAP_MS,
    tieBreak: index + 1,
    edgeId: `edge-${index % 20}`,
    deviceId: `checkpoint-${index % 200}`,
    region: '410502003',
    series: '',
    labels: {
      vehicleClass: 'K33',
      plateColour: 'blue',
      plateHash: hashPlate(plate, keyOf('0f')),
      plateCipher: before.seal(plate),
    },
    fields: { lane: 1, speedKmh: 50 },
  }
}

async function measure(store: TimeSeries) {
  for (let first = 0; first < PLATES; first += BATCH) {
    const count = Math.min(BATCH, PLATES - first)
    await store.append(
      Array.from({ length: count }, (_, index) => passage(first + index)),
      'bench',
    )
  }
  const relational = await openRelational(loadConfig({ env: { PATROLHUB_DATA_DIR: folder } }), log)
  const countMs = await timed(() => store.plates.use())
  const stop = new AbortController()
  const appends = appendMeanwhile(store, stop.signal)
  const rotateMs = await timed(async () => {
    const { isComplete, encrypted } = await rotatePlates(
      {
        plates: store.plates,
        relational,
        audit: auditFeature({ config: { rootScope: '4105' }, relational }),
        ring,
        plateHashKey: undefined,
        rehashWatchList: async () => 0,
      },
      { isRehash: false, signal: new AbortController().signal, tell: () => {} },
    )
    if (!isComplete || encrypted < PLATES)
      throw new Error(`${encrypted} of ${PLATES} plates were encrypted anew`)
  })
  stop.abort()
  const waits = spreadOf(await appends)
  const dropMs = await timed(() => store.plates.drop(BEGIN_MS + PLATES * GAP_MS, []))
  await relational.close()
  return {
    platesASecond: Math.round((PLATES / rotateMs) * 1000),
    appendMsMeanwhile: waits,
    countMs: Math.round(countMs),
    letGoASecond: Math.round((PLATES / dropMs) * 1000),
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** A passage at a time, as an edge with a quiet road sends them; how long each took. */
async function appendMeanwhile(store: TimeSeries, signal: AbortSignal): Promise<number[]> {
  const waits: number[] = []
  for (let index = 0; !signal.aborted; index++) {
    const point = { ...passage(index), atMs: BEGIN_MS - 3_600_000 + index, labels: {} }
    waits.push(Math.round(await timed(() => store.append([point], 'beside'))))
    await delay(APPEND_EVERY_MS)
  }
  return waits
}

try {
  const figures: Record<string, unknown> = { plates: PLATES }
  const duckdb = await openDuckdb({ file: join(folder, 'points.duckdb'), log })
  figures.duckdb = await measure(duckdb)
  await duckdb.close()
  console.log(figures)
  const program = findInfluxd()
  if (program) {
    const influxd = await startInfluxd(program)
    const { url, database: bucket } = influxd
    figures.influxdb = await measure(openInfluxdb({ url, token: 'user:password', org: 'any', bucket, log }))
    await influxd.close()
  }
  report('plates', figures, [])
} finally {
  rmSync(folder, { recursive: true, force: true })
}
