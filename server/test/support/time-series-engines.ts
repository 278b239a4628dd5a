/** The engines of the time-series store that a suite runs against: DuckDB, and a real InfluxDB where one is installed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { openDuckdb } from '../../src/adapters/timeseries/duckdb.ts'
import { openInfluxdb } from '../../src/adapters/timeseries/influxdb.ts'
import type { TimeSeries } from '../../src/ports/timeseries.ts'
import { findInfluxd, startInfluxd } from './influxd.ts'

const log = pino({ level: 'silent' })
const program = findInfluxd()

export interface OpenEngine {
  store: TimeSeries
  reopen(): Promise<TimeSeries>
  close(): Promise<void>
}

export interface Engine {
  name: string
  open(): Promise<OpenEngine>
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

const influxdb: Engine = {
  name: 'InfluxDB',
  async open() {
    const influxd = await startInfluxd(program!)
    const { url, database } = influxd
    const open = () =>
      openInfluxdb({ url, token: 'user:password', org: 'any', bucket: database, clocksMs: 0, log })
    return {
      store: open(),
      reopen: async () => open(),
      close: async () => influxd.close(),
    }
  },
}

export const ENGINES: readonly Engine[] = program ? [duckdb, influxdb] : [duckdb]

/** Fails in CI, and is loud elsewhere, if the external engine is not there to be tested. */
export function requireInfluxdb(what: string): void {
  if (program !== undefined) return
  const message = `InfluxDB is not installed: ${what} is NOT tested (apt-get install influxdb)`
  if (process.env.CI) {
    it('InfluxDB is installed', () => expect.fail(message))
  } else {
    it.skip(message, () => {})
    process.stderr.write(`\n${'!'.repeat(message.length)}\n${message}\n${'!'.repeat(message.length)}\n\n`)
  }
}
