/**
 * Takes what edges send and keeps the promise of the cursor protocol: points first (idempotent), then records and
 * cursor in one transaction, then the cursor to the edge. A crash between any two of them is repaired by the edge sending
 * the batch again. The screens hear of what is committed by the log of changes (changes/changes.ts).
 *
 * Each edge has one lane a stream, so an alert never waits behind measurements. What waits is bounded: while it is too
 * much, the broker reads no further from the edges.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  Batch,
  type Cursor,
  covers,
  EdgeStatus,
  edgeTopics,
  Hello,
  type JournalRecord,
  jsonParser,
  MAX_MESSAGE_BYTES,
  parseUpTopic,
  STREAMS,
  type Stream,
} from '@patrolhub/protocol'
import type { Transaction } from 'kysely'
import type { Logger } from 'pino'
import type { Metrics } from '../metrics.ts'
import type { EdgeIdentity } from '../ports/broker.ts'
import type { Relational } from '../ports/relational.ts'
import type { Tables } from '../ports/tables.ts'
import type { Measurement, Point, TimeSeries } from '../ports/timeseries.ts'
import { checkRecord } from './check-record.ts'
import type { Item, RecordTakers } from './commit.ts'
import { type CursorKey, CursorMovedError, cursorMessage, openCursors, readCursor } from './cursor-store.ts'
import { GroupCommit } from './group-commit.ts'
import { Lanes } from './lanes.ts'
import { MessageReader } from './message-reader.ts'
import { planBatch } from './plan-batch.ts'
import { pointsOf } from './points.ts'

export interface IngestDeps extends RecordTakers {
  relational: Relational
  timeseries: TimeSeries
  metrics: Metrics
  log: Logger
  /** Bytes of waiting batches, all edges together, beyond which reading stops; each edge has a share of it. */
  maxWaitingBytes: number
  /** Whether the broker can stop reading from one edge alone. If not, what is beyond an edge's share is not taken. */
  readsApart: boolean
  /** Sends to an edge; resolves when it is on its way. */
  publish(topic: string, payload: string): Promise<void>
  ownerOf(deviceId: string): string | undefined
  registerDevices(trx: Transaction<Tables>, edge: EdgeIdentity, hello: Hello, atMs: number): Promise<void>
  /** After a hello is committed. */
  greeted(edgeId: string): Promise<void>
  noteState(edgeId: string, state: 'online' | 'offline', atMs: number): Promise<void>
  /**
   * How long a batch that begins past the cursor waits for the one before it, ms. With several hubs the broker deals an
   * edge's batches out, and the one before may still be on its way into the store at another hub; else 0.
   */
  gapWaitMs: number
  now?: () => number
}

export interface Ingest {
  /** As `BrokerHandlers.message`: resolves when there is room for more. */
  message(edge: EdgeIdentity, topic: string, payload: Uint8Array): Promise<void>
  /** Stops trying again and resolves when nothing is being stored any more. */
  close(): Promise<void>
}

const parseBatch = jsonParser(Batch)
const parseHello = jsonParser(Hello)
const parseStatus = jsonParser(EdgeStatus)

/** What a queued message costs besides its bytes: a flood of tiny ones is bounded too. */
const JOB_BYTES = 2048
/** How often a batch is tried while a store is in trouble; then the edge has to send it again. */
const ATTEMPTS = 6
const FIRST_RETRY_MS = 200
/** Several times what an edge of ours has in flight: its batches are never too much. */
const ALWAYS_TAKEN_BYTES = 4 * MAX_MESSAGE_BYTES
const OVERTAKEN_MS = 5
/** Between two looks for the batch before, at another hub. */
const MAX_GAP_PAUSE_MS = 50

class IngestService implements Ingest {
  readonly #deps: IngestDeps
  readonly #log: Logger
  readonly #now: () => number
  readonly #lanes: Lanes
  readonly #stop = new AbortController()
  /** Cursors as committed, so that a batch does not begin with a query: of one epoch an edge and stream, the last one. */
  readonly #cursors = new Map<string, { epoch: string; seq: number }>()
  /** Cursor of a lane at which the batch that should follow did not come in time. */
  readonly #givenUp = new Map<string, number>()
  readonly #messages: MessageReader
  readonly #commits: GroupCommit

