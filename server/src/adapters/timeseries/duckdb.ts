/**
 * The time-series store of one machine: DuckDB in a worker thread. Appends that wait while one is being written go
 * together into the next transaction, so many small batches of many edges share one fsync.
 */
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FlowPoint, Passage, SeriesPoint } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { HubError } from '../../errors.ts'
import type { PassagePlace } from '../../ports/passage-id.ts'
import type { KeptPassage, PlateStore } from '../../ports/plate-store.ts'
import type {
  FlowQuery,
  PassageQuery,
  PlacedPassage,
  Point,
  PointCounts,
  RawFrom,
  RefusedPoint,
  SeriesQuery,
  StoredPassage,
  TimeSeries,
} from '../../ports/timeseries.ts'
import { type Appended, toBlocks } from './duckdb-columns.ts'
import { duckdbPlates } from './duckdb-plate-store.ts'
import type { DuckdbRequest, DuckdbResponse, DuckdbWorkerData } from './duckdb-worker.ts'
import { listed, withoutPlace } from './passage-lists.ts'
import {
  flowPointOf,
  HOUR_MS,
  LATEST_MS,
  partsFor,
  type Range,
  ROLLED,
  type Rolled,
  SUFFIX,
  type Sums,
  seriesPointOf,
  sumSteps,
} from './rollups.ts'
import { fillSteps, type Steps } from './steps.ts'

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

export type Request<R = DuckdbRequest> = R extends { id: number } ? Omit<R, 'id'> : never

/** Of passages, newest first. */
const PASSAGE_ORDER = ['at_ms', 'tie_break', 'edge_id', 'device_id'] as const

type PassageRow = [
  atMs: number,
  tieBreak: number,
  edgeId: string,
  deviceId: string,
  region: string,
  lane: number,
  speedKmh: number | null,
  vehicleClass: string | null,
  plateColour: string | null,
  direction: string | null,
  hasPlate: boolean,
]

