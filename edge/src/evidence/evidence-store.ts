/**
 * Evidence of alerts: asks for the picture while its compressed form is still at hand, decodes it (few at a time),
 * stores it durably, and hands it to the uploader. Drop policies, each counted in `stats()`:
 *   `missed`    the picture had already left the camera's cache
 *   `overflow`  more requests waited than the queue holds, or more bytes than they may pin in memory
 *   `disk-full` more evidence waits for the hub than the disk may hold
 *   `failed`    the picture could not be decoded or written
 * An alert stands without its snapshot; it has been journalled before.
 */
import type { EvidenceRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CameraCapture } from '../capture/camera-capture.ts'
import type { CompressedClip } from '../capture/compressed.ts'
import type { HubAccess } from '../hub-http.ts'
import { EvidenceFolder } from './evidence-folder.ts'
import { decodePicture } from './snapshot.ts'
import { Uploader } from './uploader.ts'

export interface EvidenceLimits {
  /** Snapshots decoded at once. */
  concurrent: number
  queued: number
  /** Compressed bytes that queued requests may hold in memory. */
  queuedBytes: number
  /** Bytes of evidence that may wait for the hub on disk. */
  pendingBytes: number
  retryMinMs: number
  retryMaxMs: number
}

const DEFAULT_LIMITS: EvidenceLimits = {
  concurrent: 1,
  queued: 64,
  queuedBytes: 128 * 1024 * 1024,
  pendingBytes: 4 * 1024 ** 3,
  retryMinMs: 500,
  retryMaxMs: 60_000,
}

export interface EvidenceStoreOptions extends HubAccess {
  dataDir: string
  log: Logger
  /** Makes the record durable in the journal; called again for the same record if it rejects or after a crash. */
  announce: (record: EvidenceRecord) => Promise<void>
  limits?: Partial<EvidenceLimits>
}

export interface SnapshotRequest {
  evidenceId: string
  alertId: string
  /** Capture time of the frame, wall clock. */
  atMs: number
  camera: Pick<CameraCapture, 'camera' | 'clipUpTo'>
  /** The frame's time on the stream clock. */
  streamMs: number
}

export interface EvidenceStats {
  queued: number
  taken: number
  uploaded: number
  pending: number
  pendingBytes: number
  refused: number
  missed: number
  overflow: number
  diskFull: number
  failed: number
  /** Median time from the request to a stored file over the last snapshots, ms; 0 before the first. */
  snapshotMsP50: number
}

/** Requests for the same picture share one decoding. */
interface Job {
  key: string
  clip: CompressedClip
  bytes: number
  requests: SnapshotRequest[]
  requestedMs: number
}

const MAX_TIMES = 100

export class EvidenceStore {
  readonly #limits: EvidenceLimits
  readonly #log: Logger
  readonly #folder: EvidenceFolder
  readonly #uploader: Uploader
  readonly #queue: Job[] = []
  /** Jobs whose picture is not stored yet, waiting or being decoded. */
  readonly #joinable = new Map<string, Job>()
  readonly #active = new Set<Promise<void>>()
  readonly #timesMs: number[] = []
  #queuedBytes = 0
  #isOpen = false
  #counts = { taken: 0, missed: 0, overflow: 0, diskFull: 0, failed: 0 }

