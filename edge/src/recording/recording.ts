/** The rings of all cameras and the bound that they share: the oldest segment of any camera goes first. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { CameraRing, type RingLimits } from './camera-ring.ts'

export interface RecordingOptions {
  dataDir: string
  /** Bytes of all cameras together. */
  maxBytes: number
  /** Each camera that is recorded. */
  cameras: ReadonlyMap<string, RingLimits>
  log: Logger
}

const TRIM_EVERY_MS = 60_000
/** Given back when the disk is full, by removing the oldest segments. */
const MAKE_ROOM_BYTES = 32 * 1024 * 1024

export class Recording {
  readonly #options: RecordingOptions
  readonly #folder: string
  readonly #log: Logger
  readonly #rings = new Map<string, CameraRing>()
  #timer: NodeJS.Timeout | undefined
  #trimming: Promise<void> = Promise.resolve()

  constructor(options: RecordingOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'recording' })
    this.#folder = join(options.dataDir, 'recording')
    for (const [cameraId, limits] of options.cameras) {
      const ring = new CameraRing({
        folder: join(this.#folder, cameraId),
        limits,
        log: this.#log.child({ deviceId: cameraId }),
        onSegment: (isDiskFull) => this.#scheduleTrim(isDiskFull ? MAKE_ROOM_BYTES : 0),
      })
      this.#rings.set(cameraId, ring)
    }
  }

  /** `undefined` for a camera that is not recorded. */
  ringOf(cameraId: string): CameraRing | undefined {
    return this.#rings.get(cameraId)
  }

  get bytes(): number {
    return [...this.#rings.values()].reduce((sum, ring) => sum + ring.bytes, 0)
  }

  /** Takes up what an earlier run left and removes what belongs to cameras that are no more. */
  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    for (const name of await readdir(this.#folder)) {
      if (!this.#rings.has(name)) await rm(join(this.#folder, name), { recursive: true, force: true })
    }
    for (const ring of this.#rings.values()) await ring.open()
    this.#scheduleTrim(0)
    // A camera that is away for long still has recordings that grow too old.
    this.#timer = setInterval(() => this.#scheduleTrim(0), TRIM_EVERY_MS)
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
    while (this.bytes > this.#options.maxBytes || room < makeRoomBytes) {
      const oldest = rings.toSorted((a, b) => a.oldestAtMs - b.oldestAtMs || b.bytes - a.bytes)[0]
      const freed = (await oldest?.dropOldest()) ?? 0
      if (freed === 0) return
      room += freed
    }
  }
}
