/** Roll-ups and retention in DuckDB, on its thread and on the connection that appends: neither sees the other half done. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { KeptPassage } from '../../ports/plate-store.ts'
import { MEASUREMENTS, type RawFrom } from '../../ports/timeseries.ts'
import type { Block } from './duckdb-columns.ts'
import { IS_NOT_KEPT, noteKept } from './duckdb-plates.ts'
import {
  againBy,
  HOUR_MS,
  isRolled,
  isSettled,
  MINUTE_MS,
  type Range,
  ROLLED,
  type Rolled,
  rangesOf,
  STRETCH_MS,
  SUFFIX,
  SUMS,
  stretchOf,
} from './rollups.ts'

/** What a row of a roll-up is about. */
const KEY = 'device_id, region, series'

export class DuckdbRollups {
  readonly #connection: DuckDBConnection
  readonly #stale: Record<Rolled, Set<number>> = { passage: new Set(), reading: new Set(), score: new Set() }
  /** Raw points before this have been deleted. */
  readonly #deletedBefore: Record<Rolled, number> = { passage: 0, reading: 0, score: 0 }

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /** Makes the tables; in a file from before there were roll-ups everything is stale. */
  async start(): Promise<void> {
    const connection = this.#connection
    const known = await connection.runAndReadAll(
      "select 1 from information_schema.tables where table_name = 'stale_stretch'",
    )
    const isFirst = known.getRows().length === 0
    await connection.run('begin transaction')
    await connection.run('create table if not exists stale_stretch (measurement varchar, stretch_ms bigint)')
    await connection.run('create table if not exists raw_deleted (measurement varchar, before_ms bigint)')
    for (const measurement of ROLLED) {
      const columns = SUMS[measurement].map(({ name }) => `"${name}" double`).join(', ')
      for (const suffix of Object.values(SUFFIX)) {
        await connection.run(
          `create table if not exists ${measurement}${suffix} (at_ms bigint, device_id varchar, region varchar, series varchar, ${columns})`,
        )
      }
      if (!isFirst) continue
      await connection.run(
        `insert into stale_stretch select distinct '${measurement}', (at_ms // ${STRETCH_MS}) * ${STRETCH_MS} from ${measurement}`,
      )
    }
    await connection.run('commit')
    const rows = await connection.runAndReadAll('select distinct measurement, stretch_ms from stale_stretch')
    for (const [measurement, stretchMs] of rows.getRows() as [Rolled, bigint][]) {
      this.#stale[measurement].add(Number(stretchMs))
    }
    const deleted = await connection.runAndReadAll(
      'select measurement, max(before_ms) from raw_deleted group by measurement',
    )
    for (const [measurement, beforeMs] of deleted.getRows() as [Rolled, bigint][]) {
      this.#deletedBefore[measurement] = Number(beforeMs)
    }
  }

