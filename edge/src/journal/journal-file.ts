/**
 * The journal on disk: what an edge has seen and the hub has not yet acknowledged. Two streams, each numbered 1, 2, 3 …
 * within an epoch (the life of this file). SQLite in WAL mode with synchronous=FULL: when `commit` returns, the records
 * are on the disk. Everything here is synchronous; `journal.ts` runs it in a worker thread.
 *
 * Invariants: numbers are never reused within an epoch, also not after truncation; each stream's records are without a
 * hole; only the oldest are ever deleted, either because the hub has them or, counted, because the file was full or
 * they were too old.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { STREAMS, type Stream } from '@patrolhub/protocol'
import { EdgeError } from '../errors.ts'

/** 'PHJ1', so that a file of another program is told from ours. */
const APPLICATION_ID = 0x50484a31
const VERSION = 1

/** Deleting this many records takes some 100 ms, for which an append may have to wait. */
const TRUNCATE_RECORDS = 20_000
/** The age of records is known to this. */
const MARK_EVERY_MS = 60_000
/** How many of the oldest records are given up at a time while the file is full. */
const DROP_RECORDS = 2000

export interface StreamBounds {
  /** Oldest number that is still here; `lastSeq + 1` if none is. */
  firstSeq: number
  /** Newest number that was ever given; 0 before the first. */
  lastSeq: number
}

export interface JournalState {
  epoch: string
  bounds: Record<Stream, StreamBounds>
  /** Records given up for want of space, since the epoch began. */
  dropped: Record<Stream, number>
  bytes: number
}

export interface PendingRecord {
  stream: Stream
  /** The record as JSON text: the journal never looks into it. */
  payload: string
}

export interface JournalSlice {
  /** Number of the first payload; `fromSeq` if nothing is missing. */
  firstSeq: number
  payloads: string[]
  /** What stood between `fromSeq` and `firstSeq` and is no longer here. */
  lost?: { fromSeq: number; toSeq: number; reason: string }
}

interface Limits {
  maxBytes: number
  /** Measurements that are older are given up; alerts never are for their age. */
  maxAgeMs?: number
  /** Wall clock; tests give their own. */
  now?: () => number
}

type Row = Record<string, unknown>

export class JournalFile {
  readonly #db: DatabaseSync
  readonly #limits: Required<Limits>
  #markedAtMs = Number.NEGATIVE_INFINITY
  readonly #insert: Record<Stream, StatementSync>
  readonly #read: Record<Stream, StatementSync>
  readonly #delete: Record<Stream, StatementSync>
  readonly #saveStream: StatementSync
  #epoch: string
  #streams: Record<Stream, { firstSeq: number; lastSeq: number; droppedTo: number; dropped: number }>

  /**
   * Opens the journal in this folder, or makes it.
   * @throws EdgeError EDGE_DATA_IN_USE, EDGE_JOURNAL_FILE or EDGE_DISK.
   */
  constructor(dataDir: string, limits: Limits) {
    const path = join(dataDir, 'journal.sqlite')
    this.#limits = { maxAgeMs: Number.POSITIVE_INFINITY, now: Date.now, ...limits }
    this.#db = openDatabase(dataDir, path)
    try {
      prepareSchema(this.#db, path)
      this.#epoch = String((this.#db.prepare('SELECT epoch FROM journal').get() as Row).epoch)
      this.#streams = { alerts: this.#load('alerts'), measurements: this.#load('measurements') }
      const prepare = (sql: (table: Stream) => string) => ({
        alerts: this.#db.prepare(sql('alerts')),
        measurements: this.#db.prepare(sql('measurements')),
      })
      this.#insert = prepare((table) => `INSERT INTO ${table} (seq, payload) VALUES (?, ?)`)
      this.#read = prepare((table) => `SELECT payload FROM ${table} WHERE seq >= ? ORDER BY seq LIMIT ?`)
      this.#delete = prepare((table) => `DELETE FROM ${table} WHERE seq <= ?`)
      this.#saveStream = this.#db.prepare(
        'UPDATE stream SET last_seq = ?, dropped_to = ?, dropped = ? WHERE name = ?',
      )
    } catch (error) {
      this.#db.close()
      throw toEdgeError(error, path)
    }
  }

  state(): JournalState {
    const { alerts, measurements } = this.#streams
    return {
      epoch: this.#epoch,
      bounds: {
        alerts: { firstSeq: alerts.firstSeq, lastSeq: alerts.lastSeq },
        measurements: { firstSeq: measurements.firstSeq, lastSeq: measurements.lastSeq },
      },
      dropped: { alerts: alerts.dropped, measurements: measurements.dropped },
      bytes: this.#usedBytes(),
    }
  }

