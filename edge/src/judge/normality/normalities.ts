/**
 * The learned normality of all cameras that have a rule for it: one model, and a file a camera for what it has learned,
 * written now and then and at the end. A file that cannot be read is begun anew, and the log says so.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelRef } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CameraConfig } from '../../config.ts'
import type { LoadedModelInfo } from '../../detect/model-file.ts'
import { writeDurably } from '../../durable-file.ts'
import { Normality } from './normality.ts'
import { NormalityModel } from './normality-model.ts'
import { SceneMemory } from './scene-memory.ts'

const SAVE_EVERY_MS = 10 * 60_000

export interface LearnedScene {
  scene: Normality
  model: ModelRef
}

export class Normalities {
  readonly #folder: string
  readonly #log: Logger
  readonly #findModel: () => Promise<LoadedModelInfo>
  readonly #memories = new Map<string, SceneMemory>()
  #model: NormalityModel | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: { dataDir: string; log: Logger; findModel: () => Promise<LoadedModelInfo> }) {
    this.#folder = join(options.dataDir, 'normality')
    this.#log = options.log.child({ component: 'normality' })
    this.#findModel = options.findModel
  }

  /** `undefined` for a camera without the rule. Throws EdgeError if the model is missing or wrong. */
  async of({ cameraId, name, rules }: CameraConfig): Promise<LearnedScene | undefined> {
    const config = rules.find((rule) => rule.kind === 'unusual')
    if (!config) return undefined
    this.#model ??= await NormalityModel.open(await this.#findModel())
    this.#timer ??= setInterval(() => void this.#saveAll(), SAVE_EVERY_MS)
    const memory = this.#memories.get(cameraId) ?? (await this.#load(cameraId))
    this.#memories.set(cameraId, memory)
    const scene = new Normality({ config, cameraName: name, memory, model: this.#model })
    return { scene, model: this.#model.model }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#saveAll()
    await this.#model?.close()
    this.#model = undefined
  }

  async #load(cameraId: string): Promise<SceneMemory> {
    await mkdir(this.#folder, { recursive: true })
    const bytes = await readFile(join(this.#folder, cameraId)).catch(() => undefined)
    const memory = bytes && SceneMemory.decode(bytes)
    if (bytes && !memory)
      this.#log.error({ cameraId }, 'what this camera had learned is damaged: it begins anew')
    return memory ?? new SceneMemory()
  }

  async #saveAll(): Promise<void> {
    for (const [cameraId, memory] of this.#memories) {
      try {
        await writeDurably(this.#folder, cameraId, memory.encode())
      } catch (err) {
        this.#log.error({ err, cameraId }, 'what a camera has learned could not be kept')
      }
    }
  }
}
