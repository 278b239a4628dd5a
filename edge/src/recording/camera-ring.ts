/**
 * The last minutes of one camera on the disk, as it sent them: pictures in, segments out, the oldest removed when they
 * are too many or too old. Nothing in here stops the camera: what cannot be written is counted and left out up to the
 * next key frame. Drop policies: `oldest-segment` by size and age; `to-next-key-frame` when the disk is too slow;
 * `segment-lost` when it refuses.
 */
import { mkdir, readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { CompressedUnit, PictureSink } from '../capture/compressed.ts'
import { Segment } from './segment.ts'
import { type Container, formatSegmentName, parseSegmentName } from './segment-name.ts'
import { scanSegment } from './segment-scan.ts'

/** A segment ends with the first group of pictures that reaches this length. */
const SEGMENT_MS = 10_000
/** Pictures are written when this many bytes or this much time have come together. */
const WRITE_BYTES = 256 * 1024
const WRITE_MS = 1000
/** What may wait for a slow disk. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024

export interface RingLimits {
  maxBytes: number
  maxAgeMs: number
}

export interface CameraRingOptions {
  /** Folder of this camera alone. */
  folder: string
  limits: RingLimits
  log: Logger
  /** Called when a segment is finished or was lost: it is time to look at what all cameras hold together. */
  onSegment: (isDiskFull: boolean) => void
}

export class CameraRing implements PictureSink {
  /** Taken up at the next trim. */
  limits: RingLimits
  readonly #options: CameraRingOptions
  /** Oldest first; the last one may be open. */
  readonly #segments: Segment[] = []
  readonly #finishing = new Set<Promise<void>>()
  #open: Segment | undefined
  #head: readonly Buffer[] | undefined
  #streamId = ''
  #streams = 0
  #lastPtsMs = 0
  #lastWriteMs = 0
  #isReady = false
  #isClosed = false
  #droppedPictures = 0
  #lostSegments = 0
  #hasWarned = false

