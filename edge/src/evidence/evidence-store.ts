/**
 * Evidence of alerts: asks for the picture while its compressed form is still at hand, decodes it (few at a time),
 * stores it durably, and hands it to the uploader. Drop policies, each counted in `stats()`:
 *   `missed`    the picture had already left the camera's cache
 *   `overflow`  more requests waited than the queue holds, or more bytes than they may pin in memory
 *   `disk-full` more evidence waits for the hub than the disk may hold
 *   `failed`    the picture could not be decoded or written
 *   `stopped`   the edge was stopped before its turn came
 * An alert stands without its snapshot; it has been journalled before. Clips have a queue of their own.
 */
import { join } from 'node:path'
import type { EvidenceRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { Backoff, pause } from '../backoff.ts'
import type { CameraCapture } from '../capture/camera-capture.ts'
import type { CompressedClip } from '../capture/compressed.ts'
import type { HubAccess } from '../hub-http.ts'
import { Announcer } from './announcer.ts'
import { ClipQueue, type ClipQueueOptions, type ClipRequest } from './clip-queue.ts'
import { EvidenceFolder } from './evidence-folder.ts'
import { decodePicture, type Mark, markPicture } from './snapshot.ts'
import { Uploader } from './uploader.ts'

export interface EvidenceLimits {
  /** Snapshots decoded at once. */
  concurrent: number
  queued: number
  /** Compressed bytes that queued requests may hold in memory. */
  queuedBytes: number
  /** Bytes of evidence that may wait for the hub on disk. */
  pendingBytes: number
  /** Bytes of one clip. */
  clipBytes: number
  retryMinMs: number
  retryMaxMs: number
  /** How long a close goes on with what is queued. */
  closeMs: number
}

const DEFAULT_LIMITS: EvidenceLimits = {
  concurrent: 1,
  queued: 64,
  queuedBytes: 128 * 1024 * 1024,
  pendingBytes: 4 * 1024 ** 3,
  // The hub takes 32 MB.
  clipBytes: 30 * 1024 * 1024,
  retryMinMs: 500,
  retryMaxMs: 60_000,
  closeMs: 3000,
}

export interface EvidenceStoreOptions extends HubAccess {
  dataDir: string
  log: Logger
  /** Makes the record durable in the journal; called again for the same record if it rejects or after a crash. */
  announce: (record: EvidenceRecord) => Promise<void>
  /** Where clips are cut from; without it there are none. */
  clips?: Pick<ClipQueueOptions, 'ringOf' | 'beforeMs' | 'afterMs'>
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
  /** The same picture with rectangles in it, as evidence of its own. */
  marked?: { evidenceId: string; marks: readonly Mark[] }
}

/** A whole JPEG file, checked by whoever brings it. */
export interface PictureToKeep {
  evidenceId: string
  alertId: string
  atMs: number
  jpeg: Buffer
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
  stopped: number
  /** Median time from the request to a stored file over the last snapshots, ms; 0 before the first. */
  snapshotMsP50: number
  clips: ClipQueue['counts'] & { waiting: number }
}

/** Requests for the same picture share one decoding. */
interface Job {
  key: string
  /** Set when it is queued. */
  clip: CompressedClip | undefined
  bytes: number
  requests: SnapshotRequest[]
  requestedMs: number
}

const MAX_TIMES = 100
/** A camera of one picture a second shows its next one within this time. */
const MAX_PICTURE_WAIT_MS = 3000
const PICTURE_POLL_MS = 40

export class EvidenceStore {
  readonly #limits: EvidenceLimits
  readonly #log: Logger
  readonly #folder: EvidenceFolder
  readonly #uploader: Uploader
  readonly #announcer: Announcer
  readonly #clips: ClipQueue
  readonly #queue: Job[] = []
  /** Jobs whose picture is not stored yet, waiting or being decoded. */
  readonly #joinable = new Map<string, Job>()
  readonly #active = new Set<Promise<void>>()
  readonly #timesMs: number[] = []
  readonly #closing = new AbortController()
  /** The time for a close is over. */
  readonly #abandoning = new AbortController()
  #queuedBytes = 0
  #waiting = 0
  #decoding = 0
  #isOpen = false
  #counts = { taken: 0, missed: 0, overflow: 0, diskFull: 0, failed: 0, stopped: 0 }

  constructor(options: EvidenceStoreOptions) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#log = options.log.child({ component: 'evidence' })
    this.#folder = new EvidenceFolder(options.dataDir)
    this.#uploader = new Uploader({
      hub: options,
      folder: this.#folder,
      log: this.#log,
      retryMinMs: this.#limits.retryMinMs,
      retryMaxMs: this.#limits.retryMaxMs,
    })
    this.#announcer = new Announcer({
      folder: this.#folder,
      log: this.#log,
      announce: options.announce,
      onAnnounced: (note) => this.#uploader.add(note),
      backoff: new Backoff({ minMs: this.#limits.retryMinMs, maxMs: this.#limits.retryMaxMs }),
    })
    this.#clips = new ClipQueue({
      ringOf: () => undefined,
      beforeMs: 0,
      afterMs: 0,
      ...options.clips,
      folder: join(options.dataDir, 'evidence', 'clips'),
      maxBytes: this.#limits.clipBytes,
      keep: (clip, requests) => this.#keepClip(clip, requests),
      hasRoom: () => this.#folder.bytes < this.#limits.pendingBytes,
      log: this.#log,
    })
  }

  /** Takes up what an earlier run left and begins to upload. Rejects if the folder cannot be used. */
  async start(signal: AbortSignal): Promise<void> {
    const { notes, unreadable } = await this.#folder.open()
    if (unreadable.length > 0) this.#log.error({ unreadable }, 'notes of evidence were damaged and set aside')
    if (notes.length > 0)
      this.#log.info({ pending: notes.length }, 'evidence of an earlier run will be uploaded')
    for (const note of notes) (note.isAnnounced ? this.#uploader : this.#announcer).add(note)
    await this.#clips.start()
    this.#isOpen = true
    this.#uploader.start()
    signal.addEventListener('abort', () => void this.close(), { once: true })
  }

  /**
   * Goes on with the snapshots that are queued for `closeMs`, stops uploading; what is not uploaded stays on disk.
   * Idempotent.
   */
  async close(): Promise<void> {
    this.#isOpen = false
    this.#closing.abort()
    const deadline = setTimeout(() => this.#abandon(), this.#limits.closeMs)
    while (this.#active.size > 0) await Promise.all(this.#active)
    clearTimeout(deadline)
    await this.#clips.close()
    await this.#announcer.close()
    await this.#uploader.close()
  }

  /**
   * Takes hold of the picture now and returns at once; the evidence is announced when it is on disk. False if it was
   * dropped at once, for a reason that is counted.
   */
  requestSnapshot(request: SnapshotRequest): boolean {
    if (!this.#isOpen) return this.#drop('overflow', request)
    const key = `${request.camera.camera.cameraId}@${request.streamMs}`
    const known = this.#joinable.get(key)
    if (known) {
      known.requests.push(request)
      return true
    }
    if (this.#folder.bytes >= this.#limits.pendingBytes) return this.#drop('diskFull', request)
    if (this.#queue.length + this.#waiting >= this.#limits.queued) return this.#drop('overflow', request)
    const job: Job = { key, clip: undefined, bytes: 0, requests: [request], requestedMs: performance.now() }
    this.#joinable.set(key, job)
    const clip = request.camera.clipUpTo(request.streamMs)
    if (clip) this.#enqueue(job, clip)
    else this.#track(this.#awaitPicture(job, request))
    return true
  }

  /** Asks for the seconds around an alert; the evidence is announced when they have been cut. False if it was dropped. */
  requestClip(request: ClipRequest): boolean {
    return this.#isOpen && this.#clips.request(request)
  }

  /** Stores a picture that came with its alert; returns at once. False if it was dropped, for a reason that is counted. */
  keepPicture(picture: PictureToKeep): boolean {
    const { evidenceId, alertId } = picture
    if (!this.#isOpen || this.#folder.bytes >= this.#limits.pendingBytes) {
      this.#counts[this.#isOpen ? 'diskFull' : 'stopped'] += 1
      this.#log.warn({ evidenceId, alertId }, 'no snapshot of this alert')
      return false
    }
    const work = this.#keep(picture.jpeg, { role: 'snapshot', mime: 'image/jpeg' }, () => [picture]).then(
      () => {
        this.#counts.taken += 1
      },
      (err: unknown) => {
        this.#counts.failed += 1
        this.#log.error({ err, alertId }, 'a picture of a device could not be kept')
      },
    )
    this.#track(work)
    return true
  }

  stats(): EvidenceStats {
    const sorted = [...this.#timesMs].sort((a, b) => a - b)
    return {
      queued: this.#queue.length + this.#waiting + this.#decoding,
      ...this.#counts,
      uploaded: this.#uploader.uploaded,
      pending: this.#announcer.pending + this.#uploader.pending,
      pendingBytes: this.#folder.bytes,
      refused: this.#uploader.refused,
      snapshotMsP50: Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0),
      clips: { ...this.#clips.counts, waiting: this.#clips.waiting },
    }
  }

  #abandon(): void {
    for (const job of this.#queue.splice(0)) this.#dropJob(job, 'stopped')
    this.#abandoning.abort()
  }

  #drop(
    reason: 'missed' | 'overflow' | 'diskFull' | 'stopped',
    { evidenceId, alertId }: SnapshotRequest,
  ): false {
    this.#counts[reason] += 1
    this.#log.warn({ evidenceId, alertId, reason }, 'no snapshot of this alert')
    return false
  }

  #dropJob(job: Job, reason: 'missed' | 'overflow' | 'stopped'): void {
    this.#joinable.delete(job.key)
    for (const request of job.requests) this.#drop(reason, request)
  }

  /** A fast detector may answer before the compressed picture has come out of ffmpeg whole. */
  async #awaitPicture(job: Job, { camera, streamMs }: SnapshotRequest): Promise<void> {
    this.#waiting += 1
    const { signal } = this.#closing
    while (
      performance.now() - job.requestedMs < MAX_PICTURE_WAIT_MS &&
      (await pause(PICTURE_POLL_MS, signal))
    ) {
      const clip = camera.clipUpTo(streamMs)
      if (!clip) continue
      this.#waiting -= 1
      this.#enqueue(job, clip)
      return
    }
    this.#waiting -= 1
    this.#dropJob(job, 'missed')
  }

  #enqueue(job: Job, clip: CompressedClip): void {
    job.bytes = clip.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    if (this.#queuedBytes + job.bytes > this.#limits.queuedBytes) {
      this.#dropJob(job, 'overflow')
      return
    }
    job.clip = clip
    this.#queuedBytes += job.bytes
    this.#queue.push(job)
    this.#startNext()
  }

  #startNext(): void {
    while (this.#decoding < this.#limits.concurrent && this.#queue.length > 0) {
      const job = this.#queue.shift()!
      this.#decoding += 1
      this.#track(
        this.#take(job).finally(() => {
          this.#decoding -= 1
          this.#queuedBytes -= job.bytes
          this.#joinable.delete(job.key)
          this.#startNext()
        }),
      )
    }
  }

  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => this.#active.delete(tracked))
    this.#active.add(tracked)
  }

  async #take(job: Job): Promise<void> {
    try {
      const jpeg = await decodePicture(job.clip!, this.#abandoning.signal)
      await this.#keep(jpeg, { role: 'snapshot', mime: 'image/jpeg' }, () => {
        this.#joinable.delete(job.key)
        return job.requests
      })
      this.#counts.taken += job.requests.length
      this.#timesMs.push(performance.now() - job.requestedMs)
      if (this.#timesMs.length > MAX_TIMES) this.#timesMs.shift()
      for (const request of job.requests) await this.#keepMarked(jpeg, request)
    } catch (err) {
      this.#counts.failed += job.requests.length
      this.#log.error({ err, alertIds: job.requests.map(({ alertId }) => alertId) }, 'a snapshot failed')
    }
  }

  async #keepMarked(jpeg: Buffer, { alertId, atMs, marked }: SnapshotRequest): Promise<void> {
    if (!marked) return
    try {
      const picture = await markPicture(jpeg, marked.marks, this.#abandoning.signal)
      const request = { evidenceId: marked.evidenceId, alertId, atMs }
      await this.#keep(picture, { role: 'marked', mime: 'image/jpeg' }, () => [request])
    } catch (err) {
      this.#counts.failed += 1
      this.#log.error({ err, alertId }, 'a marked snapshot failed')
    }
  }

  async #keepClip(clip: Buffer, requests: readonly ClipRequest[]): Promise<void> {
    await this.#keep(clip, { role: 'clip', mime: 'video/mp4' }, () => requests)
  }

  /** Stores content with a note for each request, asked for when the bytes are on the disk, and hands the notes on. */
  async #keep(
    bytes: Buffer,
    kind: Pick<EvidenceRecord, 'role' | 'mime'>,
    requests: () => readonly Pick<SnapshotRequest, 'evidenceId' | 'alertId' | 'atMs'>[],
  ): Promise<void> {
    const notes = await this.#folder.store(bytes, (sha256) =>
      requests().map(({ evidenceId, alertId, atMs }) => ({
        record: {
          kind: 'evidence' as const,
          evidenceId,
          alertId,
          atMs: Math.round(atMs),
          ...kind,
          sha256,
          bytes: bytes.length,
        },
        isAnnounced: false,
      })),
    )
    for (const note of notes) this.#announcer.add(note)
  }
}
