/**
 * Takes over settings that the hub offers: fetches them, checks them, applies them, and keeps them when the edge has
 * run with them for a while. Whatever does not fit or does not start is taken back, and the hub is told why. Offers are
 * handled one at a time, the newest last.
 */
import type { SettingsReport } from '@patrolhub/protocol'
import { EdgeSettings, jsonParser } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import { pause } from '../backoff.ts'
import type { EdgeConfig } from '../config.ts'
import { EdgeError } from '../errors.ts'
import { askHub, type HubAccess } from '../hub-http.ts'
import { HubOffers } from '../hub-offers.ts'
import type { HubSettings, SettingsFile } from './settings-file.ts'

export interface SettingsKeeperOptions {
  hub: HubAccess
  file: SettingsFile
  /** The configuration with these settings over it. Throws EdgeError EDGE_CONFIG. */
  configWith: (settings: HubSettings | undefined) => EdgeConfig
  /** Goes over to a configuration; goes back and rejects when a part does not start. */
  apply: (config: EdgeConfig) => Promise<string[]>
  /** Something is to be told to the hub. */
  onReport: () => void
  log: Logger
  /** How long the edge has to run with new settings before they are kept. */
  trialMs?: number
  retryMinMs?: number
}

const TRIAL_MS = 10_000
const RETRY_MIN_MS = 1000
const RETRY_MAX_MS = 60_000
const TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 600 * 1024

const parseSettings = jsonParser(EdgeSettings)

export class SettingsKeeper {
  readonly #options: SettingsKeeperOptions
  readonly #log: Logger
  readonly #offers: HubOffers<number>

  constructor(options: SettingsKeeperOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'settings' })
    this.#offers = new HubOffers({
      // Applied or refused already: only told again.
      isDone: (version) => {
        const isKnown = this.report?.version === version
        if (isKnown) options.onReport()
        return isKnown
      },
      take: async (signal) => {
        const settings = await this.#fetch(signal)
        await this.#takeOver(settings, signal)
        return settings.version
      },
      failure: "the hub's settings could not be fetched, trying on",
      log: this.#log,
      retryMinMs: options.retryMinMs ?? RETRY_MIN_MS,
      retryMaxMs: RETRY_MAX_MS,
    })
  }

  get report(): SettingsReport | undefined {
    return this.#options.file.report
  }

  /** Returns at once. */
  offer(version: number): void {
    this.#offers.offer(version)
  }

  close(): Promise<void> {
    return this.#offers.close()
  }

  async #fetch(signal: AbortSignal): Promise<HubSettings> {
    const { status, body } = await askHub(this.#options.hub, {
      method: 'GET',
      path: '/api/edge/settings',
      headers: {},
      idleMs: TIMEOUT_MS,
      signal,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    })
    const parsed = status === 200 ? parseSettings(body) : undefined
    if (!parsed?.ok) throw new Error(`the hub answered ${status} ${body.slice(0, 200)}`.trim())
    return parsed.value
  }

  async #takeOver(settings: HubSettings, signal: AbortSignal): Promise<void> {
    const { file, configWith, apply, onReport } = this.#options
    const { version } = settings
    let config: EdgeConfig
    try {
      config = configWith(settings)
    } catch (error) {
      await this.#refuse(version, error)
      return
    }
    await file.try(settings)
    try {
      const touched = await apply(config)
      this.#log.info({ version, touched }, "the hub's settings are tried")
    } catch (error) {
      await this.#refuse(version, error)
      return
    }
    // A fault that ends the edge in this time is found at the next start.
    if (!(await pause(this.#options.trialMs ?? TRIAL_MS, signal))) {
      // Stopped on purpose, which proves nothing against them: they are offered again.
      await file.forgetTrial()
      return
    }
    await file.keep(settings)
    this.#log.info({ version }, "the hub's settings are kept")
    onReport()
  }

  async #refuse(version: number, error: unknown): Promise<void> {
    const details = error instanceof EdgeError ? error.details : []
    const problems = details.length > 0 ? details : [(error as Error).message]
    await this.#options.file.refuse(
      version,
      problems.slice(0, 50).map((text) => text.slice(0, 300)),
    )
    this.#log.warn({ version, problems }, "the hub's settings are refused")
    this.#options.onReport()
  }
}
