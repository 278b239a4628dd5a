/**
 * Roll-ups in InfluxDB: read by InfluxQL, summed up by the database, written back as points of their own. Which stretches
 * are stale is kept in the database too, so that several hubs agree: a stretch is stale if it was marked after it was
 * last begun to be summed up. Points are only ever overwritten, which every version of InfluxDB can do.
 */
import type { Point } from '../../ports/timeseries.ts'
import { toNumbersLine } from './influx-lines.ts'
import type { InfluxSeries } from './influxdb.ts'
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

export const STALE_MEASUREMENT = 'stale_stretch'
const DELETED_MEASUREMENT = 'raw_deleted'
/** Its one point a measurement is overwritten, so it stands at one time. */
const DELETED_AT_MS = 1
/** What is known of stale stretches may be this old: another hub's late points show up this much later. */
const KNOWN_MS = 5000
interface Known {
  stale: Record<Rolled, number[]>
  /** Raw points before this have been deleted. */
  deletedBefore: Record<Rolled, number>
}

export interface InfluxDatabase {
  query(q: string): Promise<InfluxSeries[]>
  /** With times as text, to the nanosecond. */
  queryExactly(q: string): Promise<InfluxSeries[]>
  /** All or nothing for the caller: rejects if any line was not stored. */
  write(lines: readonly string[]): Promise<void>
}

export class StaleStretches {
  readonly #database: InfluxDatabase
  /** The hubs' clocks may differ by this: what was marked so shortly before the summing up is summed up once more. */
  readonly #clocksMs: number
  /** Marked by this process, each while it cannot have been summed up yet. */
  readonly #marked = new Set<string>()
  #known: { untilMs: number; answer: Promise<Known> } | undefined

  constructor(database: InfluxDatabase, clocksMs: number) {
    this.#database = database
    this.#clocksMs = clocksMs
  }

  /** Marks the stretches of these points. */
  async mark(points: readonly Point[]): Promise<void> {
    const nowMs = Date.now()
    const touched = new Map<string, { measurement: Rolled; stretchMs: number }>()
    for (const { measurement, atMs } of points) {
      if (!isRolled(measurement)) continue
      const stretchMs = stretchOf(atMs)
      touched.set(`${measurement} ${stretchMs}`, { measurement, stretchMs })
    }
    const lines: string[] = []
    for (const [key, { measurement, stretchMs }] of touched) {
      const isOpen = this.#mayBeOpen(stretchMs, nowMs)
      if (isOpen && this.#marked.has(key)) continue
      lines.push(toNumbersLine(STALE_MEASUREMENT, { of: measurement }, { marked: nowMs }, stretchMs))
    }
    if (lines.length === 0) return
    await this.#database.write(lines)
    this.#known = undefined
    for (const [key, { stretchMs }] of touched) {
      if (this.#mayBeOpen(stretchMs, nowMs)) this.#marked.add(key)
    }
    for (const key of this.#marked) {
      if (!this.#mayBeOpen(Number(key.split(' ')[1]), nowMs)) this.#marked.delete(key)
    }
  }

  #mayBeOpen(stretchMs: number, nowMs: number): boolean {
    return stretchMs + STRETCH_MS + this.#clocksMs > nowMs
  }

  /** They were summed up; the summing up began at `begunAtMs`. */
  async done(measurement: Rolled, stretches: readonly number[], begunAtMs: number): Promise<void> {
    const done = begunAtMs - this.#clocksMs
    await this.#database.write(
      stretches.map((stretchMs) =>
        toNumbersLine(STALE_MEASUREMENT, { of: measurement }, { done }, stretchMs),
      ),
    )
    this.#known = undefined
  }

  /** What has to be read raw; everything else is in the sums. */
  async ranges(measurement: Rolled): Promise<Range[]> {
    return rangesOf((await this.all()).stale[measurement])
  }

  /** Before raw points are deleted: their stretches are never stale from now on. Answers up to where they may be. */
  async deleteBefore(measurement: Rolled, wishedMs: number): Promise<number> {
    this.#known = undefined
    const { stale, deletedBefore } = await this.all()
    const firstStale = rangesOf(stale[measurement])[0]?.fromMs ?? wishedMs
    const beforeMs = Math.max(deletedBefore[measurement], Math.min(wishedMs, firstStale))
    await this.#database.write([
      toNumbersLine(DELETED_MEASUREMENT, { of: measurement }, { before: beforeMs }, DELETED_AT_MS),
    ])
    this.#known = undefined
    return beforeMs
  }

  all(): Promise<Known> {
    const nowMs = Date.now()
    if (!this.#known || this.#known.untilMs < nowMs) {
      const answer = this.#read()
      const known = { untilMs: nowMs + KNOWN_MS, answer }
      this.#known = known
      answer.catch(() => {
        if (this.#known === known) this.#known = undefined
      })
    }
    return this.#known!.answer
  }

  async #read(): Promise<Known> {
    const deletedBefore: Known['deletedBefore'] = { passage: 0, reading: 0, score: 0 }
    const deleted = await this.#database.query(`SELECT "before" FROM "${DELETED_MEASUREMENT}" GROUP BY "of"`)
    for (const { tags, values } of deleted) {
      deletedBefore[tags!.of as Rolled] = Number(values[0]?.[1] ?? 0)
    }
    const stale: Record<Rolled, number[]> = { passage: [], reading: [], score: [] }
    const series = await this.#database.query(
      `SELECT "marked", "done" FROM "${STALE_MEASUREMENT}" GROUP BY "of"`,
    )
    for (const { tags, values } of series) {
      for (const [stretchMs, marked, done] of values as [number, number | null, number | null][]) {
        const measurement = tags!.of as Rolled
        const isStale = (marked ?? 0) > (done ?? 0) && stretchMs >= deletedBefore[measurement]
        if (isStale) stale[measurement].push(stretchMs)
      }
    }
    return { stale, deletedBefore }
  }
}

