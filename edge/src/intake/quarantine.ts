/**
 * What devices sent and could not be used: counted by device, the newest kept on the disk for an engineer to look at
 * (`edge quarantine`), reported to the log once an interval. A message may hold plates, so it is encrypted with a key
 * that comes from the edge's token and is not in the data folder, and it is kept for a few days at most. Bounded: when
 * the room is full, the device that holds most of it loses its oldest message, so one mad device never pushes out what
 * others sent. Nothing here delays or fails the stream: what cannot be written is only counted.
 */
import type { Logger } from 'pino'
import type { QuarantineConfig } from '../config.ts'
import type { Refusal } from './fields.ts'
import { type QuarantinedMessage, QuarantineFolder } from './quarantine-folder.ts'

export interface QuarantineOptions extends QuarantineConfig {
  dataDir: string
  /** The edge's token at the hub. */
  secret: string
  log: Logger
}

/** Messages of one device that are written in a minute; more of the same are counted only. */
const KEPT_PER_MINUTE = 20
const MAX_WAITING = 64
const REPORT_EVERY_MS = 60_000
const HOUR_MS = 3_600_000

interface DeviceCount {
  total: number
  sinceReport: number
  keptSinceReport: number
  last: Refusal
}

export class Quarantine {
  readonly #options: QuarantineOptions
  readonly #folder: QuarantineFolder
  readonly #devices = new Map<string, DeviceCount>()
  #total = 0
  #waiting = 0
  #work: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #hasFailed = false

  constructor(options: QuarantineOptions) {
    this.#options = options
    this.#folder = new QuarantineFolder(options)
  }

  /** Messages and items refused since the start. */
  get total(): number {
    return this.#total
  }

  refusedOf(deviceId: string): number {
    return this.#devices.get(deviceId)?.total ?? 0
  }

  /** Finds what an earlier run has kept; a folder that cannot be used is told of and only costs what it would hold. */
  async start(): Promise<void> {
    this.#run(() => this.#folder.open(Date.now()))
    await this.#work
    this.#timer = setInterval(() => this.#report(), REPORT_EVERY_MS)
    this.#timer.unref()
  }

  /** `deviceId` must be one of the configured devices: what is counted is bounded by their number. */
  add(
    message: Omit<QuarantinedMessage, 'payload' | 'bytes' | 'refusals'>,
    refusals: readonly Refusal[],
    payload: Uint8Array,
  ): void {
    const { deviceId } = message
    const last = refusals.at(-1)
    if (!last) return
    this.#total += refusals.length
    const count = this.#devices.get(deviceId) ?? { total: 0, sinceReport: 0, keptSinceReport: 0, last }
    this.#devices.set(deviceId, count)
    count.total += refusals.length
    count.last = last
    // The first refusal is told at once, the following ones together.
    if (count.total === refusals.length) this.#tell(deviceId, refusals.length, last)
    else count.sinceReport += refusals.length
    if (count.keptSinceReport >= KEPT_PER_MINUTE || this.#waiting >= MAX_WAITING) return
    count.keptSinceReport += 1
    this.#run(() => this.#folder.store({ ...message, refusals: refusals.slice(0, 20) }, payload))
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#report()
    await this.#work
  }

  #run(work: () => Promise<void>): void {
    this.#waiting += 1
    this.#work = this.#work.then(work).then(
      () => {
        this.#waiting -= 1
      },
      (err: unknown) => {
        this.#waiting -= 1
        if (!this.#hasFailed) this.#options.log.warn({ err }, 'refused messages cannot be kept')
        this.#hasFailed = true
      },
    )
  }

  #report(): void {
    for (const [deviceId, count] of this.#devices) {
      if (count.sinceReport > 0) this.#tell(deviceId, count.sinceReport, count.last)
      count.sinceReport = 0
      count.keptSinceReport = 0
    }
    this.#run(() => this.#folder.removeBefore(Date.now() - this.#options.keepHours * HOUR_MS))
  }

  #tell(deviceId: string, count: number, { field, reason }: Refusal): void {
    this.#options.log.warn({ deviceId, count, field, reason }, 'messages of a device were refused')
  }
}