  /**
   * One transaction: numbers and keeps the records, in order, and deletes what `truncate` names (everything of a stream
   * up to and including the number, but no more at once than takes some 100 ms: `bounds` tell how far it came). Durable
   * when it returns; on an error nothing has changed.
   * @returns the number of each record.
   */
  commit(records: readonly PendingRecord[], truncate: Partial<Record<Stream, number>> = {}): number[] {
    const before = structuredClone(this.#streams)
    const seqs: number[] = []
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      for (const { stream, payload } of records) {
        const seq = ++this.#streams[stream].lastSeq
        this.#insert[stream].run(seq, payload)
        seqs.push(seq)
      }
      for (const stream of STREAMS) {
        const { firstSeq, lastSeq } = this.#streams[stream]
        const upTo = Math.min(truncate[stream] ?? 0, lastSeq, firstSeq + TRUNCATE_RECORDS)
        if (upTo >= firstSeq) this.#deleteUpTo(stream, upTo)
      }
      this.#makeRoom()
      this.#giveUpOld()
      for (const stream of STREAMS) {
        const { lastSeq, droppedTo, dropped } = this.#streams[stream]
        this.#saveStream.run(lastSeq, droppedTo, dropped, stream)
      }
      this.#db.exec('COMMIT')
      return seqs
    } catch (error) {
      this.#streams = before
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }

  /** At most `limit` records and about `maxBytes` of text (but at least one record) from `fromSeq` on. */
  read(
    stream: Stream,
    fromSeq: number,
    { limit, maxBytes }: { limit: number; maxBytes: number },
  ): JournalSlice {
    const { firstSeq, lastSeq, droppedTo } = this.#streams[stream]
    const start = Math.max(fromSeq, firstSeq)
    const payloads: string[] = []
    let bytes = 0
    for (const row of this.#read[stream].iterate(start, limit)) {
      const payload = String((row as Row).payload)
      bytes += Buffer.byteLength(payload) + 1
      if (payloads.length > 0 && bytes > maxBytes) break
      payloads.push(payload)
    }
    const lostTo = Math.min(start - 1, lastSeq)
    if (lostTo < fromSeq) return { firstSeq: start, payloads }
    const reason =
      droppedTo >= fromSeq
        ? 'the oldest records were given up: the journal was full, or they were too old'
        : 'acknowledged before and deleted'
    return { firstSeq: start, payloads, lost: { fromSeq, toSeq: lostTo, reason } }
  }

  /**
   * Begins a new epoch with the records that are still here, numbered from 1: for the case that the hub knows of
   * numbers in this epoch that this file has not given yet (a copy of an older data folder was put back).
   */
  renewEpoch(): void {
    const epoch = randomUUID()
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      for (const stream of STREAMS) {
        const { firstSeq, lastSeq } = this.#streams[stream]
        // Through negative numbers, since a number may be taken until its own row has moved.
        this.#db.prepare(`UPDATE ${stream} SET seq = -(seq - ?)`).run(firstSeq - 1)
        this.#db.exec(`UPDATE ${stream} SET seq = -seq`)
        this.#saveStream.run(lastSeq - firstSeq + 1, 0, 0, stream)
      }
      this.#db.exec('DELETE FROM mark')
      this.#db.prepare('UPDATE journal SET epoch = ?').run(epoch)
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
    this.#epoch = epoch
    this.#streams = { alerts: this.#load('alerts'), measurements: this.#load('measurements') }
  }

  /** Gives pages that nothing uses any more back to the file system, a bounded number a call. */
  shrink(): void {
    if (this.#pragma('freelist_count') > 4096) this.#db.exec('PRAGMA incremental_vacuum(512)')
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  #load(stream: Stream) {
    const row = this.#db
      .prepare('SELECT last_seq, dropped_to, dropped FROM stream WHERE name = ?')
      .get(stream) as Row
    const first = this.#db.prepare(`SELECT min(seq) AS seq FROM ${stream}`).get() as Row
    const lastSeq = Number(row.last_seq)
    return {
      firstSeq: first.seq === null ? lastSeq + 1 : Number(first.seq),
      lastSeq,
      droppedTo: Number(row.dropped_to),
      dropped: Number(row.dropped),
    }
  }

  #deleteUpTo(stream: Stream, upTo: number): void {
    this.#delete[stream].run(upTo)
    this.#streams[stream].firstSeq = upTo + 1
  }

  /** Drop policy: the oldest measurements first, no more than needed; alerts only when no measurement is left. */
  #makeRoom(): void {
    while (this.#usedBytes() > this.#limits.maxBytes) {
      const stream = STREAMS.toReversed().find((name) => this.#depth(name) > 1)
      if (!stream) return
      const { firstSeq, lastSeq } = this.#streams[stream]
      const upTo = Math.min(lastSeq - 1, firstSeq + DROP_RECORDS)
      this.#giveUp(stream, firstSeq, upTo)
    }
  }

  #giveUp(stream: Stream, firstSeq: number, upTo: number): void {
    this.#deleteUpTo(stream, upTo)
    this.#streams[stream].droppedTo = upTo
    this.#streams[stream].dropped += upTo - firstSeq + 1
  }