/** See TimeSeries.runRollups. An hour at a time: the answer of the database is held in memory. */
export async function runInfluxRollups(
  database: InfluxDatabase,
  stretches: StaleStretches,
  nowMs: number,
): Promise<number> {
  let count = 0
  const { stale } = await stretches.all()
  for (const measurement of ROLLED) {
    const due = stale[measurement].filter((stretchMs) => isSettled(stretchMs, nowMs))
    const hours = Map.groupBy(due, (stretchMs) => Math.floor(stretchMs / HOUR_MS) * HOUR_MS)
    for (const [hourMs, ofHour] of hours) {
      const begunAtMs = Date.now()
      for (const { fromMs, toMs } of rangesOf(ofHour)) {
        await sumUp(database, measurement, { source: 'raw', fromMs, toMs })
      }
      await sumUp(database, measurement, { source: 'minute', fromMs: hourMs, toMs: hourMs + HOUR_MS })
      await stretches.done(measurement, ofHour, begunAtMs)
      count += ofHour.length
    }
  }
  return count
}

async function sumUp(
  database: InfluxDatabase,
  measurement: Rolled,
  { source, fromMs, toMs }: { source: 'raw' | 'minute'; fromMs: number; toMs: number },
): Promise<void> {
  const sums = SUMS[measurement]
  const isRaw = source === 'raw'
  const table = isRaw ? measurement : measurement + SUFFIX.minute
  const target = measurement + (isRaw ? SUFFIX.minute : SUFFIX.hour)
  const columns = sums.map(({ name, of, how }) => (isRaw ? `${how}("${of}")` : `${againBy(how)}("${name}")`))
  const series = await database.query(
    `SELECT ${columns.join(', ')} FROM "${table}" WHERE time >= ${fromMs}ms AND time < ${toMs}ms
     GROUP BY time(${isRaw ? MINUTE_MS : HOUR_MS}ms), "device", "region", "series" fill(none)`,
  )
  const lines = series.flatMap(({ tags, values }) =>
    (values as [number, ...(number | null)[]][]).map(([atMs, ...row]) =>
      toNumbersLine(
        target,
        tags!,
        Object.fromEntries(sums.map(({ name }, index) => [name, row[index] ?? null])),
        atMs,
      ),
    ),
  )
  await database.write(lines)
}
