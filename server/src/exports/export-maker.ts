/**
 * Makes packages, one at a time: asks the edge for the clips of the span, puts them on the record, and packs and signs
 * them. What is being made ends with its grant. A package with its final name is whole.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { HistorySpan } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import type { ExportKey } from './export-key.ts'
import { moveExport } from './export-store.ts'
import type { AdmittedHistory, ExportLimits, ExportsDeps } from './exports.ts'
import type { ExportManifest, PackedFile } from './manifest.ts'
import { mp4LengthMs } from './mp4-length.ts'
import { readmeFile, writePackage } from './package.ts'

/** A clip may say that its last picture is shown a little beyond. */
const LENGTH_SLACK_MS = 1000
const CLIP_IDLE_MS = 60_000

export interface ExportWish {
  admitted: AdmittedHistory
  span: HistorySpan
  reason: string
}

interface Job {
  exportId: string
  actor: Principal
  wish: ExportWish
  stopping: AbortController
  /** Why it was stopped. */
  why: string
}

type Clip = ExportManifest['clips'][number] & { packed: PackedFile }

export class ExportMaker {
  readonly #deps: ExportsDeps & { limits: ExportLimits }
  readonly #key: () => ExportKey
  readonly #folder: string
  readonly #log: Logger
  readonly #now: () => number
  readonly #jobs = new Set<Job>()
  #work: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(deps: ExportsDeps & { limits: ExportLimits }, folder: string, key: () => ExportKey) {
    this.#deps = deps
    this.#key = key
    this.#folder = folder
    this.#log = deps.log
    this.#now = deps.now ?? Date.now
  }

  /** Where the package lies when it is ready. */
  fileOf(exportId: string): string {
    return join(this.#folder, `${exportId}.tar`)
  }

  /** Puts it on the record and begins. Answers its id. Throws HUB_TOO_MANY_REQUESTS, HUB_BAD_REQUEST. */
  async begin(actor: Principal, wish: ExportWish): Promise<string> {
    const { relational, audit, limits, hubId } = this.#deps
    const { admitted, span, reason } = wish
    if (this.#isClosed) throw new HubError('HUB_STREAM_NONE', 'the hub is stopping')
    this.#checkSpan(admitted.span, span)
    const own = [...this.#jobs].filter((job) => job.actor.userId === actor.userId).length
    if (this.#jobs.size >= limits.maxWaiting || own >= limits.maxWaitingPerUser) {
      throw new HubError('HUB_TOO_MANY_REQUESTS', 'other exports are being made: wait for them')
    }
    const job: Job = { exportId: randomUUID(), actor, wish, stopping: new AbortController(), why: '' }
    const { exportId } = job
    // Before it is on the record, so that the end of its grant finds it.
    this.#jobs.add(job)
    const { cameraId, region } = admitted.camera
    const { grantId } = admitted.grant
    try {
      await relational.write.transaction().execute(async (trx) => {
        await trx
          .insertInto('export')
          .values({
            export_id: exportId,
            grant_id: grantId,
            user_id: actor.userId,
            camera_id: cameraId,
            region,
            from_ms: span.fromMs,
            to_ms: span.toMs,
            reason,
            state: 'making',
            problem: '',
            hub_id: hubId,
            bytes: null,
            sha256: null,
            created_at_ms: this.#now(),
            ended_at_ms: null,
          })
          .execute()
        const detail = { exportId, grantId, span, reason }
        await audit.append(trx, { actor, action: 'export.asked', subject: `camera:${cameraId}`, detail })
      })
    } catch (error) {
      this.#jobs.delete(job)
      throw error
    }
    this.#work = this.#work.then(() => this.#run(job)).finally(() => this.#jobs.delete(job))
    return exportId
  }

  /** Stops what is being made under this grant, of a camera that it does not open any more. */
  stopGrant(grantId: string, keeps: ReadonlySet<string>): void {
    for (const job of this.#jobs) {
      const { grant, camera } = job.wish.admitted
      if (grant.grantId === grantId && !keeps.has(camera.cameraId)) stop(job, 'the grant ended meanwhile')
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const job of this.#jobs) stop(job, 'the hub was stopped')
    await this.#work
  }

  #checkSpan(whole: HistorySpan, span: HistorySpan): void {
    const { maxSpanMs } = this.#deps.limits
    const problems: string[] = []
    if (span.toMs <= span.fromMs) problems.push('/span: its end has to come after its begin')
    if (span.fromMs < whole.fromMs || span.toMs > whole.toMs) problems.push('/span: lies outside the grant')
    if (span.toMs - span.fromMs > maxSpanMs) {
      problems.push(`/span: at most ${maxSpanMs / 60_000} minutes in one package`)
    }
    if (problems.length > 0) {
      throw new HubError('HUB_BAD_REQUEST', 'this span cannot be exported', { details: problems })
    }
  }

  /** Never rejects: what fails is on the row and on the record. */
  async #run(job: Job): Promise<void> {
    try {
      await this.#make(job)
    } catch (error) {
      const problem =
        job.why || (error instanceof HubError ? error.message : 'it could not be made; see the log')
      this.#log.warn({ err: error, exportId: job.exportId }, 'an export failed')
      await this.#fail(job, problem)
    }
  }

  /** Leaves nothing of the clips, also when it fails, and before that is told. */
  async #make(job: Job): Promise<void> {
    const folder = join(this.#folder, `${job.exportId}.clips`)
    try {
      if (job.stopping.signal.aborted) throw new HubError('HUB_STREAM_NONE', job.why)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const clips = await this.#fetch(job, folder)
      await this.#pack(job, folder, clips)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  async #fetch(job: Job, folder: string): Promise<Clip[]> {
    const { history, limits } = this.#deps
    const { admitted, span } = job.wish
    const { signal } = job.stopping
    const held = await history.stretches(admitted, signal)
    const parts = held
      .map(({ fromMs, toMs }) => ({
        fromMs: Math.max(fromMs, span.fromMs),
        toMs: Math.min(toMs, span.toMs),
      }))
      .filter(({ fromMs, toMs }) => toMs > fromMs)
    if (parts.length > limits.maxClips) {
      const message = `the recording has ${parts.length} breaks; at most ${limits.maxClips} clips go into a package`
      throw new HubError('HUB_HISTORY_NONE', message)
    }
    const clips: Clip[] = []
    let left = limits.maxBytes
    for (const part of parts) {
      const file = `clip-${String(clips.length + 1).padStart(3, '0')}.mp4`
      try {
        const clip = await history.clip(admitted, { part, maxBytes: left, signal }, async (body, fromMs) => {
          const path = join(folder, file)
          const packed = await receive(body, path, left)
          await checkLength(path, part.toMs - fromMs)
          return { file, fromMs, toMs: part.toMs, packed: { name: file, ...packed } }
        })
        left -= clip.packed.bytes
        clips.push(clip)
      } catch (error) {
        // A stretch without a key frame inside the span, or overwritten meanwhile: the others are as good as ever.
        if (!(error instanceof HubError) || error.code !== 'HUB_HISTORY_NONE') throw error
      }
    }
    if (clips.length === 0) throw new HubError('HUB_HISTORY_NONE', 'nothing of that time is recorded')
    return clips
  }

  async #pack(job: Job, folder: string, clips: readonly Clip[]): Promise<void> {
    const { relational, audit, config, hubId } = this.#deps
    const { exportId, actor } = job
    const { admitted, span, reason } = job.wish
    const { camera, grant } = admitted
    const files = [readmeFile(), ...clips.map(({ packed }) => packed)]
    const key = this.#key()
    const subject = `camera:${camera.cameraId}`
    const detail = { exportId, grantId: grant.grantId, span, reason, files, key: key.fingerprint }
    const place = await relational.write.transaction().execute(async (trx) => {
      // Stopped by another hub or another process: nothing is put out any more.
      if (job.stopping.signal.aborted) throw new HubError('HUB_STREAM_NONE', job.why)
      return audit.append(trx, { actor, action: 'export.made', subject, detail })
    })
    const manifest: ExportManifest = {
      format: 'patrolhub-export/1',
      exportId,
      camera: { cameraId: camera.cameraId, name: camera.name, region: camera.region },
      span,
      clips: clips.map(({ file, fromMs, toMs }) => ({ file, fromMs, toMs })),
      exportedBy: { userId: actor.userId, username: actor.username, displayName: actor.displayName },
      exportedAtMs: this.#now(),
      reason,
      grant: {
        grantId: grant.grantId,
        purpose: grant.purpose,
        note: grant.note,
        ...(grant.incidentId === null ? {} : { incidentId: grant.incidentId }),
        ...(grant.approverName === null ? {} : { approvedBy: grant.approverName }),
        beginAtMs: grant.beginAtMs,
        endAtMs: grant.endAtMs,
      },
      hub: { hubId, rootScope: config.rootScope },
      audit: place,
      files,
      key: { algorithm: 'Ed25519', publicKey: key.publicKey, fingerprint: key.fingerprint },
    }
    const made = await writePackage(this.fileOf(exportId), manifest, key, (name) => join(folder, name))
    const isMoved = await moveExport(relational.write, exportId, 'making', {
      state: 'ready',
      ...made,
      ended_at_ms: this.#now(),
    })
    if (!isMoved) await rm(this.fileOf(exportId), { force: true })
  }

  async #fail({ exportId, actor, wish }: Job, problem: string): Promise<void> {
    const { relational, audit } = this.#deps
    try {
      await rm(`${this.fileOf(exportId)}.part`, { force: true })
      await relational.write.transaction().execute(async (trx) => {
        const values = { state: 'failed' as const, problem: problem.slice(0, 400), ended_at_ms: this.#now() }
        if (!(await moveExport(trx, exportId, 'making', values))) return
        await audit.append(trx, {
          actor,
          action: 'export.failed',
          subject: `camera:${wish.admitted.camera.cameraId}`,
          detail: { exportId, grantId: wish.admitted.grant.grantId, problem: values.problem },
        })
      })
    } catch (err) {
      // The next start marks it.
      this.#log.error({ err, exportId }, 'an export that failed could not be marked')
    }
  }
}

function stop(job: Job, why: string): void {
  job.why ||= why
  job.stopping.abort()
}

/** The edge is not believed: a clip holds no more than was asked for. */
async function checkLength(path: string, maxMs: number): Promise<void> {
  const lengthMs = await mp4LengthMs(path)
  if (lengthMs === undefined) throw new HubError('HUB_STREAM_NONE', 'the edge sent no MP4')
  if (lengthMs > maxMs + LENGTH_SLACK_MS) {
    throw new HubError('HUB_STREAM_NONE', 'the edge sent a clip that is longer than was asked for')
  }
}

/** Writes a clip as it comes, and syncs it. Throws if it is larger than it may be. */
async function receive(
  body: Readable,
  path: string,
  maxBytes: number,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  const idle = setTimeout(() => body.destroy(new Error('the edge went silent')), CLIP_IDLE_MS)
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const chunk of body) {
      const part = chunk as Buffer
      idle.refresh()
      bytes += part.length
      if (bytes > maxBytes)
        throw new HubError('HUB_STREAM_NONE', 'the clips are larger than one package takes')
      hash.update(part)
      await file.writeFile(part)
    }
    await file.sync()
  } finally {
    clearTimeout(idle)
    await file.close()
  }
  return { bytes, sha256: hash.digest('hex') }
}
