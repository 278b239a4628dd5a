/**
 * The time-series store of many machines: InfluxDB 1.8, 2.x or 3. Writes go by the official client with its retries
 * off and every flush awaited: left to itself it buffers, retries in the background and drops what does not fit, and
 * we acknowledge only what is stored. Reads are InfluxQL on `/query`, which all three versions answer.
 */
import { HttpError, InfluxDB } from '@influxdata/influxdb-client'
import type { FlowPoint, Passage, SeriesPoint } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { type PassagePlace, passagePlaceOf } from '../../ports/passage-id.ts'
import type { KeptPassage, PlateStore } from '../../ports/plate-store.ts'
import {
  type FlowQuery,
  MEASUREMENTS,
  type PassageQuery,
  type PlacedPassage,
  type Point,
  type PointCounts,
  type RawFrom,
  type RefusedPoint,
  type SeriesQuery,
  type StoredPassage,
  type TimeSeries,
} from '../../ports/timeseries.ts'
import { influxNanoseconds, influxText, influxTime, toLine } from './influx-lines.ts'
import { influxPlates } from './influx-plates.ts'
import { type InfluxDatabase, runInfluxRollups, STALE_MEASUREMENT, StaleStretches } from './influx-rollups.ts'
import { listed, withoutPlace } from './passage-lists.ts'
import {
  flowPointOf,
  HOUR_MS,
  isRolled,
  LATEST_MS,
  partsFor,
  ROLLED,
  type Rolled,
  SUFFIX,
  SUMS,
  type Sums,
  seriesPointOf,
  stretchOf,
  sumSteps,
} from './rollups.ts'
import { fillSteps, type Steps } from './steps.ts'

export interface InfluxOptions {
  url: string
  token: string
  org: string
  /** Bucket of 2.x and 3, database of 1.x. It has to exist. */
  bucket: string
  /** How far the clocks of several hubs may differ. */
  clocksMs?: number
  log: Logger
}

const WRITE_LINES = 5000
/** Passages of one nanosecond at different checkpoints that are told apart on a page. */
const SAME_INSTANT = 32
const TIMEOUT_MS = 20_000
const CLOCKS_MS = 10_000
/** Statements that delete, in one request. */
const DELETIONS = 50

/** One series of an answer; `tags` if the query grouped by tags. */
export interface InfluxSeries {
  tags?: Record<string, string>
  columns: string[]
  values: (string | number | null)[][]
}

interface QueryResult {
  error?: string
  results?: {
    error?: string
    series?: InfluxSeries[]
  }[]
}

class InfluxTimeSeries implements TimeSeries {
  readonly plates: PlateStore
  readonly #options: InfluxOptions
  readonly #client: InfluxDB
  readonly #log: Logger
  readonly #database: InfluxDatabase
  readonly #stale: StaleStretches
  #hasDeleted = false

