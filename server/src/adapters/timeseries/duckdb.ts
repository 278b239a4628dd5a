/**
 * The time-series store of one machine: DuckDB in a worker thread. Appends that wait while one is being written go
 * together into the next transaction, so many small batches of many edges share one fsync.
 */
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Passage, SeriesPoint } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { HubError } from '../../errors.ts'
import type { Point, PointCounts, RefusedPoint, SeriesQuery, TimeSeries } from '../../ports/timeseries.ts'
import { type Appended, toBlocks } from './duckdb-columns.ts'
import type { DuckdbRequest, DuckdbResponse, DuckdbWorkerData } from './duckdb-worker.ts'
import { fillSteps, stepSpan } from './steps.ts'

/** At most this many points go into one transaction. */
const MAX_GROUP_POINTS = 20_000
const MEMORY_MB = 512
const THREADS = 2

/** Groups handed to the thread at once: the next is ready when one is written. */
const MAX_GROUPS = 2

interface Waiting extends Appended {
  resolve(): void
  reject(error: Error): void
}

type Request<R = DuckdbRequest> = R extends { id: number } ? Omit<R, 'id'> : never

class DuckdbTimeSeries implements TimeSeries {
  readonly #worker: Worker
  readonly #answers = new Map<number, { resolve(rows: unknown[][]): void; reject(error: Error): void }>()
  #waiting: Waiting[] = []
  #groups = 0
  #nextId = 1
  #dead: Error | undefined
  #closing: Promise<void> | undefined

  constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (message: DuckdbResponse) => this.#settle(message))
    worker.on('error', (error) => this.#die(error as Error))
    worker.on('exit', () => this.#die(new Error('the DuckDB thread has ended')))
  }

  append(points: readonly Point[], source?: string): Promise<RefusedPoint[]> {
    if (points.length === 0) return Promise.resolve([])
    const { promise, resolve, reject } = Promise.withResolvers<RefusedPoint[]>()
    this.#waiting.push({ points, source, resolve: () => resolve([]), reject })
    this.#appendWaiting()
    return promise
  }

  async scoredSeries(query: SeriesQuery): Promise<SeriesPoint[]> {
    const { beginMs, endMs } = stepSpan(query)
    const rows = await this.#query(
      `select (at_ms // ${query.stepMs}) * ${query.stepMs} as step,
         avg("value"), max("score"), avg("expectedLow"), avg("expectedHigh")
       from score where device_id = $1 and series = $2 and region >= $3 and region < $4
         and at_ms >= ${beginMs} and at_ms < ${endMs} group by step`,
      [query.deviceId, query.series, ...regionRange(query.scope)],
    )
    const found = new Map<number, SeriesPoint>()
    for (const [atMs, value, score, expectedLow, expectedHigh] of rows as [number, ...(number | null)[]][]) {
      found.set(atMs, {
        atMs,
        value: value ?? null,
        score: score ?? null,
        expectedLow: expectedLow ?? null,
        expectedHigh: expectedHigh ?? null,
      })
    }
    return fillSteps(query, found)
  }

  async latestPassages(checkpointId: string, scope: string, limit: number): Promise<Passage[]> {
    const rows = (await this.#query(
      `select at_ms, lane, "speedKmh", "vehicleClass", "plateColour", direction, "plateHash" is not null
       from passage where device_id = $1 and region >= $2 and region < $3
       order by at_ms desc, tie_break desc limit ${Math.trunc(limit)}`,
      [checkpointId, ...regionRange(scope)],
    )) as [number, number, number | null, string | null, string | null, string | null, boolean][]
    return rows.map(([atMs, lane, speedKmh, vehicleClass, plateColour, direction, hasPlate]) => ({
      atMs,
      lane,
      ...(speedKmh === null ? {} : { speedKmh }),
      ...(vehicleClass === null ? {} : { vehicleClass }),
      ...(plateColour === null ? {} : { plateColour }),
      ...(direction === null ? {} : { direction }),
      hasPlate,
    }))
  }

  async count(scope: string): Promise<PointCounts> {
    const inside = 'select count(*) from'
    const where = 'where region >= $1 and region < $2'
    const [row] = (await this.#query(
      `select (${inside} passage ${where}), (${inside} reading ${where}),
         (${inside} score ${where}), (${inside} health ${where})`,
      regionRange(scope),
    )) as [number, number, number, number][]
    const [passages, readings, scores, health] = row!
    return { passages, readings, total: passages + readings + scores + health }
  }

  async copyTo(file: string): Promise<number> {
    const [[points]] = (await this.#ask({ kind: 'copy', file })) as [[number]]
    return points
  }

  async ping(): Promise<void> {
    await this.#query('select 1', [])
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      if (this.#dead) return
      const exited = once(this.#worker, 'exit')
      await this.#ask({ kind: 'close' })
      await exited
    })()
    return this.#closing
  }

  #appendWaiting(): void {
    while (this.#waiting.length > 0 && this.#groups < MAX_GROUPS) {
      const group = this.#takeGroup()
      this.#groups++
      void this.#appendGroup(group).finally(() => {
        this.#groups--
        this.#appendWaiting()
      })
    }
  }

  async #appendGroup(group: readonly Waiting[]): Promise<void> {
    const { blocks, memory } = toBlocks(group)
    try {
      await this.#ask({ kind: 'append', blocks }, memory)
      for (const { resolve } of group) resolve()
    } catch (error) {
      for (const { reject } of group) reject(error as Error)
    }
  }

  #takeGroup(): Waiting[] {
    let points = 0
    const end = this.#waiting.findIndex((waiting) => {
      points += waiting.points.length
      return points > MAX_GROUP_POINTS
    })
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end))
  }

  #query(sql: string, parameters: (string | number)[]): Promise<unknown[][]> {
    return this.#ask({ kind: 'query', sql, parameters })
  }

  #ask(request: Request, memory: ArrayBuffer[] = []): Promise<unknown[][]> {
    if (this.#dead) return Promise.reject(this.#dead)
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<unknown[][]>()
    this.#answers.set(id, { resolve, reject })
    this.#worker.postMessage({ ...request, id }, memory)
    return promise
  }

  #settle(message: DuckdbResponse): void {
    const answer = this.#answers.get(message.id)
    this.#answers.delete(message.id)
    if ('failure' in message) answer?.reject(new Error(`DuckDB: ${message.failure}`))
    else answer?.resolve(message.rows)
  }

  #die(error: Error): void {
    this.#dead ??= error
    for (const { reject } of this.#answers.values()) reject(this.#dead)
    this.#answers.clear()
  }
}

/** Bounds of the codes that start with the scope: ':' is the character after '9'. */
function regionRange(scope: string): [from: string, before: string] {
  return [scope, `${scope}:`]
}

/** Opens the file, and makes it and its folder if need be. Throws HUB_TIMESERIES if it is none of DuckDB's or in use. */
export async function openDuckdb(options: { file: string; log: Logger }): Promise<TimeSeries> {
  const { file } = options
  await mkdir(dirname(file), { recursive: true })
  const worker = new Worker(new URL('./duckdb-worker.ts', import.meta.url), {
    workerData: { file, memoryMb: MEMORY_MB, threads: THREADS } satisfies DuckdbWorkerData,
  })
  try {
    await once(worker, 'message')
  } catch (error) {
    throw new HubError('HUB_TIMESERIES', `${file} cannot be opened: ${(error as Error).message}`, {
      cause: error,
    })
  }
  options.log.child({ component: 'timeseries' }).debug({ file }, 'time-series store opened')
  return new DuckdbTimeSeries(worker)
}
