/**
 * The edge's durable log of records. `append` resolves when the record is on the disk: appends that come while a
 * commit runs share the next one (group commit), in a worker thread, so that a slow disk never holds up the edge.
 *
 * While the disk refuses (full, read error), records wait in memory and are tried again every second; past
 * `MAX_PENDING_RECORDS` further ones are refused to whoever brings them. Nothing is dropped silently.
 */
import { EventEmitter } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type JournalRecord, type Stream, streamOf } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { EdgeError } from '../errors.ts'
import type { JournalSlice, JournalState, PendingRecord, StreamBounds } from './journal-file.ts'
import type { JournalAnswer, JournalCall, JournalRequest, JournalWorkerData } from './worker-messages.ts'

export type { JournalSlice, StreamBounds } from './journal-file.ts'

export interface Appended {
  stream: Stream
  seq: number
}

export interface JournalStats {
  /** Records on the disk that the hub has not acknowledged. */
  records: number
  bytes: number
  /** Records that wait for the disk. */
  pending: number
  /** Records given up for want of space, this epoch. */
  dropped: Record<Stream, number>
}

const MAX_PENDING_RECORDS = 20_000
/** A batch of one record has to fit into an MQTT message. */
const MAX_RECORD_BYTES = 256 * 1024
const RETRY_MS = 1000

interface Waiting extends PendingRecord {
  resolve: (appended: Appended) => void
  reject: (error: EdgeError) => void
}

interface JournalEvents {
  /** Records of this stream have become durable. */
  appended: [Stream]
  /** The journal can not go on; the process should end. */
  failed: [EdgeError]
}

export class Journal extends EventEmitter<JournalEvents> {
  readonly #data: JournalWorkerData
  readonly #log: Logger
  #worker: Worker | undefined
  #state: JournalState | undefined
  #calls = new Map<number, { resolve: (answer: JournalAnswer) => void }>()
  #nextId = 1
  #waiting: Waiting[] = []
  #truncate: Partial<Record<Stream, number>> = {}
  #commit: Promise<void> | undefined
  #failure: EdgeError | undefined
  #isClosing = false
  #droppedReported = 0
  #wakeRetry: (() => void) | undefined

  constructor(options: { dataDir: string; maxBytes: number; maxAgeMs?: number; log: Logger }) {
    super()
    const { dataDir, maxBytes, maxAgeMs } = options
    this.#data = { dataDir, maxBytes, ...(maxAgeMs === undefined ? {} : { maxAgeMs }) }
    this.#log = options.log
  }

