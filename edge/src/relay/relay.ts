/**
 * Sends a camera's compressed stream to the hub while somebody is allowed to watch it. The hub says for how long
 * (RelayCommand); a repeated start only moves the end. While it is wanted, a lost connection is made again with
 * growing, jittered pauses. At most one connection a camera.
 */
import type { RelayCommand } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CameraCapture } from '../capture/camera-capture.ts'
import type { HubAccess } from '../hub-http.ts'
import { RelayTask } from './relay-task.ts'

export interface RelayOptions extends HubAccess {
  cameras: ReadonlyMap<string, Pick<CameraCapture, 'flv'>>
  log: Logger
  retryMinMs?: number
  retryMaxMs?: number
  idleMs?: number
}

export class Relay {
  readonly #options: RelayOptions
  readonly #log: Logger
  readonly #tasks = new Map<string, RelayTask>()
  #isClosed = false

  constructor(options: RelayOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'relay' })
  }

  /** Cameras that are wanted now. */
  get active(): string[] {
    return [...this.#tasks.keys()]
  }

  handle(command: RelayCommand): void {
    if (this.#isClosed) return
    if (command.action === 'stop') {
      this.#tasks.get(command.cameraId)?.stop('the hub asked to stop')
      return
    }
    const { cameraId, publishPath, forSeconds } = command
    const camera = this.#options.cameras.get(cameraId)
    if (!camera) {
      this.#log.warn({ cameraId }, 'the hub wants a camera that this edge does not have')
      return
    }
    if (camera.flv.unavailable) {
      this.#log.warn({ cameraId, why: camera.flv.unavailable }, 'this camera cannot be relayed')
      return
    }
    const running = this.#tasks.get(cameraId)
    if (running?.extend(publishPath, forSeconds * 1000)) return
    running?.stop('the hub wants it at another place')
    this.#start(cameraId, publishPath, forSeconds * 1000)
  }

  /** Ends every connection. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    const tasks = [...this.#tasks.values()]
    for (const task of tasks) task.stop('the edge is stopping')
    await Promise.all(tasks.map(({ ended }) => ended))
  }

  #start(cameraId: string, publishPath: string, forMs: number): void {
    const task = new RelayTask({
      hub: this.#options,
      feed: this.#options.cameras.get(cameraId)!.flv,
      publishPath,
      forMs,
      log: this.#log.child({ deviceId: cameraId }),
      retryMinMs: this.#options.retryMinMs ?? 300,
      retryMaxMs: this.#options.retryMaxMs ?? 10_000,
      idleMs: this.#options.idleMs ?? 15_000,
    })
    this.#tasks.set(cameraId, task)
    task.start()
    void task.ended.then(() => {
      if (this.#tasks.get(cameraId) === task) this.#tasks.delete(cameraId)
    })
  }
}
