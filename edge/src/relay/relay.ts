/**
 * Sends a camera's compressed stream to the hub while somebody is allowed to watch it. The hub says for how long
 * (RelayCommand); a repeated start only moves the end. While it is wanted, a lost connection is made again with
 * growing, jittered pauses. At most one connection a camera and rendition: as the camera codes it, or as H.264.
 */
import type { RelayCommand, Rendition } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CameraCapture } from '../capture/camera-capture.ts'
import type { FlvFeed } from '../capture/flv-feed.ts'
import type { HubAccess } from '../hub-http.ts'
import { RelayTask } from './relay-task.ts'

type RelayStart = Extract<RelayCommand, { action: 'start' }>

function keyOf({ cameraId, rendition }: { cameraId: string; rendition: Rendition }): string {
  return rendition === 'source' ? cameraId : `${cameraId} ${rendition}`
}

export interface RelayOptions extends HubAccess {
  cameras: ReadonlyMap<string, Pick<CameraCapture, 'flv' | 'h264' | 'useH264'>>
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

  /** What is wanted now: the camera, and the rendition if it is not its own. */
  get active(): string[] {
    return [...this.#tasks.keys()]
  }

  handle(command: RelayCommand): void {
    if (this.#isClosed) return
    if (command.action === 'stop') {
      this.#tasks.get(keyOf(command))?.stop('the hub asked to stop')
      return
    }
    const { cameraId, rendition, publishPath, forSeconds } = command
    const camera = this.#options.cameras.get(cameraId)
    if (!camera) {
      this.#log.warn({ cameraId }, 'the hub wants a camera that this edge does not have')
      return
    }
    if (camera.flv.unavailable) {
      this.#log.warn({ cameraId, why: camera.flv.unavailable }, 'this camera cannot be relayed')
      return
    }
    const running = this.#tasks.get(keyOf(command))
    if (running?.extend(publishPath, forSeconds * 1000)) return
    running?.stop('the hub wants it at another place')
    const release = rendition === 'h264' ? camera.useH264() : undefined
    const task = this.#start(command, () => (rendition === 'h264' ? camera.h264 : camera.flv))
    void task.ended.then(() => release?.())
  }

  /** Ends every connection. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    const tasks = [...this.#tasks.values()]
    for (const task of tasks) task.stop('the edge is stopping')
    await Promise.all(tasks.map(({ ended }) => ended))
  }

  #start(command: RelayStart, feed: () => FlvFeed): RelayTask {
    const { cameraId, publishPath, forSeconds } = command
    const key = keyOf(command)
    const task = new RelayTask({
      hub: this.#options,
      feed,
      publishPath,
      forMs: forSeconds * 1000,
      log: this.#log.child({ deviceId: cameraId }),
      retryMinMs: this.#options.retryMinMs ?? 300,
      retryMaxMs: this.#options.retryMaxMs ?? 10_000,
      idleMs: this.#options.idleMs ?? 15_000,
    })
    this.#tasks.set(key, task)
    task.start()
    void task.ended.then(() => {
      if (this.#tasks.get(key) === task) this.#tasks.delete(key)
    })
    return task
  }
}
