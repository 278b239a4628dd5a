/**
 * Misses devices: one that stops sending for three times its longest usual gap at this hour, and not before the time of
 * its rule, raises an alert, once; when it is back, a note says how long it was silent. What it has learned is kept on the
 * disk. Gaps are measured on the monotonic clock: setting the time of day makes nobody silent.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { AlertRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { SilenceRuleConfig } from '../config.ts'
import { deviceAlert } from '../device-alert.ts'
import { isGroup } from './fields.ts'
import { GapHabit, type GapHabitState } from './gap-habit.ts'

export interface WatchedDevice {
  deviceId: string
  deviceKind: 'checkpoint' | 'sensor'
  name: string
  region: string
  silence: SilenceRuleConfig
}

export interface SilenceOptions {
  devices: readonly WatchedDevice[]
  /** Where what was learned is kept. */
  file: string
  /** Resolves when the alert is durable. */
  raise: (alert: AlertRecord) => Promise<unknown>
  log: Logger
  /** Monotonic and wall clock, ms. */
  clock?: { nowMs: () => number; wallMs: () => number }
  checkEveryMs?: number
}

interface Watched {
  device: WatchedDevice
  habit: GapHabit
  /** Monotonic clock; `undefined` until it has ever been heard. */
  heardMs: number | undefined
  isSilent: boolean
}

/** What is on the disk for each device. */
interface SavedDevice extends GapHabitState {
  silentForMs: number
  isSilent: boolean
}

const TIMES_USUAL = 3
const CHECK_EVERY_MS = 1000
const SAVE_EVERY_MS = 60_000
const HOUR_MS = 3_600_000

export class SilenceWatch {
  readonly #options: SilenceOptions
  readonly #clock: { nowMs: () => number; wallMs: () => number }
  readonly #watched: ReadonlyMap<string, Watched>
  #check: NodeJS.Timeout | undefined
  #savedMs = 0
  #saving: Promise<void> = Promise.resolve()

  constructor(options: SilenceOptions) {
    this.#options = options
    this.#clock = options.clock ?? { nowMs: () => performance.now(), wallMs: () => Date.now() }
    this.#watched = new Map(
      options.devices.map((device) => [
        device.deviceId,
        { device, habit: new GapHabit(), heardMs: undefined, isSilent: false },
      ]),
    )
  }

  /** Takes up what an earlier run has learned; a file that cannot be read is begun anew. */
  async start(): Promise<void> {
    await this.#restore()
    this.#savedMs = this.#clock.nowMs()
    this.#check = setInterval(() => this.check(), this.#options.checkEveryMs ?? CHECK_EVERY_MS)
  }

  isSilent(deviceId: string): boolean {
    return this.#watched.get(deviceId)?.isSilent ?? false
  }

  /** A message of this device has come. */
  heard(deviceId: string): void {
    const watched = this.#watched.get(deviceId)
    if (!watched) return
    const nowMs = this.#clock.nowMs()
    const gapMs = watched.heardMs === undefined ? undefined : nowMs - watched.heardMs
    watched.heardMs = nowMs
    if (gapMs === undefined) return
    watched.habit.learn(gapMs, this.#hour())
    if (!watched.isSilent) return
    watched.isSilent = false
    this.#raise(watched.device, 'back', gapMs, 0)
  }

  /** Looks who has been silent for too long; called by a timer. */
  check(): void {
    const nowMs = this.#clock.nowMs()
    for (const watched of this.#watched.values()) {
      const { device, habit, heardMs, isSilent } = watched
      if (heardMs === undefined || isSilent || !device.silence.isOn) continue
      const usualMs = habit.usualMs(this.#hour())
      const limitMs = Math.max(device.silence.minSeconds * 1000, TIMES_USUAL * usualMs)
      if (nowMs - heardMs <= limitMs) continue
      watched.isSilent = true
      this.#raise(device, 'silent', nowMs - heardMs, usualMs)
    }
    if (nowMs - this.#savedMs >= SAVE_EVERY_MS) this.#save()
  }

  async close(): Promise<void> {
    if (!this.#check) return
    clearInterval(this.#check)
    this.#check = undefined
    this.#save()
    await this.#saving
  }

  #hour(): number {
    return Math.floor(this.#clock.wallMs() / HOUR_MS) % 24
  }

  #raise(device: WatchedDevice, state: 'silent' | 'back', gapMs: number, usualMs: number): void {
    const silentSeconds = Math.round(gapMs / 1000)
    const usualSeconds = Math.round(usualMs / 1000)
    const { deviceId, deviceKind, name, region, silence } = device
    const reason =
      state === 'back'
        ? `${name} sends again after ${silentSeconds} s of silence.`
        : `${name} has sent nothing for ${silentSeconds} s; its longest usual gap at this hour is ${usualSeconds} s.`
    const alert = deviceAlert({
      atMs: this.#clock.wallMs(),
      deviceId,
      deviceKind,
      region,
      rule: 'device-silent',
      ruleName: 'silence',
      severity: state === 'back' ? 'info' : silence.severity,
      score: 1,
      reason,
      facts: { state, silentSeconds, ...(state === 'silent' ? { usualSeconds } : {}) },
    })
    this.#options.log.info({ alertId: alert.alertId, deviceId, reason }, 'alert raised')
    this.#options.raise(alert).catch((err: unknown) => {
      this.#options.log.error({ err, deviceId }, 'an alert could not be kept')
    })
  }

  async #restore(): Promise<void> {
    let saved: unknown
    try {
      saved = JSON.parse(await readFile(this.#options.file, 'utf8'))
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'ENOENT') return
      this.#options.log.warn(
        { err },
        'what was known of the habits of devices cannot be read, it begins anew',
      )
      return
    }
    if (!isGroup(saved)) return
    const nowMs = this.#clock.nowMs()
    for (const [deviceId, watched] of this.#watched) {
      const state = saved[deviceId] as Partial<SavedDevice> | undefined
      if (!isGroup(state) || !Array.isArray(state.hours)) continue
      watched.habit = GapHabit.from({ hours: state.hours as number[] })
      watched.isSilent = state.isSilent === true
      const silentForMs = Number(state.silentForMs)
      // While the edge was off nobody was missed: only what came before counts on.
      if (Number.isFinite(silentForMs) && silentForMs >= 0) watched.heardMs = nowMs - silentForMs
    }
  }

  #save(): void {
    const nowMs = this.#clock.nowMs()
    this.#savedMs = nowMs
    const saved: Record<string, SavedDevice> = {}
    for (const [deviceId, { habit, heardMs, isSilent }] of this.#watched) {
      if (heardMs === undefined) continue
      saved[deviceId] = { ...habit.state(), silentForMs: Math.round(nowMs - heardMs), isSilent }
    }
    const { file, log } = this.#options
    this.#saving = this.#saving.then(async () => {
      try {
        await mkdir(dirname(file), { recursive: true })
        await writeFile(`${file}.part`, JSON.stringify(saved), { mode: 0o600 })
        await rename(`${file}.part`, file)
      } catch (err) {
        log.warn({ err }, 'the habits of devices cannot be kept')
      }
    })
  }
}
