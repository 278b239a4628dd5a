/**
 * The time-series store of many machines: InfluxDB 1.8, 2.x or 3. Writes go by the official client with its retries
 * off and every flush awaited: left to itself it buffers, retries in the background and drops what does not fit, and
 * we acknowledge only what is stored. Reads are InfluxQL on `/query`, which all three versions answer.
 */
import { HttpError, InfluxDB } from '@influxdata/influxdb-client'
import type { Passage, SeriesPoint } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Point, PointCounts, RefusedPoint, SeriesQuery, TimeSeries } from '../../ports/timeseries.ts'
import { influxText, toLine } from './influx-lines.ts'
import { fillSteps, stepSpan } from './steps.ts'

export interface InfluxOptions {
  url: string
  token: string
  org: string
  /** Bucket of 2.x and 3, database of 1.x. It has to exist. */
  bucket: string
  log: Logger
}

const WRITE_LINES = 5000
const TIMEOUT_MS = 20_000

/** A field that every point of a measurement has, to count by. */
const COUNTED_FIELD = { passage: 'lane', reading: 'value', score: 'value' } as const

interface QueryResult {
  error?: string
  results?: {
    error?: string
    series?: { columns: string[]; values: (string | number | null)[][] }[]
  }[]
}

class InfluxTimeSeries implements TimeSeries {
  readonly #options: InfluxOptions
  readonly #client: InfluxDB
  readonly #log: Logger

  constructor(options: InfluxOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'timeseries' })
    this.#client = new InfluxDB({ url: options.url, token: options.token, timeout: TIMEOUT_MS })
  }

  async append(points: readonly Point[]): Promise<RefusedPoint[]> {
    const refused: RefusedPoint[] = []
    for (let offset = 0; offset < points.length; offset += WRITE_LINES) {
      await this.#write(points.slice(offset, offset + WRITE_LINES), refused)
    }
    return refused
  }

  async scoredSeries(query: SeriesQuery): Promise<SeriesPoint[]> {
    const { beginMs, endMs } = stepSpan(query)
    const rows = await this.#query(
      `SELECT mean("value"), max("score"), mean("expectedLow"), mean("expectedHigh") FROM "score"
       WHERE "device" = ${influxText(query.deviceId)} AND "series" = ${influxText(query.series)}
       AND ${isInside(query.scope)} AND time >= ${beginMs}ms AND time < ${endMs}ms GROUP BY time(${query.stepMs}ms) fill(none)`,
    )
    const found = new Map<number, SeriesPoint>()
    for (const [atMs, value, score, expectedLow, expectedHigh] of rows as number[][]) {
      found.set(atMs!, {
        atMs: atMs!,
        value: value ?? null,
        score: score ?? null,
        expectedLow: expectedLow ?? null,
        expectedHigh: expectedHigh ?? null,
      })
    }
    return fillSteps(query, found)
  }

  async latestPassages(checkpointId: string, scope: string, limit: number): Promise<Passage[]> {
    const rows = await this.#query(
      `SELECT "lane", "speedKmh", "vehicleClass", "plateColour", "direction", "plateHash" FROM "passage"
       WHERE "device" = ${influxText(checkpointId)} AND ${isInside(scope)} ORDER BY time DESC LIMIT ${Math.trunc(limit)}`,
    )
    return rows.map((row) => {
      const [atMs, lane, speedKmh, vehicleClass, plateColour, direction, plateHash] = row
      return {
        atMs: Number(atMs),
        lane: Number(lane),
        ...(speedKmh === null ? {} : { speedKmh: Number(speedKmh) }),
        ...(vehicleClass ? { vehicleClass: String(vehicleClass) } : {}),
        ...(plateColour ? { plateColour: String(plateColour) } : {}),
        ...(direction ? { direction: String(direction) } : {}),
        hasPlate: plateHash !== null,
      }
    })
  }

  async count(scope: string): Promise<PointCounts> {
    const where = scope === '' ? '' : `WHERE ${isInside(scope)}`
    const count = async (measurement: string, field: string) => {
      const [row] = await this.#query(`SELECT count("${field}") FROM "${measurement}" ${where}`)
      return Number(row?.[1] ?? 0)
    }
    const [passages, readings, scores, edges, cameras] = await Promise.all([
      count('passage', COUNTED_FIELD.passage),
      count('reading', COUNTED_FIELD.reading),
      count('score', COUNTED_FIELD.score),
      count('health', 'uptimeSeconds'),
      count('health', 'framesAnalysed'),
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

  async #query(q: string): Promise<(string | number | null)[][]> {
    const { bucket } = this.#options
    const search = new URLSearchParams({ db: bucket, epoch: 'ms', q: q.replaceAll(/\s+/g, ' ') })
    const response = await this.#fetch(`/query?${search}`)
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
    return body.results?.[0]?.series?.[0]?.values ?? []
  }

  #fetch(path: string): Promise<Response> {
    const base = this.#options.url.replace(/\/$/, '')
    return fetch(base + path, {
      headers: { authorization: `Token ${this.#options.token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  }
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