  constructor(options: EvidenceStoreOptions) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#log = options.log.child({ component: 'evidence' })
    this.#folder = new EvidenceFolder(options.dataDir)
    this.#uploader = new Uploader({
      hub: options,
      folder: this.#folder,
      log: this.#log,
      announce: options.announce,
      retryMinMs: this.#limits.retryMinMs,
      retryMaxMs: this.#limits.retryMaxMs,
    })
  }

  /** Takes up what an earlier run left and begins to upload. Rejects if the folder cannot be used. */
  async start(signal: AbortSignal): Promise<void> {
    const { notes, unreadable } = await this.#folder.open()
    if (unreadable.length > 0) this.#log.error({ unreadable }, 'notes of evidence were damaged and set aside')
    if (notes.length > 0)
      this.#log.info({ pending: notes.length }, 'evidence of an earlier run will be uploaded')
    for (const note of notes) this.#uploader.add(note)
    this.#isOpen = true
    this.#uploader.start()
    signal.addEventListener('abort', () => void this.close(), { once: true })
  }

  /** Finishes the snapshots that are queued, stops uploading; what is not uploaded stays on disk. Idempotent. */
  async close(): Promise<void> {
    this.#isOpen = false
    while (this.#active.size > 0) await Promise.all(this.#active)
    await this.#uploader.close()
  }

  /**
   * Takes hold of the picture now and returns at once; the evidence is announced when it is on disk. False if it was
   * dropped, for a reason that is counted.
   */
  requestSnapshot(request: SnapshotRequest): boolean {
    if (!this.#isOpen) return this.#drop('overflow', request)
    const key = `${request.camera.camera.cameraId}@${request.streamMs}`
    const waiting = this.#joinable.get(key)
    if (waiting) {
      waiting.requests.push(request)
      return true
    }
    if (this.#folder.bytes >= this.#limits.pendingBytes) return this.#drop('diskFull', request)
    const clip = request.camera.clipUpTo(request.streamMs)
    if (!clip) return this.#drop('missed', request)
    const bytes = clip.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    if (this.#queue.length >= this.#limits.queued || this.#queuedBytes + bytes > this.#limits.queuedBytes) {
      return this.#drop('overflow', request)
    }
    this.#queuedBytes += bytes
    const job: Job = { key, clip, bytes, requests: [request], requestedMs: performance.now() }
    this.#joinable.set(key, job)
    this.#queue.push(job)
    this.#startNext()
    return true
  }

  stats(): EvidenceStats {
    const sorted = [...this.#timesMs].sort((a, b) => a - b)
    return {
      queued: this.#queue.length + this.#active.size,
      ...this.#counts,
      uploaded: this.#uploader.uploaded,
      pending: this.#uploader.pending,
      pendingBytes: this.#folder.bytes,
      refused: this.#uploader.refused,
      snapshotMsP50: Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0),
    }
  }

  #drop(reason: 'missed' | 'overflow' | 'diskFull', { evidenceId, alertId }: SnapshotRequest): false {
    this.#counts[reason] += 1
    this.#log.warn({ evidenceId, alertId, reason }, 'no snapshot of this alert')
    return false
  }

  #startNext(): void {
    while (this.#active.size < this.#limits.concurrent && this.#queue.length > 0) {
      const job = this.#queue.shift()!
      const work = this.#take(job).finally(() => {
        this.#joinable.delete(job.key)
        this.#queuedBytes -= job.bytes
        this.#active.delete(work)
        this.#startNext()
      })
      this.#active.add(work)
    }
  }

  async #take(job: Job): Promise<void> {
    try {
      const jpeg = await decodePicture(job.clip)
      const sha256 = await this.#folder.storeContent(jpeg)
      this.#joinable.delete(job.key)
      for (const { evidenceId, alertId, atMs } of job.requests) {
        const record: EvidenceRecord = {
          kind: 'evidence',
          evidenceId,
          alertId,
          atMs: Math.round(atMs),
          role: 'snapshot',
          mime: 'image/jpeg',
          sha256,
          bytes: jpeg.length,
        }
        const note = { record, isAnnounced: false }
        await this.#folder.storeNote(note)
        this.#uploader.add(note)
        this.#counts.taken += 1
      }
      this.#timesMs.push(performance.now() - job.requestedMs)
      if (this.#timesMs.length > MAX_TIMES) this.#timesMs.shift()
    } catch (err) {
      this.#counts.failed += job.requests.length
      this.#log.error({ err, alertIds: job.requests.map(({ alertId }) => alertId) }, 'a snapshot failed')
    }
  }
}
