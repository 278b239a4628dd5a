/** Brings records and bytes of evidence together, whichever comes first, and tells the screens when both are there. */
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { Evidence, EvidenceRecord, UploadProgress } from '@patrolhub/protocol'
import type { EdgeIdentity } from '../access/access.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { type ContentKind, kindOf, PHOTO_KINDS } from './content-kind.ts'
import type { EvidenceDeps, EvidenceStats, NewPhoto, RecordOutcome } from './evidence.ts'
import type { EvidenceFiles } from './evidence-files.ts'
import { edgeOf, findRow, isUpload, roleOfUpload, toEvidence } from './evidence-rows.ts'
import type { Received } from './incoming.ts'

/** The largest clip or snapshot that an edge may send. */
export const MAX_EVIDENCE_BYTES = 32 * 1024 * 1024
/** The largest photo that a patroller may send; the page makes it smaller before. */
export const MAX_PHOTO_BYTES = 8 * 1024 * 1024
/** Uploads of one edge whose record has not come yet; more are refused until it has. */
const MAX_UPLOADS_PER_EDGE = 2000

export interface Upload {
  evidenceId: string
  edge: EdgeIdentity
  mime: string
  sha256: string
  /** Bytes of this content that the hub has from an earlier try. */
  offset: number
  body: Readable
}

export class EvidenceStore {
  readonly #deps: EvidenceDeps
  readonly #files: EvidenceFiles
  readonly #now: () => number
  /** Uploads waiting for their record, by edge; an estimate, as a transaction may still be undone. */
  readonly #waiting = new Map<string, number>()
  readonly stats: EvidenceStats = {
    stored: 0,
    storedBytes: 0,
    refused: 0,
    damaged: 0,
    deleted: 0,
    filesRemoved: 0,
  }

  constructor(deps: EvidenceDeps, files: EvidenceFiles) {
    this.#deps = deps
    this.#files = files
    this.#now = deps.now ?? Date.now
  }

  async start(): Promise<void> {
    await this.#files.start()
    await this.#countUploads()
  }