class DuckdbTimeSeries implements TimeSeries {
  readonly plates: PlateStore = duckdbPlates((request) => this.#ask(request))
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
    const steps = await this.#sums('score', query, 'device_id = $3 and series = $4', query.scope, [
      query.deviceId,
      query.series,
    ])
    const found = new Map([...steps].map(([atMs, sums]) => [atMs, seriesPointOf(atMs, sums)]))
    return fillSteps(query, found, (atMs) => seriesPointOf(atMs, {}))
  }

  async passageFlow(query: FlowQuery): Promise<FlowPoint[]> {
    const { deviceId, scope } = query
    const steps =
      deviceId === undefined
        ? await this.#sums('passage', query, 'true', scope, [])
        : await this.#sums('passage', query, 'device_id = $3', scope, [deviceId])
    const found = new Map([...steps].map(([atMs, sums]) => [atMs, flowPointOf(atMs, sums)]))
    return fillSteps(query, found, (atMs) => flowPointOf(atMs, {}))
  }

  async runRollups(nowMs: number): Promise<number> {
    let all = 0
    for (;;) {
      // A range at a time: what is to be appended gets its turn in between.
      const [[stretches]] = (await this.#ask({ kind: 'roll up', nowMs })) as [[number]]
      if (stretches === 0) return all
      all += stretches
    }
  }

  async runRetention(
    rawFrom: RawFrom,
    sumsFrom: { minute: number; hour: number },
    kept: readonly KeptPassage[],
  ): Promise<void> {
    await this.#ask({ kind: 'retain', rawFrom, sumsFrom, kept })
  }

  async passage({ atMs, tieBreak, edgeId, deviceId }: PassagePlace): Promise<StoredPassage | undefined> {
    const [row] = (await this.#query(
      `select region, "plateCipher", "plateHash" from passage
       where at_ms = $1 and tie_break = $2 and edge_id = $3 and device_id = $4 limit 1`,
      [atMs, tieBreak, edgeId, deviceId],
    )) as [string, string | null, string | null][]
    if (!row) return undefined
    const [region, plateCipher, plateHash] = row
    return {
      deviceId,
      region,
      atMs,
      ...(plateCipher === null ? {} : { plateCipher }),
      ...(plateHash === null ? {} : { plateHash }),
    }
  }

  async latestPassages(
    checkpointId: string,
    scope: string,
    limit: number,
    onlyAtMs?: number,
  ): Promise<Passage[]> {
    const found = await this.#passages(
      `device_id = $1 and region >= $2 and region < $3${onlyAtMs === undefined ? '' : ' and at_ms = $4'}`,
      [checkpointId, ...regionRange(scope), ...(onlyAtMs === undefined ? [] : [onlyAtMs])],
      limit,
    )
    return found.map(withoutPlace)
  }

  searchPassages(query: PassageQuery): Promise<PlacedPassage[]> {
    const values: (string | number)[] = []
    const conditions: string[] = []
    const add = (condition: (...places: string[]) => string, ...given: (string | number | undefined)[]) => {
      if (given.some((value) => value === undefined)) return
      conditions.push(condition(...given.map((value) => `$${values.push(value!)}`)))
    }
    const { before } = query
    add(
      (from, to) => `at_ms >= ${from} and at_ms < ${to}`,
      query.fromMs,
      Math.min(query.toMs, (before?.atMs ?? LATEST_MS) + 1),
    )
    add((from, to) => `region >= ${from} and region < ${to}`, ...regionRange(query.scope))
    add((device) => `device_id = ${device}`, query.deviceId)
    add((lane) => `lane = ${lane}`, query.lane)
    add((begin) => `starts_with("vehicleClass", ${begin})`, query.vehicleClass)
    add((colour) => `"plateColour" = ${colour}`, query.plateColour)
    add((direction) => `direction = ${direction}`, query.direction)
    add((least) => `"speedKmh" >= ${least}`, query.minKmh)
    add((most) => `"speedKmh" <= ${most}`, query.maxKmh)
    add((hash) => `"plateHash" = ${hash}`, query.plateHash)
    const key = [before?.atMs, before?.tieBreak, before?.edgeId, before?.deviceId]
    add((...places) => `(${PASSAGE_ORDER.join(', ')}) < (${places.join(', ')})`, ...key)
    return this.#passages(conditions.join(' and '), values, query.limit)
  }

  async #passages(condition: string, values: (string | number)[], limit: number): Promise<PlacedPassage[]> {
    const order = PASSAGE_ORDER.map((column) => `${column} desc`).join(', ')
    const rows = (await this.#query(
      `select at_ms, tie_break, edge_id, device_id, region, lane, "speedKmh", "vehicleClass", "plateColour", direction,
         "plateHash" is not null or "plateCipher" is not null
       from passage where ${condition} order by ${order} limit ${Math.trunc(limit)}`,
      values,
    )) as PassageRow[]
    return rows.map(([atMs, tieBreak, edgeId, deviceId, region, lane, ...rest]) => {
      const [speedKmh, vehicleClass, plateColour, direction, hasPlate] = rest
      const stored = { region, lane, speedKmh, vehicleClass, plateColour, direction, hasPlate }
      return listed({ atMs, tieBreak, edgeId, deviceId }, stored)
    })
  }

  async count(scope: string): Promise<PointCounts> {
    const [passages, readings, scores] = await Promise.all(
      ROLLED.map((measurement) => this.#countRolled(measurement, scope)),
    )
    const [[health]] = (await this.#query(
      'select count(*) from health where region >= $1 and region < $2',
      regionRange(scope),
    )) as [[number]]
    return { passages: passages!, readings: readings!, total: passages! + readings! + scores! + health }
  }

  /** From the sums as far as they go: counting every point would take longer the longer the hub runs. */
  async #countRolled(measurement: Rolled, scope: string): Promise<number> {
    const all = { beginMs: 0, endMs: LATEST_MS, stepMs: HOUR_MS }
    const counts = partsFor(all, await this.#stale(measurement)).map(({ resolution, fromMs, toMs }) => {
      const isRaw = resolution === 'raw'
      const table = isRaw ? measurement : measurement + SUFFIX[resolution]
      return `(select ${isRaw ? 'count(*)' : 'coalesce(sum(n), 0)'} from ${table}
        where region >= $1 and region < $2 and at_ms >= ${fromMs} and at_ms < ${toMs})`
    })
    const [[count]] = (await this.#query(`select ${counts.join(' + ')}`, regionRange(scope))) as [[number]]
    return count
  }

  async #stale(measurement: Rolled): Promise<Range[]> {
    const rows = (await this.#ask({ kind: 'stale', measurement })) as [number, number][]
    return rows.map(([fromMs, toMs]) => ({ fromMs, toMs }))
  }

  /** The sums of each step that has any. `condition` may use the parameters from $3 on. */
  async #sums(
    measurement: Rolled,
    query: Steps,
    condition: string,
    scope: string,
    parameters: string[],
  ): Promise<Map<number, Sums>> {
    const { stepMs } = query
    return sumSteps(measurement, query, await this.#stale(measurement), ({ table, sums, fromMs, toMs }) =>
      this.#query(
        `select (at_ms // ${stepMs}) * ${stepMs} as step, ${sums.join(', ')} from ${table}
         where region >= $1 and region < $2 and ${condition} and at_ms >= ${fromMs} and at_ms < ${toMs} group by step`,
        [...regionRange(scope), ...parameters],
      ),
    )
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