  /** Inside the transaction that appends the blocks; call what it answers once that is committed. */
  async mark(blocks: readonly Block[]): Promise<() => void> {
    const fresh: [Rolled, number][] = []
    for (const { measurement, stretches } of blocks) {
      if (!isRolled(measurement)) continue
      for (const stretchMs of stretches) {
        // Of what comes so late not all raw points are there any more: the sums stay as they are.
        if (stretchMs < this.#deletedBefore[measurement]) continue
        if (!this.#stale[measurement].has(stretchMs)) fresh.push([measurement, stretchMs])
      }
    }
    if (fresh.length > 0) {
      const values = fresh.map(([measurement, stretchMs]) => `('${measurement}', ${stretchMs})`).join(', ')
      await this.#connection.run(`insert into stale_stretch values ${values}`)
    }
    return () => {
      for (const [measurement, stretchMs] of fresh) this.#stale[measurement].add(stretchMs)
    }
  }

  /** What has to be read raw; everything else is in the sums. */
  stale(measurement: Rolled): Range[] {
    return rangesOf(this.#stale[measurement])
  }

  /** Sums one range of stale stretches up again; answers how many stretches that were, 0 when there are none. */
  async rollUp(nowMs: number): Promise<number> {
    for (const measurement of ROLLED) {
      const due = [...this.#stale[measurement]].filter((stretchMs) => isSettled(stretchMs, nowMs))
      const [range] = rangesOf(due)
      if (!range) continue
      await this.#sum(measurement, range)
      let count = 0
      for (let stretchMs = range.fromMs; stretchMs < range.toMs; stretchMs += STRETCH_MS) {
        this.#stale[measurement].delete(stretchMs)
        count += 1
      }
      return count
    }
    return 0
  }

  /** Deletes what is older; raw points whose stretch is stale are summed up first. */
  async retain(
    rawFrom: RawFrom,
    sumsFrom: { minute: number; hour: number },
    kept: readonly KeptPassage[],
  ): Promise<void> {
    await noteKept(this.#connection, kept)
    for (const measurement of MEASUREMENTS) {
      if (isRolled(measurement)) await this.#deleteSummed(measurement, stretchOf(rawFrom[measurement]))
      else await this.#connection.run(`delete from ${measurement} where at_ms < ${rawFrom[measurement]}`)
    }
    for (const measurement of ROLLED) {
      for (const resolution of ['minute', 'hour'] as const) {
        const before = Math.floor(sumsFrom[resolution] / HOUR_MS) * HOUR_MS
        await this.#connection.run(`delete from ${measurement}${SUFFIX[resolution]} where at_ms < ${before}`)
      }
    }
  }

  async #deleteSummed(measurement: Rolled, wishedMs: number): Promise<void> {
    const firstStale = rangesOf(this.#stale[measurement])[0]?.fromMs ?? wishedMs
    const beforeMs = Math.max(this.#deletedBefore[measurement], Math.min(wishedMs, firstStale))
    const connection = this.#connection
    await connection.run('begin transaction')
    try {
      await connection.run(`delete from raw_deleted where measurement = '${measurement}'`)
      await connection.run(`insert into raw_deleted values ('${measurement}', ${beforeMs})`)
      const isOfNobody = measurement === 'passage' ? ` and ${IS_NOT_KEPT}` : ''
      await connection.run(`delete from ${measurement} where at_ms < ${beforeMs}${isOfNobody}`)
      await connection.run('commit')
    } catch (error) {
      await connection.run('rollback').catch(() => undefined)
      throw error
    }
    this.#deletedBefore[measurement] = beforeMs
  }

  async #sum(measurement: Rolled, { fromMs, toMs }: { fromMs: number; toMs: number }): Promise<void> {
    const connection = this.#connection
    const sums = SUMS[measurement]
    const minutes = `${measurement}${SUFFIX.minute}`
    const hours = `${measurement}${SUFFIX.hour}`
    const hourFromMs = Math.floor(fromMs / HOUR_MS) * HOUR_MS
    const hourToMs = Math.ceil(toMs / HOUR_MS) * HOUR_MS
    await connection.run('begin transaction')
    try {
      await connection.run(`delete from ${minutes} where at_ms >= ${fromMs} and at_ms < ${toMs}`)
      await connection.run(
        `insert into ${minutes} select (at_ms // ${MINUTE_MS}) * ${MINUTE_MS} as step, ${KEY},
           ${sums.map(({ of, how }) => `${how}("${of}")`).join(', ')}
         from ${measurement} where at_ms >= ${fromMs} and at_ms < ${toMs} group by step, ${KEY} order by step`,
      )
      await connection.run(`delete from ${hours} where at_ms >= ${hourFromMs} and at_ms < ${hourToMs}`)
      await connection.run(
        `insert into ${hours} select (at_ms // ${HOUR_MS}) * ${HOUR_MS} as step, ${KEY},
           ${sums.map(({ name, how }) => `${againBy(how)}("${name}")`).join(', ')}
         from ${minutes} where at_ms >= ${hourFromMs} and at_ms < ${hourToMs} group by step, ${KEY} order by step`,
      )
      await connection.run(
        `delete from stale_stretch where measurement = '${measurement}' and stretch_ms >= ${fromMs} and stretch_ms < ${toMs}`,
      )
      await connection.run('commit')
    } catch (error) {
      await connection.run('rollback').catch(() => undefined)
      throw error
    }
  }
}
