/**
 * How long a search of passages takes in each store: the newest of everywhere, of one checkpoint, by class and speed, a
 * page deep in the result, and one plate, over a week.
 *
 *   npm run bench -- passage-search [--passages 1000000]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { hashPlate } from '../../server/src/access/plate-keys.ts'
import { openDuckdb } from '../../server/src/adapters/timeseries/duckdb.ts'
import { openInfluxdb } from '../../server/src/adapters/timeseries/influxdb.ts'
import { passagePlaceOf } from '../../server/src/ports/passage-id.ts'
import type { PassageQuery, Point, TimeSeries } from '../../server/src/ports/timeseries.ts'
import { findInfluxd, startInfluxd } from '../../server/test/support/influxd.ts'
import { report, spreadOf } from '../support/bench.ts'

const { values } = parseArgs({ options: { passages: { type: 'string', default: '1000000' } } })
const PASSAGES = Number(values.passages)
if (!(PASSAGES >= 1000)) throw new Error('--passages takes a number of at least 1000')
const WEEK_MS = 7 * 86_400_000
const BEGIN_MS = Date.UTC(2026, 10, 1)
const CHECKPOINTS = 200
const PLATES = 50_000
const BATCH = 5000
const TIMES = 9
const KEY = '0f'.repeat(32)

const hashes = Array.from({ length: PLATES }, (_, index) => hashPlate(`豫E${10_000 + index}`, KEY))

function passage(index: number): Point {
  return {
    measurement: 'passage',
    atMs: BEGIN_MS + Math.floor((index * WEEK_MS) / PASSAGES),
    tieBreak: index + 1,
    edgeId: `edge-${index % 20}`,
    deviceId: `checkpoint-${index % CHECKPOINTS}`,
    region: '410502003',
    series: '',
    labels: {
      vehicleClass: index % 9 === 0 ? 'H11' : 'K33',
      plateColour: 'blue',
      direction: String(1 + (index % 4)),
      plateHash: hashes[(index * 7919) % PLATES]!,
      plateCipher: '1.iv.text.tag',
    },
    fields: { lane: 1 + (index % 4), speedKmh: 30 + (index % 61) },
  }
}

async function measure(store: TimeSeries) {
  for (let first = 0; first < PASSAGES; first += BATCH) {
    const count = Math.min(BATCH, PASSAGES - first)
    await store.append(Array.from({ length: count }, (_, index) => passage(first + index)))
  }
  const week: PassageQuery = { scope: '4105', fromMs: BEGIN_MS, toMs: BEGIN_MS + WEEK_MS, limit: 101 }
  const [deep] = await store.searchPassages({ ...week, toMs: BEGIN_MS + WEEK_MS / 2, limit: 1 })
  const searches: Record<string, PassageQuery> = {
    everywhere: week,
    'one checkpoint': { ...week, deviceId: 'checkpoint-7' },
    'fast lorries': { ...week, vehicleClass: 'H', minKmh: 88 },
    'a page half-way': { ...week, before: passagePlaceOf(deep!.passageId)! },
    'one plate': { ...week, plateHash: hashes[4711]! },
    nothing: { ...week, plateHash: 'f'.repeat(64) },
  }
  const figures: Record<string, object> = {}
  for (const [name, query] of Object.entries(searches)) {
    const times: number[] = []
    let found = 0
    for (let round = 0; round < TIMES; round += 1) {
      const beganMs = performance.now()
      found = (await store.searchPassages(query)).length
      times.push(Math.round(performance.now() - beganMs))
    }
    const { p50, max } = spreadOf(times)
    figures[name] = { p50Ms: p50, maxMs: max, found }
    console.log(`  ${name.padEnd(16)} ${String(p50).padStart(6)} ms, at most ${max} ms, ${found} found`)
  }
  return figures
}

const log = pino({ level: 'silent' })
const folder = mkdtempSync(join(tmpdir(), 'patrolhub-bench-search-'))
const figures: Record<string, unknown> = { passages: PASSAGES, checkpoints: CHECKPOINTS, plates: PLATES }
try {
  console.log(`DuckDB, ${PASSAGES} passages of a week`)
  const duckdb = await openDuckdb({ file: join(folder, 'points.duckdb'), log })
  figures.duckdb = await measure(duckdb)
  await duckdb.close()
  const program = findInfluxd()
  if (program === undefined)
    console.log("Debian's InfluxDB is missing (apt-get install influxdb): it is left out.")
  else {
    console.log('InfluxDB')
    const influx = await startInfluxd(program)
    const { url, database: bucket } = influx
    try {
      const store = openInfluxdb({ url, token: 'user:password', org: 'any', bucket, log })
      figures.influxdb = await measure(store)
      await store.close()
    } finally {
      await influx.close()
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
report('passage-search', figures, [])
