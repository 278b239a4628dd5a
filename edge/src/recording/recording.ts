/** The rings of all cameras and the bound that they share: the oldest segment of any camera goes first. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { CameraRing, type RingLimits } from './camera-ring.ts'

export interface RecordingOptions {
  dataDir: string
  log: Logger
}

export interface RecordingLimits {
  /** Bytes of all cameras together. */
  maxBytes: number
  /** Each camera that is recorded. */
  cameras: ReadonlyMap<string, RingLimits>
}

const TRIM_EVERY_MS = 60_000
/** Given back when the disk is full, by removing the oldest segments. */
const MAKE_ROOM_BYTES = 32 * 1024 * 1024

export class Recording {
  readonly #folder: string
  readonly #log: Logger
  readonly #rings = new Map<string, CameraRing>()
  #maxBytes = 0
  #timer: NodeJS.Timeout | undefined
  #trimming: Promise<void> = Promise.resolve()

  constructor(options: RecordingOptions) {
    this.#log = options.log.child({ component: 'recording' })
    this.#folder = join(options.dataDir, 'recording')
  }

  /** `undefined` for a camera that is not recorded. */
  ringOf(cameraId: string): CameraRing | undefined {
    return this.#rings.get(cameraId)
  }

  /** What the disk did not take, all cameras together. */
  get losses(): CameraRing['losses'] {
    const all = [...this.#rings.values()].map(({ losses }) => losses)
    return {
      droppedPictures: all.reduce((sum, { droppedPictures }) => sum + droppedPictures, 0),
      lostSegments: all.reduce((sum, { lostSegments }) => sum + lostSegments, 0),
    }
  }

  get bytes(): number {
    return [...this.#rings.values()].reduce((sum, ring) => sum + ring.bytes, 0)
  }

  /** Takes up what an earlier run left of these cameras and removes what belongs to others. */
  async start(limits: RecordingLimits): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    for (const name of await readdir(this.#folder)) {
      if (!limits.cameras.has(name)) await rm(join(this.#folder, name), { recursive: true, force: true })
    }
    await this.apply(limits)
    // A camera that is away for long still has recordings that grow too old.
    this.#timer = setInterval(() => this.#scheduleTrim(0), TRIM_EVERY_MS)
  }

  /**
   * Goes over to other cameras and limits. The cameras that go must have ended; their recordings stay on the disk up to
   * the next start, in case that they come back.
   */
  async apply({ maxBytes, cameras }: RecordingLimits): Promise<void> {
    this.#maxBytes = maxBytes
    for (const [cameraId, ring] of this.#rings) {
      if (cameras.has(cameraId)) continue
      this.#rings.delete(cameraId)
      await ring.close()
    }
    for (const [cameraId, limits] of cameras) {
      const known = this.#rings.get(cameraId)
      if (known) {
        known.limits = limits
        continue
      }
      const ring = new CameraRing({
        folder: join(this.#folder, cameraId),
        limits,
        log: this.#log.child({ deviceId: cameraId }),
        onSegment: (isDiskFull) => this.#scheduleTrim(isDiskFull ? MAKE_ROOM_BYTES : 0),
      })
      this.#rings.set(cameraId, ring)
      await ring.open()
    }
    this.#scheduleTrim(0)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#rings.values()].map((ring) => ring.close()))
    await this.#trimming
  }

  #scheduleTrim(makeRoomBytes: number): void {
    this.#trimming = this.#trimming
      .then(() => this.#trim(makeRoomBytes))
      .catch((err: unknown) => this.#log.error({ err }, 'old recordings could not be removed'))
  }

  async #trim(makeRoomBytes: number): Promise<void> {
    const rings = [...this.#rings.values()]
    for (const ring of rings) await ring.trim()
    let room = 0
    while (this.bytes > this.#maxBytes || room < makeRoomBytes) {
      const oldest = rings.toSorted((a, b) => a.oldestAtMs - b.oldestAtMs || b.bytes - a.bytes)[0]
      const freed = (await oldest?.dropOldest()) ?? 0
      if (freed === 0) return
      room += freed
    }
  }
}