  constructor(deps: IngestDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'ingest' })
    this.#now = deps.now ?? Date.now
    this.#lanes = new Lanes(deps.maxWaitingBytes)
    this.#commits = new GroupCommit(deps.relational, deps)
    this.#messages = new MessageReader(deps.metrics, this.#log, this.#now)
  }

  async message(edge: EdgeIdentity, topic: string, payload: Uint8Array): Promise<void> {
    const parsed = parseUpTopic(topic)
    if (this.#stop.signal.aborted || !parsed) return
    const arrivedAtMs = this.#now()
    switch (parsed.kind) {
      case 'status': {
        const status = this.#messages.read({ edgeId: edge.edgeId, topic, payload }, parseStatus)
        // Waited for: an edge that floods is read no faster than its states can be written.
        if (status) await this.#deps.noteState(edge.edgeId, status.state, arrivedAtMs)
        return
      }
      case 'hello': {
        const hello = this.#messages.read({ edgeId: edge.edgeId, topic, payload }, parseHello)
        if (hello) this.#queueHello(edge, hello, payload.byteLength, arrivedAtMs)
        break
      }
      case 'batch': {
        if (this.#isTooMuch(edge.edgeId, payload.byteLength)) {
          this.#deps.metrics.batchesRefused.inc({ stream: parsed.stream, reason: 'share' })
          return
        }
        const batch = this.#messages.read({ edgeId: edge.edgeId, topic, payload }, parseBatch)
        if (batch) this.#queueBatch(edge, parsed.stream, batch, payload.byteLength, arrivedAtMs)
        break
      }
    }
    if (!this.#lanes.isFull(edge.edgeId)) return
    this.#deps.metrics.ingestPauses.inc()
    await this.#lanes.room(edge.edgeId)
  }

  /** Of an edge that cannot be told to wait: what it is not answered it sends again. */
  #isTooMuch(edgeId: string, bytes: number): boolean {
    return !this.#deps.readsApart && this.#lanes.isBeyondShare(edgeId, bytes, ALWAYS_TAKEN_BYTES)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#lanes.idle()
  }

  #queueHello(edge: EdgeIdentity, hello: Hello, bytes: number, arrivedAtMs: number): void {
    // Both lanes wait for it: a batch that follows right behind needs the cursors that it makes.
    const { edgeId } = edge
    const done = this.#run(edgeId, 'alerts', bytes, () => this.#takeHello(edge, hello, arrivedAtMs))
    void this.#run(edgeId, 'measurements', 0, () => done)
  }

  #queueBatch(edge: EdgeIdentity, stream: Stream, batch: Batch, bytes: number, arrivedAtMs: number): void {
    void this.#run(edge.edgeId, stream, bytes, () => this.#takeBatch(edge, stream, batch, arrivedAtMs))
  }

  /** Runs a job in its lane; its faults are logged, never thrown. */
  #run(edgeId: string, stream: Stream, bytes: number, job: () => Promise<void>): Promise<void> {
    const { ingestWaitingBytes } = this.#deps.metrics
    const lane = laneOf({ edgeId, stream })
    const done = this.#lanes.run(edgeId, lane, bytes + JOB_BYTES, () =>
      job().catch((err: unknown) => this.#log.error({ err, lane }, 'what an edge sent could not be taken')),
    )
    ingestWaitingBytes.set(this.#lanes.waitingBytes)
    return done.finally(() => ingestWaitingBytes.set(this.#lanes.waitingBytes))
  }

  async #takeHello(edge: EdgeIdentity, hello: Hello, atMs: number): Promise<void> {
    const { edgeId } = edge
    if (!covers(edge.region, hello.region)) {
      this.#deps.metrics.messagesRefused.inc({ reason: 'region' })
      this.#log.error(
        { edgeId, region: hello.region, allowed: edge.region },
        'hello refused: the edge says that it stands outside the region of its credential',
      )
      return
    }
    const opened = await this.#again(() =>
      this.#deps.relational.write.transaction().execute(async (trx) => {
        await this.#deps.registerDevices(trx, edge, hello, atMs)
        return openCursors(trx, edgeId, hello.epoch, startOf(hello), atMs)
      }),
    )
    await this.#deps.greeted(edgeId)
    for (const stream of STREAMS) {
      const key = { edgeId, stream, epoch: hello.epoch }
      this.#givenUp.delete(laneOf(key))
      this.#remember(key, opened.seqs[stream])
      await this.#answer(key, opened.seqs[stream], 'hello')
    }
    this.#logHello(edgeId, hello, opened)
    await this.#deps.noteState(edgeId, 'online', atMs)
  }

  #logHello(edgeId: string, hello: Hello, opened: Awaited<ReturnType<typeof openCursors>>): void {
    const { epoch, software } = hello
    if (!opened.isNewEpoch) {
      this.#log.info({ edgeId, epoch, software, cursors: opened.seqs }, 'edge says hello')
    } else {
      this.#deps.metrics.newEpochs.inc()
      if (opened.hadOther) {
        this.#log.warn(
          { edgeId, epoch, software },
          'edge has a new journal: it was re-installed or its journal was lost',
        )
      } else {
        this.#log.info({ edgeId, epoch, software }, 'edge says hello for the first time')
      }
    }
    for (const stream of STREAMS) {
      const { firstSeq, lastSeq } = hello.streams[stream]
      const cursor = opened.seqs[stream]
      if (lastSeq > 0 && lastSeq < cursor) {
        this.#log.error(
          { edgeId, epoch, stream, lastSeq, cursor },
          'the journal of an edge ends before the cursor: it was set back, and what it numbers again will be taken for repeats',
        )
      }
      if (opened.isNewEpoch && firstSeq > 1) {
        this.#log.warn(
          { edgeId, epoch, stream, firstSeq },
          'the journal of an edge begins past 1: what was before has been acknowledged by a hub with another database',
        )
      }
    }
  }

  async #takeBatch(edge: EdgeIdentity, stream: Stream, batch: Batch, arrivedAtMs: number): Promise<void> {
    const key: CursorKey = { edgeId: edge.edgeId, stream, epoch: batch.epoch }
    let isCommitted: boolean
    try {
      isCommitted = await this.#again(() => this.#storeBatch(edge, key, batch, arrivedAtMs))
    } catch (err) {
      this.#deps.metrics.batchesGivenUp.inc({ stream })
      this.#log.error(
        { err, ...key, firstSeq: batch.firstSeq },
        'a batch could not be stored; the edge has to send it again',
      )
      return
    }
    if (!isCommitted) return
    this.#deps.metrics.ingestSeconds.observe({ stream }, (this.#now() - arrivedAtMs) / 1000)
  }

  /** Answers whether something was committed: not if the batch was a repeat or was refused. The edge has its cursor then. */
  async #storeBatch(edge: EdgeIdentity, key: CursorKey, batch: Batch, arrivedAtMs: number): Promise<boolean> {
    const { metrics, timeseries } = this.#deps
    const { stream } = key
    let cursor = await this.#cursorOf(key)
    let plan = planBatch(cursor, batch)
    if (plan.kind === 'gap' || plan.kind === 'epoch') {
      cursor = await this.#awaitPredecessor(key, batch)
      plan = planBatch(cursor, batch)
    }
    if (plan.kind === 'epoch' || plan.kind === 'gap') {
      metrics.batchesRefused.inc({ stream, reason: plan.kind })
      this.#log.info({ ...key, cursor, firstSeq: batch.firstSeq, reason: plan.kind }, 'batch refused')
      await this.#answer(key, cursor ?? 0, plan.kind)
      return false
    }
    metrics.recordsRepeated.inc({ stream }, plan.repeated)
    if (plan.kind === 'repeat') {
      await this.#answer(key, cursor ?? 0, 'committed')
      return false
    }

    const context = { edge, stream, nowMs: arrivedAtMs, ownerOf: this.#deps.ownerOf }
    const items = plan.records.map((input, index): Item => {
      const checked = checkRecord(input, context)
      return {
        seq: plan.firstSeq + index,
        input,
        record: checked.ok ? checked.record : undefined,
        refused: checked.ok ? undefined : checked,
      }
    })
    await this.#appendPoints(timeseries, edge, key, items)
    try {
      await this.#commits.commit(
        {
          key,
          edge,
          items,
          cursor: { from: cursor!, to: plan.upTo },
          lost: plan.lost && {
            seq: plan.lost.toSeq,
            reason: `the edge lost ${plan.lost.fromSeq} to ${plan.lost.toSeq}: ${plan.lost.reason}`,
            payload: plan.lost,
          },
          receivedAtMs: arrivedAtMs,
        },
        (item, err) => this.#log.error({ err, ...key, seq: item.seq }, 'a record made its transaction fail'),
      )
      this.#remember(key, plan.upTo)
      this.#count(key, items, plan.lost)
      await this.#answer(key, plan.upTo, 'committed')
      return true
    } catch (error) {
      this.#cursors.delete(laneOf(key))
      throw error
    }
  }

  async #appendPoints(
    timeseries: TimeSeries,
    edge: EdgeIdentity,
    { stream, epoch }: CursorKey,
    items: readonly Item[],
  ): Promise<void> {
    const { metrics } = this.#deps
    const points: Point[] = []
    for (const { record, seq } of items) {
      if (record) points.push(...pointsOf(record, seq, edge))
    }
    if (points.length === 0) return
    const refused = await timeseries.append(points, `${edge.edgeId}/${stream}/${epoch}`)
    const counts = new Map<Measurement, number>()
    for (const { measurement } of points) counts.set(measurement, (counts.get(measurement) ?? 0) + 1)
    for (const [measurement, count] of counts) metrics.pointsAppended.inc({ measurement }, count)
    metrics.pointsRefused.inc(refused.length)
    if (refused.length === 0) return
    const bySeq = new Map(items.map((item) => [item.seq, item]))
    for (const { point, reason } of refused) {
      const item = bySeq.get(point.tieBreak)
      if (item) item.refused ??= { why: 'store', reason }
    }
  }

  #count(
    key: CursorKey,
    items: readonly Item[],
    lost: { fromSeq: number; toSeq: number; reason: string } | undefined,
  ): void {
    const { metrics } = this.#deps
    const { stream, edgeId } = key
    const taken = new Map<JournalRecord['kind'], number>()
    for (const { record, refused } of items) {
      if (refused) metrics.recordsSetAside.inc({ stream, reason: refused.why })
      else if (record) taken.set(record.kind, (taken.get(record.kind) ?? 0) + 1)
    }
    for (const [kind, count] of taken) metrics.recordsCommitted.inc({ stream, kind }, count)
    const aside = items.filter(({ refused }) => refused)
    if (aside.length > 0) {
      const [first] = aside
      this.#log.warn(
        { edgeId, stream, count: aside.length, firstSeq: first!.seq, reason: first!.refused!.reason },
        'records set aside',
      )
    }
    if (lost) {
      metrics.recordsLost.inc({ stream }, lost.toSeq - lost.fromSeq + 1)
      this.#log.warn({ edgeId, stream, ...lost }, 'the edge declares records as lost')
    }
  }

  async #cursorOf(key: CursorKey): Promise<number | undefined> {
    const known = this.#cursors.get(laneOf(key))
    if (known?.epoch === key.epoch) return known.seq
    const seq = await readCursor(this.#deps.relational.write, key)
    if (seq !== undefined) this.#remember(key, seq)
    return seq
  }

  /** Where the cursor is once another hub has moved it to where the batch begins, or when there was time enough for it. */
  async #awaitPredecessor(key: CursorKey, batch: Batch): Promise<number | undefined> {
    const patienceEndsMs = performance.now() + this.#deps.gapWaitMs
    for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, MAX_GAP_PAUSE_MS)) {
      this.#cursors.delete(laneOf(key))
      const cursor = await this.#cursorOf(key)
      const isThere = cursor !== undefined && planBatch(cursor, batch).kind !== 'gap'
      // The batches behind one that waited in vain need not wait again.
      const isGivenUp = cursor !== undefined && this.#givenUp.get(laneOf(key)) === cursor
      if (isThere || isGivenUp || this.#stop.signal.aborted) return cursor
      if (performance.now() >= patienceEndsMs) {
        if (cursor !== undefined) this.#givenUp.set(laneOf(key), cursor)
        return cursor
      }
      await delay(pauseMs)
    }
  }

  #remember(key: CursorKey, seq: number): void {
    this.#cursors.set(laneOf(key), { epoch: key.epoch, seq })
  }

  /** A cursor that does not reach the edge is no harm: the edge asks by hello after it is back. */
  async #answer(key: CursorKey, upTo: number, reason: Cursor['reason']): Promise<void> {
    const message = JSON.stringify(cursorMessage(key, upTo, reason))
    await this.#deps
      .publish(edgeTopics.cursor(key.edgeId), message)
      .catch((err: unknown) => this.#log.warn({ err, ...key }, 'a cursor could not be sent'))
  }

  /** Tries again with growing pauses: a store in trouble is given time before the edge has to repeat itself. */
  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (err) {
        if (attempt >= ATTEMPTS || this.#stop.signal.aborted) throw err
        // Another hub was faster: read the cursor again at once.
        const wasOvertaken = err instanceof CursorMovedError
        const waitMs = wasOvertaken ? OVERTAKEN_MS : FIRST_RETRY_MS * 2 ** (attempt - 1)
        if (!wasOvertaken) this.#log.warn({ err, attempt, waitMs }, 'storing failed; trying again')
        // Aborted by close(): the next attempt is the last.
        await delay(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      }
    }
  }
}

function laneOf({ edgeId, stream }: Pick<CursorKey, 'edgeId' | 'stream'>): string {
  return `${edgeId}/${stream}`
}

/** Where the cursors of an unknown epoch begin: an edge deletes only what some hub has acknowledged. */
function startOf(hello: Hello): Record<Stream, number> {
  return {
    alerts: Math.max(0, hello.streams.alerts.firstSeq - 1),
    measurements: Math.max(0, hello.streams.measurements.firstSeq - 1),
  }
}

export function ingestFeature(deps: IngestDeps): Ingest {
  return new IngestService(deps)
}