  constructor(options: CameraRingOptions) {
    this.#options = options
    this.limits = options.limits
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0)
  }

  /** Wall clock of the oldest picture that can be removed; infinite when there is none. */
  get oldestAtMs(): number {
    const oldest = this.#segments[0]
    return oldest && oldest !== this.#open ? oldest.name.startedAtMs : Number.POSITIVE_INFINITY
  }

  /** Pictures that were not recorded because the disk was too slow, and segments that it refused. */
  get losses(): { droppedPictures: number; lostSegments: number } {
    return { droppedPictures: this.#droppedPictures, lostSegments: this.#lostSegments }
  }

  /** The stream that comes now and the stream clock of its newest picture; empty before the first. */
  get position(): { streamId: string; ptsMs: number } {
    return { streamId: this.#streamId, ptsMs: this.#lastPtsMs }
  }

  /** True if pictures of this stream may still come. */
  isLive(streamId: string): boolean {
    return streamId === this.#streamId && this.#head !== undefined
  }

  /** Takes up what an earlier run left; a half-written segment is cut to its last whole picture. */
  async open(): Promise<void> {
    const { folder, log } = this.#options
    await mkdir(folder, { recursive: true })
    for (const file of (await readdir(folder)).sort()) {
      const name = parseSegmentName(file)
      if (!name) continue
      const path = join(folder, file)
      let { size } = await stat(path)
      if (name.isUnfinished) {
        const content = await scanSegment(path, name.container)
        log.info({ file, bytes: size, wholeBytes: content.bytes }, 'a half-written segment was taken up')
        await truncate(path, content.bytes)
        size = content.bytes
        const segment = new Segment(folder, name, size)
        if (size === 0) await segment.remove()
        else this.#segments.push(segment)
      } else this.#segments.push(new Segment(folder, name, size))
    }
    this.#segments.sort((a, b) => a.name.startedAtMs - b.name.startedAtMs)
    this.#isReady = true
    await this.trim()
  }

  take(unit: CompressedUnit, container: Container, head: readonly Buffer[]): void {
    if (!this.#isReady || this.#isClosed) return
    if (head !== this.#head) {
      this.end()
      this.#head = head
      this.#streams += 1
      this.#streamId = `${Date.now().toString(36)}x${this.#streams.toString(36)}`
    }
    this.#lastPtsMs = unit.ptsMs
    const open = this.#open
    const isFull = open !== undefined && unit.ptsMs - open.name.firstPtsMs >= SEGMENT_MS
    if (unit.isKeyFrame && (!open || isFull)) this.#begin(unit, container)
    if (!this.#open) return
    if (this.#open.waitingBytes > MAX_WAITING_BYTES) {
      this.#droppedPictures += 1
      this.#finish()
      return
    }
    this.#open.append(unit)
    if (this.#open.waitingBytes >= WRITE_BYTES || performance.now() - this.#lastWriteMs >= WRITE_MS) {
      this.#lastWriteMs = performance.now()
      const segment = this.#open
      segment.flush().catch((error: Error) => this.#lose(segment, error))
    }
  }

  end(): void {
    this.#finish()
    this.#head = undefined
  }

  /** Finishes what is open. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.end()
    while (this.#finishing.size > 0) await Promise.all(this.#finishing)
  }

  /** Segments with pictures of the stream between the two times of its clock, oldest first, with all that has come. */
  async segmentsOf(streamId: string, fromMs: number, toMs: number): Promise<Segment[]> {
    const ofStream = this.#segments.filter(({ name }) => name.streamId === streamId)
    const open = this.#open
    if (open) await open.flush().catch(() => undefined)
    return ofStream.filter((segment, index) => {
      const endMs = ofStream[index + 1]?.name.firstPtsMs ?? Number.POSITIVE_INFINITY
      return segment.name.firstPtsMs <= toMs && endMs > fromMs
    })
  }

  /** All segments, oldest first, with all that has come. */
  async held(): Promise<Segment[]> {
    await this.#open?.flush().catch(() => undefined)
    return [...this.#segments]
  }

  /** Removes what is too much or too old for this camera. */
  async trim(nowMs = Date.now()): Promise<void> {
    const { maxBytes, maxAgeMs } = this.limits
    while (this.#segments.length > 1 && (this.bytes > maxBytes || this.#secondAtMs() < nowMs - maxAgeMs)) {
      await this.dropOldest()
    }
    // The very last one goes too when it is over and too old.
    const last = this.#segments[0]
    if (
      last &&
      last !== this.#open &&
      this.#segments.length === 1 &&
      last.name.startedAtMs < nowMs - maxAgeMs
    ) {
      await this.dropOldest()
    }
  }

  /** Removes the oldest segment that is not being written; gives its bytes, 0 if there is none. */
  async dropOldest(): Promise<number> {
    const oldest = this.#segments[0]
    if (!oldest || oldest === this.#open) return 0
    this.#segments.shift()
    const { bytes } = oldest
    await oldest.remove()
    return bytes
  }

  /** A segment is too old when all of it is: when the next one is. */
  #secondAtMs(): number {
    return this.#segments[1]?.name.startedAtMs ?? Number.POSITIVE_INFINITY
  }

  #begin(unit: CompressedUnit, container: Container): void {
    this.#finish()
    const segment = new Segment(this.#options.folder, {
      startedAtMs: Date.now(),
      streamId: this.#streamId,
      firstPtsMs: Math.max(0, Math.round(unit.ptsMs)),
      container,
      isUnfinished: true,
    })
    segment.begin(this.#head!)
    this.#segments.push(segment)
    this.#open = segment
  }

  #finish(): void {
    const segment = this.#open
    if (!segment) return
    this.#open = undefined
    const work: Promise<void> = segment
      .finish()
      .then(() => {
        this.#hasWarned = false
        this.#options.onSegment(false)
        return this.trim()
      })
      .catch((error: Error) => this.#lose(segment, error))
      .finally(() => this.#finishing.delete(work))
    this.#finishing.add(work)
  }

  #lose(segment: Segment, err: Error): void {
    const index = this.#segments.indexOf(segment)
    if (index < 0) return
    this.#segments.splice(index, 1)
    if (this.#open === segment) this.#open = undefined
    this.#lostSegments += 1
    const file = formatSegmentName(segment.name)
    if (!this.#hasWarned) this.#options.log.error({ err, file }, 'recording failed: a segment is lost')
    this.#hasWarned = true
    const work: Promise<void> = segment
      .remove()
      // What cannot be deleted now is found at the next start.
      .catch(() => undefined)
      .finally(() => this.#finishing.delete(work))
    this.#finishing.add(work)
    this.#options.onSegment((err as NodeJS.ErrnoException).code === 'ENOSPC')
  }
}
