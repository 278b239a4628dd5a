/** Writes the state of this box and its cameras to the journal at an interval. */
import type { CameraHealth, DeviceHealth, HealthRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'

export interface HealthOptions {
  everySeconds: number
  box: () => Promise<HealthRecord['box']>
  hubClock: () => HealthRecord['hubClock']
  recordingLosses: () => NonNullable<HealthRecord['recording']>
  evidencePending: () => number
  cameras: () => CameraHealth[]
  journalRecords: () => number
  refusedMessages: () => number
  devices: () => DeviceHealth[]
  /** Resolves when the record is durable. */
  append: (record: HealthRecord) => Promise<unknown>
  log: Logger
}

export class Health {
  readonly #options: HealthOptions
  readonly #startedMs = performance.now()
  #timer: NodeJS.Timeout | undefined
  #lastCpuMicros = 0
  #lastAtMs = performance.now()
  #isWriting = false
  #isClosed = false
  #everySeconds = 0

  constructor(options: HealthOptions) {
    this.#options = options
  }

  /** Writes the first record at once. */
  start(): void {
    this.#lastCpuMicros = cpuMicros()
    this.#lastAtMs = performance.now()
    this.setInterval(this.#options.everySeconds)
    this.#write()
  }

  setInterval(seconds: number): void {
    if (this.#timer && seconds === this.#everySeconds) return
    this.#everySeconds = seconds
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#write(), seconds * 1000)
  }

  /** A record that is being made is not kept: it would tell of an edge whose cameras are gone already. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }

  /** What is true now; `cpuPercent` is of one core, of this process without ffmpeg, since the last call. */
  async record(): Promise<HealthRecord> {
    const box = await this.#options.box()
    const hubClock = this.#options.hubClock()
    const nowMs = performance.now()
    const micros = cpuMicros()
    const elapsedMs = nowMs - this.#lastAtMs
    const cpuPercent = elapsedMs > 0 ? (micros - this.#lastCpuMicros) / 10 / elapsedMs : 0
    this.#lastCpuMicros = micros
    this.#lastAtMs = nowMs
    const devices = this.#options.devices()
    return {
      kind: 'health',
      atMs: Date.now(),
      uptimeSeconds: Math.round((nowMs - this.#startedMs) / 1000),
      ...(box ? { box } : {}),
      ...(hubClock ? { hubClock } : {}),
      recording: this.#options.recordingLosses(),
      evidencePending: this.#options.evidencePending(),
      cpuPercent: Math.max(0, Math.round(cpuPercent * 10) / 10),
      memoryMb: Math.round(process.memoryUsage.rss() / 1024 ** 2),
      journalRecords: this.#options.journalRecords(),
      refusedMessages: this.#options.refusedMessages(),
      cameras: this.#options.cameras(),
      ...(devices.length > 0 ? { devices } : {}),
    }
  }

  #write(): void {
    // One at a time: while the disk does not answer, more of the same would only wait.
    if (this.#isWriting) return
    this.#isWriting = true
    this.record()
      .then((record) => (this.#isClosed ? undefined : this.#options.append(record)))
      .catch((err: unknown) => this.#options.log.error({ err }, 'a health record could not be kept'))
      .finally(() => {
        this.#isWriting = false
      })
  }
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
