/**
 * Clips of alerts: waits until the camera has sent the seconds after the alert, cuts the clip out of the ring and hands
 * it on. What is asked for is noted on the disk first: after a crash the clip is cut from what the ring still holds.
 * One clip is cut at a time. Drop policies, each counted: `overflow`, more requests wait than are taken; `missed`, the
 * ring does not hold that time any more; `failed`, it could not be cut.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DeviceId, EpochMs, jsonParser, Uuid } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { type Static, Type } from 'typebox'
import { pause } from '../backoff.ts'
import { writeDurably } from '../durable-file.ts'
import type { CameraRing } from '../recording/camera-ring.ts'
import { cutClip } from '../recording/clip.ts'

export const ClipRequest = Type.Object(
  {
    evidenceId: Uuid,
    alertId: Uuid,
    cameraId: DeviceId,
    /** Wall clock of the alert. */
    atMs: EpochMs,
    streamId: Type.String({ pattern: '^[0-9a-z]{1,40}$' }),
    /** The same on the stream's clock. */
    streamMs: Type.Number(),
  },
  { additionalProperties: false },
)
export type ClipRequest = Static<typeof ClipRequest>
const parseRequest = jsonParser(ClipRequest)

export interface ClipQueueOptions {
  /** Where notes and half-made clips lie. */
  folder: string
  ringOf: (cameraId: string) => CameraRing | undefined
  beforeMs: number
  afterMs: number
  /** The hub takes no larger evidence. */
  maxBytes: number
  /** Makes the clip evidence of each request; the note is removed when it resolves. */
  keep: (clip: Buffer, requests: readonly ClipRequest[]) => Promise<void>
  /** False while the disk has no room for more evidence. */
  hasRoom: () => boolean
  log: Logger
}

const MAX_QUEUED = 64
const POLL_MS = 250
/** A camera that falls silent without its stream ending is not waited for longer than this after the wanted end. */
const PATIENCE_MS = 15_000
/** Pictures may come in another order than they are shown. */
const REORDER_MS = 500
/** A container adds less than this part to its pictures. */
const OVERHEAD = 0.02

interface Job {
  requests: ClipRequest[]
}

export class ClipQueue {
  readonly #options: ClipQueueOptions
  readonly #jobs = new Map<string, Job>()
  readonly #active = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  #cutting: Promise<void> = Promise.resolve()
  #writing: Promise<void> = Promise.resolve()
  readonly counts = { taken: 0, missed: 0, overflow: 0, failed: 0, diskFull: 0, shortened: 0 }

  constructor(options: ClipQueueOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#jobs.size
  }

  /** Takes up what an earlier run noted. */
  async start(): Promise<void> {
    const { folder, log } = this.#options
    await mkdir(folder, { recursive: true })
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      const parsed = name.endsWith('.json') ? parseRequest(await readFile(path, 'utf8')) : undefined
      if (parsed?.ok) this.#enqueue(parsed.value)
      else {
        if (parsed) log.error({ name, problems: parsed.problems }, 'a damaged note of a clip was removed')
        await rm(path, { force: true })
      }
    }
  }

  /** What is not cut yet is left for the next start. */
  async close(): Promise<void> {
    this.#stopping.abort()
    while (this.#active.size > 0) await Promise.all(this.#active)
    await this.#writing
  }

  /** Returns at once; false if the request was dropped, for a reason that is counted. */
  request(request: ClipRequest): boolean {
    const { log, folder, hasRoom } = this.#options
    const { evidenceId, alertId } = request
    const why = this.#jobs.size >= MAX_QUEUED ? 'overflow' : hasRoom() ? undefined : 'diskFull'
    if (why) {
      this.counts[why] += 1
      log.warn({ evidenceId, alertId, why }, 'no clip of this alert')
      return false
    }
    this.#writing = this.#writing.then(() =>
      writeDurably(folder, `${evidenceId}.json`, Buffer.from(JSON.stringify(request))).catch((err: unknown) =>
        // It is still cut, unless this process ends before.
        log.error({ err, evidenceId }, 'a clip could not be noted'),
      ),
    )
    this.#enqueue(request)
    return true
  }

  #enqueue(request: ClipRequest): void {
    const key = `${request.cameraId} ${request.streamId} ${request.streamMs}`
    const known = this.#jobs.get(key)
    if (known) {
      known.requests.push(request)
      return
    }
    const job: Job = { requests: [request] }
    this.#jobs.set(key, job)
    const work: Promise<void> = this.#run(key, job).finally(() => this.#active.delete(work))
    this.#active.add(work)
  }

  async #run(key: string, job: Job): Promise<void> {
    const { signal } = this.#stopping
    const [{ cameraId, streamId, streamMs }] = job.requests as [ClipRequest]
    const ring = this.#options.ringOf(cameraId)
    const toMs = streamMs + this.#options.afterMs
    const deadlineMs = performance.now() + this.#options.afterMs + PATIENCE_MS
    const isToCome = (): boolean => ring?.isLive(streamId) === true && ring.position.ptsMs < toMs + REORDER_MS
    while (isToCome() && performance.now() < deadlineMs) {
      if (!(await pause(POLL_MS, signal))) return
    }
    const turn = this.#cutting
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#cutting = promise
    await turn
    try {
      if (signal.aborted) return
      this.#jobs.delete(key)
      await this.#cut(ring, job, toMs)
    } finally {
      resolve()
    }
  }

  async #cut(ring: CameraRing | undefined, { requests }: Job, toMs: number): Promise<void> {
    const { folder, beforeMs, maxBytes, keep, log } = this.#options
    const { signal } = this.#stopping
    const [{ streamId, streamMs, evidenceId }] = requests as [ClipRequest]
    const alertIds = requests.map(({ alertId }) => alertId)
    const file = join(folder, `${evidenceId}.mp4`)
    const wish = {
      streamId,
      atMs: streamMs,
      fromMs: streamMs - beforeMs,
      toMs,
      maxBytes: maxBytes * (1 - OVERHEAD),
    }
    try {
      const clip = ring && (await cutClip(ring, wish, file, signal))
      if (clip) {
        await keep(await readFile(file), requests)
        this.counts.taken += requests.length
        if (clip.isShortened) {
          this.counts.shortened += requests.length
          log.warn({ alertIds, maxBytes }, 'a clip was shortened: the hub takes no larger one')
        }
      } else {
        this.counts.missed += requests.length
        log.warn({ alertIds, why: 'missed' }, 'no clip of these alerts')
      }
    } catch (err) {
      // Stopped in the middle: the notes stay for the next start.
      if (signal.aborted) return
      this.counts.failed += requests.length
      log.error({ err, alertIds }, 'a clip failed')
    } finally {
      await rm(file, { force: true })
    }
    await this.#writing
    for (const request of requests) await rm(join(folder, `${request.evidenceId}.json`), { force: true })
  }
}