  /** @throws EdgeError EDGE_DATA_IN_USE, EDGE_JOURNAL_FILE or EDGE_DISK. */
  async start(): Promise<void> {
    const worker = new Worker(new URL('./journal-worker.ts', import.meta.url), { workerData: this.#data })
    this.#worker = worker
    worker.on('message', (answer: JournalAnswer) => {
      const call = this.#calls.get(answer.id)
      this.#calls.delete(answer.id)
      call?.resolve(answer)
    })
    worker.on('error', (error) => this.#fail(`The journal's thread has failed: ${error.message}.`, error))
    worker.on('exit', () => {
      if (!this.#isClosing) this.#fail("The journal's thread has ended.")
    })
    try {
      this.#state = (await this.#call({ op: 'open' })).state
    } catch (error) {
      this.#isClosing = true
      await worker.terminate()
      throw error
    }
  }

  get epoch(): string {
    return this.#opened().epoch
  }

  bounds(stream: Stream): StreamBounds {
    return this.#opened().bounds[stream]
  }

  /**
   * Resolves once the record is durable. Records are numbered in the order of the calls.
   * @throws EdgeError EDGE_RECORD_TOO_LARGE, EDGE_JOURNAL_FULL, EDGE_JOURNAL_CLOSED or what the disk said.
   */
  async append(record: JournalRecord): Promise<Appended> {
    const [appended] = await this.appendAll([record])
    return appended!
  }

  /** All of them, in order and in one commit, or none; errors as of `append`. */
  appendAll(records: readonly JournalRecord[]): Promise<Appended[]> {
    const refusal = this.#refusal(records.length)
    if (refusal) return Promise.reject(refusal)
    const payloads = records.map((record) => JSON.stringify(record))
    const tooLarge = payloads.findIndex(isTooLarge)
    if (tooLarge >= 0) {
      const message = `A record of kind ${records[tooLarge]!.kind} has more than ${MAX_RECORD_BYTES} bytes.`
      return Promise.reject(new EdgeError('EDGE_RECORD_TOO_LARGE', message))
    }
    const appended = records.map(
      ({ kind }, index) =>
        new Promise<Appended>((resolve, reject) => {
          this.#waiting.push({ stream: streamOf(kind), payload: payloads[index]!, resolve, reject })
        }),
    )
    this.#schedule()
    return Promise.all(appended)
  }

  /** Why so many records cannot be taken now. */
  #refusal(count: number): EdgeError | undefined {
    if (this.#failure) return this.#failure
    if (this.#isClosing) return new EdgeError('EDGE_JOURNAL_CLOSED', 'The journal is closed.')
    if (this.#waiting.length + count <= MAX_PENDING_RECORDS) return undefined
    return new EdgeError('EDGE_JOURNAL_FULL', `${this.#waiting.length} records wait for the disk already.`)
  }

  /** At most `limit` records and about `maxBytes` of JSON text from `fromSeq` on; never fewer than one if there is one. */
  async read(
    stream: Stream,
    fromSeq: number,
    { limit, maxBytes }: { limit: number; maxBytes: number },
  ): Promise<JournalSlice> {
    return (await this.#call({ op: 'read', stream, fromSeq, limit, maxBytes })).slice!
  }

  /** Lets the journal delete everything up to and including this number. Deleting less, after a crash, does no harm. */
  truncate(stream: Stream, upTo: number): void {
    if (upTo < this.bounds(stream).firstSeq) return
    this.#truncate[stream] = Math.max(this.#truncate[stream] ?? 0, upTo)
    this.#schedule()
  }

  /** See `JournalFile.renewEpoch`. */
  async renewEpoch(): Promise<void> {
    this.#truncate = {}
    this.#state = (await this.#call({ op: 'renew-epoch' })).state
  }

  stats(): JournalStats {
    const { bounds, bytes, dropped } = this.#opened()
    const depth = ({ firstSeq, lastSeq }: StreamBounds) => lastSeq - firstSeq + 1
    return {
      records: depth(bounds.alerts) + depth(bounds.measurements),
      bytes,
      pending: this.#waiting.length,
      dropped,
    }
  }

  /** Waits for what was appended, then closes the file. */
  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#wakeRetry?.()
    await this.#commit
    if (this.#worker && !this.#failure) await this.#call({ op: 'close' })
    await this.#worker?.terminate()
    this.removeAllListeners()
  }

  #opened(): JournalState {
    if (!this.#state) throw new EdgeError('EDGE_JOURNAL_CLOSED', 'The journal has not been started.')
    return this.#state
  }

  #schedule(): void {
    this.#commit ??= this.#commitAll().finally(() => {
      this.#commit = undefined
      if (this.#hasWork()) this.#schedule()
    })
  }

  #hasWork(): boolean {
    if (this.#failure) return false
    return this.#waiting.length > 0 || (!this.#isClosing && Object.keys(this.#truncate).length > 0)
  }

  async #commitAll(): Promise<void> {
    // Everything that is appended in this turn of the event loop goes into the first commit.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#hasWork()) {
      const batch = this.#waiting.splice(0)
      const truncate = this.#truncate
      const truncateEpoch = this.epoch
      this.#truncate = {}
      const records = batch.map(({ stream, payload }) => ({ stream, payload }))
      let committed: Extract<JournalAnswer, { ok: true }>
      try {
        committed = await this.#call({ op: 'commit', records, truncate, truncateEpoch })
      } catch (error) {
        // Back into the queue first, where they count as waiting.
        this.#waiting.unshift(...batch)
        if (!(await this.#mayRetry(error as EdgeError))) {
          for (const { reject } of this.#waiting.splice(0)) reject(error as EdgeError)
          return
        }
        if (truncateEpoch === this.epoch) this.#truncate = { ...truncate, ...this.#truncate }
        continue
      }
      this.#state = committed.state
      this.#settle(batch, committed.seqs!)
      this.#goOnTruncating(truncate, truncateEpoch)
    }
  }

  /** The file deletes a bounded number of records at a time, so that appends get their turn in between. */
  #goOnTruncating(truncate: Partial<Record<Stream, number>>, epoch: string): void {
    if (epoch !== this.epoch) return
    for (const [stream, upTo] of Object.entries(truncate) as [Stream, number][]) {
      if (upTo >= this.bounds(stream).firstSeq) this.truncate(stream, upTo)
    }
  }

  #settle(batch: readonly Waiting[], seqs: readonly number[]): void {
    const streams = new Set<Stream>()
    for (const [index, { stream, resolve }] of batch.entries()) {
      streams.add(stream)
      resolve({ stream, seq: seqs[index]! })
    }
    for (const stream of streams) this.emit('appended', stream)
    const { dropped } = this.#opened()
    const total = dropped.alerts + dropped.measurements
    if (total > this.#droppedReported) {
      this.#log.warn({ dropped }, 'the journal is full, the oldest records were given up')
    }
    this.#droppedReported = total
  }

  /** A disk that is full or away may come back; anything else is the end. */
  async #mayRetry(error: EdgeError): Promise<boolean> {
    if (error.code !== 'EDGE_DISK') {
      this.#fail(error.message, error)
      return false
    }
    if (this.#isClosing) return false
    this.#log.error({ err: error, waiting: this.#waiting.length }, 'the journal cannot write, trying again')
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS)
      this.#wakeRetry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wakeRetry = undefined
    return true
  }

  #fail(message: string, cause?: Error): void {
    if (this.#failure || this.#isClosing) return
    this.#failure = cause instanceof EdgeError ? cause : new EdgeError('EDGE_DISK', message, { cause })
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
    for (const { resolve } of this.#calls.values()) {
      resolve({ id: 0, ok: false, code: this.#failure.code, message: this.#failure.message })
    }
    this.#calls.clear()
    this.emit('failed', this.#failure)
  }

  async #call(call: JournalCall): Promise<Extract<JournalAnswer, { ok: true }>> {
    if (this.#failure) throw this.#failure
    const worker = this.#worker
    if (!worker) throw new EdgeError('EDGE_JOURNAL_CLOSED', 'The journal has not been started.')
    const id = this.#nextId++
    const answer = await new Promise<JournalAnswer>((resolve) => {
      this.#calls.set(id, { resolve })
      worker.postMessage({ ...call, id } satisfies JournalRequest)
    })
    if (answer.ok) return answer
    throw answer.code === 'fault' ? new Error(answer.message) : new EdgeError(answer.code, answer.message)
  }
}

function isTooLarge(payload: string): boolean {
  // Three bytes at most for each of JavaScript's characters.
  return payload.length > MAX_RECORD_BYTES / 3 && Buffer.byteLength(payload) > MAX_RECORD_BYTES
}