  /** Marks how far the stream had come once a minute, and gives up what stands before a mark that is too old. */
  #giveUpOld(): void {
    const { maxAgeMs, now } = this.#limits
    if (maxAgeMs === Number.POSITIVE_INFINITY) return
    const nowMs = now()
    // Also when the clock was set back: a mark of the future would be believed for as long.
    if (Math.abs(nowMs - this.#markedAtMs) < MARK_EVERY_MS) return
    this.#markedAtMs = nowMs
    const { firstSeq, lastSeq } = this.#streams.measurements
    const old = this.#db
      .prepare('SELECT max(last_seq) AS seq FROM mark WHERE at_ms <= ?')
      .get(nowMs - maxAgeMs)
    const upTo = Math.min(Number((old as Row).seq ?? 0), firstSeq + TRUNCATE_RECORDS)
    if (upTo >= firstSeq) this.#giveUp('measurements', firstSeq, upTo)
    this.#db.prepare('DELETE FROM mark WHERE last_seq < ? OR at_ms > ?').run(firstSeq, nowMs)
    this.#db.prepare('INSERT INTO mark VALUES (?, ?)').run(nowMs, lastSeq)
  }

  #depth(stream: Stream): number {
    return this.#streams[stream].lastSeq - this.#streams[stream].firstSeq + 1
  }

  #usedBytes(): number {
    return (this.#pragma('page_count') - this.#pragma('freelist_count')) * 4096
  }

  #pragma(name: 'page_count' | 'freelist_count'): number {
    return Number((this.#db.prepare(`PRAGMA ${name}`).get() as Row)[name])
  }
}

function openDatabase(dataDir: string, path: string): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dataDir, { recursive: true })
    db = new DatabaseSync(path, { timeout: 2000 })
    // Exclusive: the operating system holds the lock that keeps a second edge out, and frees it with the process.
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    // Both count only for a file that is being made, and before anything else touches it.
    db.exec('PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL')
    db.exec('BEGIN EXCLUSIVE; COMMIT')
    return db
  } catch (error) {
    db?.close()
    throw toEdgeError(error, path)
  }
}

/** How far the measurements had come, and when. */
const MARKS = 'CREATE TABLE IF NOT EXISTS mark (at_ms INTEGER NOT NULL, last_seq INTEGER NOT NULL)'

function prepareSchema(db: DatabaseSync, path: string): void {
  const tables = Number((db.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as Row).n)
  const id = Number((db.prepare('PRAGMA application_id').get() as Row).application_id)
  const version = Number((db.prepare('PRAGMA user_version').get() as Row).user_version)
  if (tables > 0 && id !== APPLICATION_ID) throw fileError(path, 'it was made by another program')
  if (version > VERSION) throw fileError(path, `it has version ${version}, this software knows ${VERSION}`)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  if (tables > 0) {
    const check = String((db.prepare('PRAGMA quick_check(1)').get() as Row).quick_check)
    if (check !== 'ok') throw fileError(path, check)
    // Of files that an earlier version has made; it does not look for it.
    db.exec(MARKS)
    return
  }
  // One transaction: after a crash the file is either empty, and made again, or whole.
  db.exec(`
    BEGIN IMMEDIATE;
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${VERSION};
    CREATE TABLE journal (epoch TEXT NOT NULL, created_at_ms INTEGER NOT NULL);
    CREATE TABLE stream (name TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, dropped_to INTEGER NOT NULL, dropped INTEGER NOT NULL);
    CREATE TABLE alerts (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL);
    CREATE TABLE measurements (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL);
    ${MARKS};
    INSERT INTO journal VALUES ('${randomUUID()}', ${Date.now()});
    INSERT INTO stream VALUES ('alerts', 0, 0, 0), ('measurements', 0, 0, 0);
    COMMIT;
  `)
}

function fileError(path: string, why: string, cause?: unknown): EdgeError {
  return new EdgeError('EDGE_JOURNAL_FILE', `The journal ${path} cannot be used: ${why}.`, { cause })
}

/** SQLite's result codes (sqlite.org/rescode.html) in our words; anything else is passed on. */
export function toEdgeError(error: unknown, path: string): unknown {
  if (error instanceof EdgeError) return error
  const { errcode, code, message } = error as { errcode?: number; code?: string; message?: string }
  switch (errcode === undefined ? undefined : errcode & 0xff) {
    case 5:
      return new EdgeError('EDGE_DATA_IN_USE', `Another edge runs on the data folder of ${path}.`, {
        cause: error,
      })
    case 11:
    case 26:
      return fileError(path, message ?? 'it is damaged', error)
    case 8:
    case 10:
    case 13:
    case 14:
      return new EdgeError('EDGE_DISK', `The journal ${path} cannot be read or written: ${message}.`, {
        cause: error,
      })
  }
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) {
    return new EdgeError('EDGE_DISK', `The data folder of ${path} cannot be used: ${message}.`, {
      cause: error,
    })
  }
  return error
}
