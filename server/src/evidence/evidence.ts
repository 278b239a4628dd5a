/** What the evidence feature offers: records of the edges, files by content, who may see which. */
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Evidence, EvidenceRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { EdgeIdentity } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { HubConfig } from '../config.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { Swept } from './retention.ts'

export interface EvidenceDeps {
  config: Pick<HubConfig, 'dataDir' | 'evidenceKeepDays' | 'evidenceWaitDays'>
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
  log: Logger
  /** Called inside the transaction in which a snapshot of this alert became complete. */
  snapshotStored: (trx: DbOrTransaction, snapshot: StoredSnapshot) => Promise<void>
  now?: () => number
}

export interface StoredSnapshot {
  evidenceId: string
  alertId: string
}

/** `ok: false`: the record cannot be taken now or later; `reason` says why (ingest sets it aside). */
export type RecordOutcome = { ok: true } | { ok: false; reason: string }

export interface EvidenceStats {
  stored: number
  storedBytes: number
  refused: number
  damaged: number
  /** Pieces whose time was over. */
  deleted: number
  filesRemoved: number
}

export interface EvidenceService {
  /** Makes the folder and removes uploads that a crash left half done. */
  start(): Promise<void>
  /**
   * Takes an edge's evidence record inside ingest's transaction; a repeat changes nothing. The alert must be there and
   * be of this edge.
   */
  recordEvidence(trx: DbOrTransaction, record: EvidenceRecord, edge: EdgeIdentity): Promise<RecordOutcome>
  /** Those of these whose record and bytes are both there, each with its region. No scope check: the caller has one. */
  completeOf(
    db: DbOrTransaction,
    evidenceIds: readonly string[],
  ): Promise<{ region: string; evidence: Evidence }[]>
  /** Evidence of these alerts, by alert id, oldest first. */
  ofAlerts(db: DbOrTransaction, alertIds: readonly string[]): Promise<Map<string, Evidence[]>>
  /** Photos of these dispatches, by dispatch id, oldest first. */
  ofDispatches(db: DbOrTransaction, dispatchIds: readonly string[]): Promise<Map<string, Evidence[]>>
  /**
   * Stores a photo that a patroller took. `mayStore` runs inside the transaction that makes the row and throws if the
   * dispatch does not take photos any more. Throws HUB_EVIDENCE_FORMAT or HUB_EVIDENCE_TOO_LARGE.
   */
  storePhoto(photo: NewPhoto): Promise<Evidence>
  stats(): EvidenceStats
  /** Records whose bytes have not come in time. */
  countMissing(): Promise<number>
  /** Marks what has had its time, lets go of uploads without a record, and marks records without bytes. */
  runRetention(nowMs: number): Promise<Swept>
  /** Removes files that no row has needed for a day; answers how many. */
  removeSpareFiles(nowMs: number): Promise<number>
  /** Removes no file while this runs: for backups. */
  keepFilesDuring<T>(work: () => Promise<T>): Promise<T>
  routes: FastifyPluginAsyncTypebox
}

export interface NewPhoto {
  actor: Principal
  dispatchId: string
  region: string
  mime: string
  body: Readable
  mayStore: (trx: DbOrTransaction) => Promise<void>
}
