/**
 * What the edge remembers of the hub's settings, in `settings.json` of its data folder. Settings under trial are
 * written down before they are applied: an edge that ends during the trial finds them there and does not try again.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jsonParser } from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'
import { writeDurably } from '../durable-file.ts'

const Version = Type.Integer({ minimum: 1 })
const Settings = Type.Object({ version: Version, document: Type.String() })
const State = Type.Object({
  applied: Type.Optional(Settings),
  trying: Type.Optional(Settings),
  refused: Type.Optional(Type.Object({ version: Version, problems: Type.Array(Type.String()) })),
})
export type HubSettings = Static<typeof Settings>
type State = Static<typeof State>

const parseState = jsonParser(State)
const NAME = 'settings.json'

export class SettingsFile {
  readonly #folder: string
  #state: State

  private constructor(folder: string, state: State) {
    this.#folder = folder
    this.#state = state
  }

  /** Settings that an earlier run was trying when it ended are refused. A damaged file counts as none. */
  static async open(dataDir: string): Promise<SettingsFile> {
    await mkdir(dataDir, { recursive: true })
    const text = await readFile(join(dataDir, NAME), 'utf8').catch(() => '{}')
    const parsed = parseState(text)
    const file = new SettingsFile(dataDir, parsed.ok ? parsed.value : {})
    const { trying } = file.#state
    if (trying) await file.refuse(trying.version, ['the edge ended while it tried them'])
    return file
  }

  get applied(): HubSettings | undefined {
    return this.#state.applied
  }

  /** What the hub is told: the newest version that was tried. */
  get report(): { version: number; state: 'applied' | 'trying' | 'refused'; problems: string[] } | undefined {
    const { applied, trying, refused } = this.#state
    if (trying) return { version: trying.version, state: 'trying', problems: [] }
    if (refused && refused.version > (applied?.version ?? 0)) return { ...refused, state: 'refused' }
    return applied && { version: applied.version, state: 'applied', problems: [] }
  }

  try(settings: HubSettings): Promise<void> {
    return this.#write({ ...this.#state, trying: settings })
  }

  keep(settings: HubSettings): Promise<void> {
    return this.#write({ applied: settings })
  }

  refuse(version: number, problems: string[]): Promise<void> {
    const { applied } = this.#state
    return this.#write({ ...(applied ? { applied } : {}), refused: { version, problems } })
  }

  /** What was applied does not fit the edge's own file any more. */
  async withdraw(problems: string[]): Promise<void> {
    const { applied } = this.#state
    if (applied) await this.#write({ refused: { version: applied.version, problems } })
  }

  /** As if they had never been offered. */
  forgetTrial(): Promise<void> {
    const { trying: _trying, ...state } = this.#state
    return this.#write(state)
  }

  async #write(state: State): Promise<void> {
    this.#state = state
    await writeDurably(this.#folder, NAME, Buffer.from(JSON.stringify(state)))
  }
}