  async #countUploads(): Promise<void> {
    const rows = await this.#deps.relational.read
      .selectFrom('evidence')
      .select((eb) => ['role', eb.fn.countAll<number>().as('uploads')])
      .where('alert_id', 'is', null)
      .where('dispatch_id', 'is', null)
      .where('stored_at_ms', 'is not', null)
      .groupBy('role')
      .execute()
    this.#waiting.clear()
    for (const { role, uploads } of rows) {
      if (isUpload({ role })) this.#waiting.set(role.slice('upload:'.length), uploads)
    }
  }

  /** See `EvidenceService.recordEvidence`. */
  async record(trx: DbOrTransaction, record: EvidenceRecord, edge: EdgeIdentity): Promise<RecordOutcome> {
    const { evidenceId, alertId } = record
    const alert = await trx
      .selectFrom('alert')
      .select(['edge_id', 'region'])
      .where('alert_id', '=', alertId)
      .executeTakeFirst()
    if (!alert) return { ok: false, reason: `evidence ${evidenceId} belongs to no known alert (${alertId})` }
    if (alert.edge_id !== edge.edgeId) {
      return { ok: false, reason: `evidence ${evidenceId} names an alert of another edge (${alertId})` }
    }
    const { role, mime, sha256, bytes } = record
    const fields = { alert_id: alertId, region: alert.region, role, mime, sha256, bytes, at_ms: record.atMs }
    const row = await findRow(trx, evidenceId)
    if (!row) {
      await trx
        .insertInto('evidence')
        .values({ ...fields, evidence_id: evidenceId, dispatch_id: null, stored_at_ms: null })
        .execute()
      return { ok: true }
    }
    if (!isUpload(row)) {
      const isRepeat = row.alert_id === alertId && row.sha256 === sha256
      return isRepeat ? { ok: true } : { ok: false, reason: `evidence ${evidenceId} is recorded already` }
    }
    if (row.role !== roleOfUpload(edge.edgeId)) {
      return { ok: false, reason: `evidence ${evidenceId} was uploaded by another edge` }
    }
    // The record says what the content is: bytes of another content are forgotten, and the edge may send the right ones.
    const fits = row.sha256 === sha256 && row.bytes === bytes
    // An upload that was let go may still have its file: sweeps remove files in transactions only.
    const storedAtMs = row.stored_at_ms ?? ((await this.#files.has(row.sha256)) ? this.#now() : null)
    await trx
      .updateTable('evidence')
      .set({ ...fields, stored_at_ms: fits ? storedAtMs : null, deleted_at_ms: null })
      .where('evidence_id', '=', evidenceId)
      .execute()
    if (fits && storedAtMs !== null) {
      await this.#deps.changes.note(trx, 'evidence', evidenceId)
      if (role === 'snapshot') await this.#deps.snapshotStored(trx, { evidenceId, alertId })
    }
    this.#countWaiting(edge.edgeId, -1)
    return { ok: true }
  }

  /**
   * Takes the bytes of an edge. Throws HUB_CONFLICT if other content is stored or recorded under this id, HUB_NOT_FOUND
   * if it is another edge's, HUB_EVIDENCE_HASH, HUB_EVIDENCE_FORMAT or HUB_EVIDENCE_TOO_LARGE.
   */
  async upload(upload: Upload): Promise<void> {
    const { relational } = this.#deps
    const { edge } = upload
    try {
      if ((await this.#checkUpload(relational.read, upload)) === 'stored') return
      const isFull = () => (this.#waiting.get(edge.edgeId) ?? 0) >= MAX_UPLOADS_PER_EDGE
      // Another hub may have taken the records, or a sweep may have let uploads go.
      if (isFull()) await this.#countUploads()
      if (isFull()) {
        throw new HubError(
          'HUB_TOO_MANY_REQUESTS',
          `${MAX_UPLOADS_PER_EDGE} uploads wait for their record: send the records first`,
        )
      }
      const { body, offset, sha256 } = upload
      const part = { edgeId: edge.edgeId, sha256 }
      const received = await this.#files.incoming.receivePart(body, MAX_EVIDENCE_BYTES, part, offset)
      await this.#keep(received, upload)
    } catch (error) {
      this.stats.refused++
      throw error
    }
  }

  /** How much of an upload is here. Throws like `upload`. */
  async progress(upload: Pick<Upload, 'evidenceId' | 'edge' | 'sha256'>): Promise<UploadProgress> {
    const { edge, sha256 } = upload
    if ((await this.#checkUpload(this.#deps.relational.read, upload)) === 'stored') {
      return { isStored: true, receivedBytes: 0 }
    }
    const receivedBytes = await this.#files.incoming.receivedBytes({ edgeId: edge.edgeId, sha256 })
    return { isStored: false, receivedBytes }
  }

  async #keep(received: Received, upload: Upload): Promise<void> {
    const { relational } = this.#deps
    const { evidenceId, edge, mime, sha256 } = upload
    try {
      if (received.sha256 !== sha256) {
        throw new HubError(
          'HUB_EVIDENCE_HASH',
          `${received.bytes} bytes arrived with hash ${received.sha256}, announced was ${sha256}`,
        )
      }
      checkKind(received, mime)
    } catch (error) {
      await this.#files.incoming.discard(received)
      throw error
    }
    // The file first: a row that says "stored" must never be ahead of it. Without a row it is only a spare file.
    await this.#files.keep(received)
    await relational.write.transaction().execute(async (trx) => {
      if ((await this.#checkUpload(trx, upload, received.bytes)) === 'stored') return
      await this.#needFile(sha256)
      const row = await findRow(trx, evidenceId)
      const storedAtMs = this.#now()
      if (!row) {
        await trx
          .insertInto('evidence')
          .values({
            evidence_id: evidenceId,
            alert_id: null,
            dispatch_id: null,
            region: edge.region,
            role: roleOfUpload(edge.edgeId),
            mime,
            sha256,
            bytes: received.bytes,
            at_ms: storedAtMs,
            stored_at_ms: storedAtMs,
          })
          .execute()
        this.#countWaiting(edge.edgeId, 1)
        return
      }
      await trx
        .updateTable('evidence')
        .set({ stored_at_ms: storedAtMs, deleted_at_ms: null, missing_at_ms: null })
        .where('evidence_id', '=', evidenceId)
        .execute()
      await this.#deps.changes.note(trx, 'evidence', evidenceId)
      if (row.role === 'snapshot' && row.alert_id !== null) {
        await this.#deps.snapshotStored(trx, { evidenceId, alertId: row.alert_id })
      }
    })
    this.#countStored(received)
  }

  /** `stored`: exactly this is here already. `open`: it may be stored. Throws if it cannot be. */
  async #checkUpload(
    db: DbOrTransaction,
    upload: Pick<Upload, 'evidenceId' | 'edge' | 'sha256'>,
    bytes?: number,
  ): Promise<'stored' | 'open'> {
    const { evidenceId, edge, sha256 } = upload
    const row = await findRow(db, evidenceId)
    if (!row) return 'open'
    if ((await edgeOf(db, row)) !== edge.edgeId) {
      throw new HubError('HUB_NOT_FOUND', `no evidence ${evidenceId} of this edge`)
    }
    if (row.sha256 !== sha256 || (bytes !== undefined && row.bytes !== bytes)) {
      throw new HubError(
        'HUB_CONFLICT',
        `evidence ${evidenceId} is content ${row.sha256}, ${row.bytes} bytes`,
      )
    }
    // What was deleted because its time was over is not taken again.
    const isDone = row.stored_at_ms !== null || (row.deleted_at_ms !== null && !isUpload(row))
    return isDone ? 'stored' : 'open'
  }

  /** Inside the transaction that makes a row say `stored`: a sweep may have taken an old file of this content away. */
  async #needFile(sha256: string): Promise<void> {
    if (await this.#files.has(sha256)) return
    throw new Error(`the file of ${sha256} went while it was being recorded: it has to be sent again`)
  }

  /** See `EvidenceService.storePhoto`. */
  async storePhoto(photo: NewPhoto): Promise<Evidence> {
    const { relational, audit, changes } = this.#deps
    const { actor, dispatchId, region, mime } = photo
    let received: Received
    try {
      received = await this.#files.incoming.receive(photo.body, MAX_PHOTO_BYTES)
    } catch (error) {
      this.stats.refused++
      throw error
    }
    try {
      checkKind(received, mime, PHOTO_KINDS)
    } catch (error) {
      this.stats.refused++
      await this.#files.incoming.discard(received)
      throw error
    }
    await this.#files.keep(received)
    const evidenceId = randomUUID()
    const { sha256, bytes } = received
    const row = {
      evidence_id: evidenceId,
      alert_id: null,
      dispatch_id: dispatchId,
      region,
      role: 'photo',
      mime,
      sha256,
      bytes,
      at_ms: this.#now(),
      stored_at_ms: this.#now(),
      deleted_at_ms: null,
      missing_at_ms: null,
    }
    await relational.write.transaction().execute(async (trx) => {
      await photo.mayStore(trx)
      await this.#needFile(sha256)
      await trx.insertInto('evidence').values(row).execute()
      await changes.note(trx, 'evidence', evidenceId)
      await changes.note(trx, 'dispatch', dispatchId)
      const detail = { dispatchId, sha256, bytes }
      await audit.append(trx, { actor, action: 'photo.added', subject: `evidence:${evidenceId}`, detail })
    })
    this.#countStored(received)
    return toEvidence(row)
  }

  #countStored(received: Received): void {
    this.stats.stored++
    this.stats.storedBytes += received.bytes
  }

  #countWaiting(edgeId: string, change: number): void {
    this.#waiting.set(edgeId, Math.max(0, (this.#waiting.get(edgeId) ?? 0) + change))
  }
}

function checkKind(received: Received, mime: string, kinds?: readonly ContentKind[]): void {
  const kind = kindOf(received.head)
  if (kind === undefined || kind !== mime || (kinds && !kinds.includes(kind))) {
    throw new HubError('HUB_EVIDENCE_FORMAT', `the content is ${kind ?? 'of no known kind'}, not ${mime}`)
  }
}