  constructor(options: InfluxOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'timeseries' })
    this.#client = new InfluxDB({ url: options.url, token: options.token, timeout: TIMEOUT_MS })
    this.#database = {
      query: (q) => this.#querySeries(q),
      queryExactly: (q) => this.#querySeries(q, { isExact: true }),
      write: async (lines) => {
        for (let offset = 0; offset < lines.length; offset += WRITE_LINES) {
          const failure = await this.#send(lines.slice(offset, offset + WRITE_LINES))
          if (failure) throw new Error(`InfluxDB: ${reasonOf(failure)}`, { cause: failure })
        }
      },
    }
    this.#stale = new StaleStretches(this.#database, options.clocksMs ?? CLOCKS_MS)
    this.plates = influxPlates(this.#database)
  }

  async append(points: readonly Point[]): Promise<RefusedPoint[]> {
    const refused: RefusedPoint[] = []
    for (let offset = 0; offset < points.length; offset += WRITE_LINES) {
      await this.#write(points.slice(offset, offset + WRITE_LINES), refused)
    }
    // Afterwards: a crash in between is repaired by the batch that comes again, which marks again.
    await this.#stale.mark(points)
    return refused
  }

  async scoredSeries(query: SeriesQuery): Promise<SeriesPoint[]> {
    const condition = `"device" = ${influxText(query.deviceId)} AND "series" = ${influxText(query.series)}`
    const steps = await this.#sums('score', query, `${condition} AND ${isInside(query.scope)}`)
    const found = new Map([...steps].map(([atMs, sums]) => [atMs, seriesPointOf(atMs, sums)]))
    return fillSteps(query, found, (atMs) => seriesPointOf(atMs, {}))
  }

  async passageFlow(query: FlowQuery): Promise<FlowPoint[]> {
    const { deviceId, scope } = query
    const device = deviceId === undefined ? '' : `"device" = ${influxText(deviceId)} AND `
    const steps = await this.#sums('passage', query, device + isInside(scope))
    const found = new Map([...steps].map(([atMs, sums]) => [atMs, flowPointOf(atMs, sums)]))
    return fillSteps(query, found, (atMs) => flowPointOf(atMs, {}))
  }

  runRollups(nowMs: number): Promise<number> {
    return runInfluxRollups(this.#database, this.#stale, nowMs)
  }

  async runRetention(
    rawFrom: RawFrom,
    sumsFrom: { minute: number; hour: number },
    kept: readonly KeptPassage[],
  ): Promise<void> {
    for (const measurement of MEASUREMENTS) {
      const wishedMs = stretchOf(rawFrom[measurement])
      const beforeMs = isRolled(measurement)
        ? await this.#stale.deleteBefore(measurement, wishedMs)
        : wishedMs
      await this.#deleteBefore(measurement, beforeMs, measurement === 'passage' ? kept : [])
    }
    for (const measurement of ROLLED) {
      await this.#deleteBefore(measurement + SUFFIX.minute, sumsFrom.minute)
      await this.#deleteBefore(measurement + SUFFIX.hour, sumsFrom.hour)
    }
    await this.#deleteBefore(
      STALE_MEASUREMENT,
      Math.min(...ROLLED.map((measurement) => rawFrom[measurement])),
    )
  }

  async passage(place: PassagePlace): Promise<StoredPassage | undefined> {
    const { atMs, deviceId, edgeId } = place
    const [row] = await this.#query(
      `SELECT "region", "plateCipher", "plateHash", "lane" FROM "passage" WHERE "device" = ${influxText(deviceId)}
       AND "edge" = ${influxText(edgeId)} AND time = ${influxNanoseconds(place)} LIMIT 1`,
    )
    // A point without a lane is none: a plate that was written back to one that has been deleted.
    if (!row || row[4] === null) return undefined
    const [, region, plateCipher, plateHash] = row
    return {
      deviceId,
      region: String(region),
      atMs,
      ...(plateCipher ? { plateCipher: String(plateCipher) } : {}),
      ...(plateHash ? { plateHash: String(plateHash) } : {}),
    }
  }

  async latestPassages(
    checkpointId: string,
    scope: string,
    limit: number,
    onlyAtMs?: number,
  ): Promise<Passage[]> {
    const conditions = [
      `"device" = ${influxText(checkpointId)}`,
      isInside(scope),
      ...(onlyAtMs === undefined ? [] : [`time >= ${onlyAtMs}ms AND time < ${onlyAtMs + 1}ms`]),
    ]
    const found = await this.#passages(conditions, limit)
    return found.slice(0, limit).map(withoutPlace)
  }

  async searchPassages(query: PassageQuery): Promise<PlacedPassage[]> {
    const { before, limit, toMs } = query
    const is = (name: string, value: string | number | undefined, sign = '=') =>
      value === undefined
        ? []
        : [`"${name}" ${sign} ${typeof value === 'number' ? value : influxText(value)}`]
    const conditions = [
      isInside(query.scope),
      `time >= ${query.fromMs}ms`,
      before && before.atMs < toMs ? `time <= ${influxNanoseconds(before)}` : `time < ${toMs}ms`,
      ...is('device', query.deviceId),
      ...is('lane', query.lane),
      // Letters and digits, see the port: nothing that a regular expression would take for something else.
      ...(query.vehicleClass === undefined ? [] : [`"vehicleClass" =~ /^${query.vehicleClass}/`]),
      ...is('plateColour', query.plateColour),
      ...is('direction', query.direction),
      ...is('speedKmh', query.minKmh, '>='),
      ...is('speedKmh', query.maxKmh, '<='),
      ...is('plateHash', query.plateHash),
    ]
    const found = await this.#passages(conditions, limit)
    // Those of the very nanosecond of the place are asked for again.
    return found
      .filter((each) => !before || comesAfter(passagePlaceOf(each.passageId)!, before))
      .slice(0, limit)
  }

  /** At least `limit` of them if there are so many, and some more, since those of one instant may be known already. */
  async #passages(conditions: readonly string[], limit: number): Promise<PlacedPassage[]> {
    const [series] = await this.#database.queryExactly(
      `SELECT "edge", "device", "region", "lane", "speedKmh", "vehicleClass", "plateColour", "direction", "plateHash",
         "plateCipher"
       FROM "passage" WHERE ${conditions.join(' AND ')} ORDER BY time DESC LIMIT ${Math.trunc(limit) + SAME_INSTANT}`,
    )
    const text = (value: string | number | null | undefined) => (value ? String(value) : null)
    const rows = (series?.values ?? []).map((row) => {
      const [time, edgeId, deviceId, region, lane, speed, vehicleClass, plateColour, direction, ...plate] =
        row
      const place = { ...influxTime(String(time)), edgeId: String(edgeId), deviceId: String(deviceId) }
      const stored = {
        region: String(region),
        lane: Number(lane),
        speedKmh: speed === null ? null : Number(speed),
        vehicleClass: text(vehicleClass),
        plateColour: text(plateColour),
        direction: text(direction),
        hasPlate: plate.some(Boolean),
      }
      return { place, passage: listed(place, stored) }
    })
    // InfluxDB orders by time alone.
    rows.sort((a, b) => (comesAfter(a.place, b.place) ? 1 : comesAfter(b.place, a.place) ? -1 : 0))
    return rows.map(({ passage }) => passage)
  }

  async count(scope: string): Promise<PointCounts> {
    const where = scope === '' ? '' : `AND ${isInside(scope)}`
    const ask = async (what: string) => Number((await this.#query(what))[0]?.[1] ?? 0)
    // From the sums as far as they go: counting every point would take longer the longer the hub runs.
    const all = { beginMs: 0, endMs: LATEST_MS, stepMs: HOUR_MS }
    const countRolled = async (measurement: Rolled) => {
      let count = 0
      for (const { resolution, fromMs, toMs } of partsFor(all, await this.#stale.ranges(measurement))) {
        const isRaw = resolution === 'raw'
        const table = isRaw ? measurement : measurement + SUFFIX[resolution]
        const what = isRaw ? `count("${SUMS[measurement][0]!.of}")` : 'sum("n")'
        count += await ask(
          `SELECT ${what} FROM "${table}" WHERE time >= ${fromMs}ms AND time < ${toMs}ms ${where}`,
        )
      }
      return count
    }
    const [passages, readings, scores, edges, cameras] = await Promise.all([
      countRolled('passage'),
      countRolled('reading'),
      countRolled('score'),
      ask(`SELECT count("uptimeSeconds") FROM "health" WHERE time >= 0 ${where}`),
      ask(`SELECT count("framesAnalysed") FROM "health" WHERE time >= 0 ${where}`),
    ])
    return { passages, readings, total: passages + readings + scores + edges + cameras }
  }

  async ping(): Promise<void> {
    const response = await this.#fetch('/ping')
    if (!response.ok) throw new Error(`InfluxDB answers ${response.status} to /ping`)
  }

  async close(): Promise<void> {}

  /**
   * Writes all points or rejects. A 400 may mean that most were stored and one was not, and names all of them: halve
   * until the bad one stands alone. Writing a stored point again overwrites it.
   */
  async #write(points: readonly Point[], refused: RefusedPoint[]): Promise<void> {
    const failure = await this.#send(points.map(toLine))
    if (failure === undefined) return
    const isInput = failure instanceof HttpError && [400, 413, 422].includes(failure.statusCode)
    if (!isInput) throw new Error(`InfluxDB: ${reasonOf(failure)}`, { cause: failure })
    if (points.length === 1) {
      const reason = `InfluxDB: ${reasonOf(failure)}`
      this.#log.warn({ deviceId: points[0]!.deviceId, reason }, 'InfluxDB refuses a point for good')
      refused.push({ point: points[0]!, reason })
      return
    }
    const middle = Math.ceil(points.length / 2)
    await this.#write(points.slice(0, middle), refused)
    await this.#write(points.slice(middle), refused)
  }

  async #send(lines: readonly string[]): Promise<Error | undefined> {
    const { org, bucket } = this.#options
    // One writer a batch: the client sends by itself, and swallows the error, when its buffer reaches batchSize.
    const writer = this.#client.getWriteApi(org, bucket, 'ns', {
      maxRetries: 0,
      flushInterval: 0,
      batchSize: lines.length + 1,
      maxBatchBytes: Number.MAX_SAFE_INTEGER,
      // Answering with the rejection keeps the client from logging to the console.
      writeFailed: (error) => Promise.reject(error),
    })
    writer.writeRecords([...lines])
    try {
      await writer.flush()
      return undefined
    } catch (error) {
      return error as Error
    } finally {
      writer.dispose()
    }
  }

  /** The sums of each step that has any. */
  async #sums(measurement: Rolled, query: Steps, condition: string): Promise<Map<number, Sums>> {
    const stale = await this.#stale.ranges(measurement)
    return sumSteps(measurement, query, stale, ({ table, sums, fromMs, toMs }) =>
      this.#query(
        `SELECT ${sums.join(', ')} FROM "${table}" WHERE ${condition} AND time >= ${fromMs}ms AND time < ${toMs}ms
         GROUP BY time(${query.stepMs}ms) fill(none)`,
      ),
    )
  }

  /** InfluxDB 3 deletes by the retention of its database only; it is told once and left to that. */
  async #deleteBefore(
    measurement: string,
    beforeMs: number,
    kept: readonly KeptPassage[] = [],
  ): Promise<void> {
    if (beforeMs <= 0) return
    const deletions = aroundKept(beforeMs, kept).map((which) => `DELETE FROM "${measurement}" WHERE ${which}`)
    try {
      for (let offset = 0; offset < deletions.length; offset += DELETIONS) {
        await this.#querySeries(deletions.slice(offset, offset + DELETIONS).join('; '), { isDelete: true })
      }
    } catch (err) {
      if (!this.#hasDeleted) this.#log.warn({ err, measurement }, 'old points could not be deleted')
      this.#hasDeleted = true
    }
  }

  async #query(q: string): Promise<(string | number | null)[][]> {
    return (await this.#querySeries(q))[0]?.values ?? []
  }

  async #querySeries(
    q: string,
    { isDelete = false, isExact = false }: { isDelete?: boolean; isExact?: boolean } = {},
  ): Promise<InfluxSeries[]> {
    const { bucket } = this.#options
    const search = new URLSearchParams({ db: bucket, q: q.replaceAll(/\s+/g, ' ') })
    if (!isExact) search.set('epoch', 'ms')
    const response = await this.#fetch(`/query?${search}`, isDelete ? 'POST' : 'GET')
    const text = await response.text()
    let body: QueryResult
    try {
      body = JSON.parse(text) as QueryResult
    } catch (error) {
      throw new Error(`InfluxDB answers ${response.status} with no JSON to a query`, { cause: error })
    }
    const failure = body.error ?? body.results?.find((result) => result.error)?.error
    if (failure !== undefined || !response.ok) {
      throw new Error(`InfluxDB answers ${response.status} to a query: ${failure ?? text.slice(0, 200)}`)
    }
    return body.results?.[0]?.series ?? []
  }

  #fetch(path: string, method = 'GET'): Promise<Response> {
    const base = this.#options.url.replace(/\/$/, '')
    return fetch(base + path, {
      method,
      headers: { authorization: `Token ${this.#options.token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  }
}

/** InfluxQL conditions that together are every point before this time but for those kept. */
function aroundKept(beforeMs: number, kept: readonly KeptPassage[]): string[] {
  const devicesAt = Map.groupBy(
    kept.filter(({ atMs }) => atMs < beforeMs),
    ({ atMs }) => atMs,
  )
  const conditions: string[] = []
  let fromMs: number | undefined
  for (const [atMs, passages] of [...devicesAt].sort(([a], [b]) => a - b)) {
    conditions.push(`${fromMs === undefined ? '' : `time >= ${fromMs}ms AND `}time < ${atMs}ms`)
    const isOther = passages.map(({ deviceId }) => `"device" != ${influxText(deviceId)}`).join(' AND ')
    conditions.push(`${isOther} AND time >= ${atMs}ms AND time < ${atMs + 1}ms`)
    fromMs = atMs + 1
  }
  conditions.push(`${fromMs === undefined ? '' : `time >= ${fromMs}ms AND `}time < ${beforeMs}ms`)
  return conditions
}

/** InfluxQL condition: the point's region lies inside the scope. */
function isInside(scope: string): string {
  return `"region" =~ /^${scope.replaceAll(/\D/g, '')}/`
}

function reasonOf(failure: Error): string {
  return failure instanceof HttpError && failure.body ? failure.body.slice(0, 300) : failure.message
}

/** Connects lazily: whether InfluxDB answers is told by `ping`. */
export function openInfluxdb(options: InfluxOptions): TimeSeries {
  return new InfluxTimeSeries(options)
}

/** Whether `a` stands after `b` where the newest comes first. */
function comesAfter(a: PassagePlace, b: PassagePlace): boolean {
  const [ofA, ofB] = [influxNanoseconds(a), influxNanoseconds(b)]
  if (ofA !== ofB) return ofA < ofB
  return a.edgeId === b.edgeId ? a.deviceId < b.deviceId : a.edgeId < b.edgeId
}
