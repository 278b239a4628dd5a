/**
 * Answers what the hub asks about recordings: which times are held, pictures of a span, a clip of it. Each ask has an
 * id by which it is stopped. Bounds: `MAX_PLAYS` at once, one clip at a time and `MAX_CLIPS` waiting; more are refused.
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { HistoryAsk, HistoryCommand, HistoryRefusal } from '@patrolhub/protocol'
import { MAX_STRETCHES } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { HubAccess } from '../hub-http.ts'
import type { CameraRing } from '../recording/camera-ring.ts'
import { stretchesOf, timeSegments } from '../recording/stretches.ts'
import { type AnswerTo, answerFile, answerJson, answerTags } from './answer.ts'
import { cutHistory } from './cut-history.ts'
import { readHistory, UnplayableError } from './playback.ts'

const MAX_PLAYS = 16
const MAX_CLIPS = 16

export interface HistoryOptions extends HubAccess {
  dataDir: string
  ringOf: (cameraId: string) => CameraRing | undefined
  log: Logger
}

/** Says why there is nothing to answer with. */
class Refused extends Error {
  readonly why: HistoryRefusal['refused']

  constructor(why: HistoryRefusal['refused'], message: string) {
    super(message)
    this.why = why
  }
}

interface Work {
  ask: HistoryAsk
  stopping: AbortController
  done: Promise<void>
}

export class History {
  readonly #options: HistoryOptions
  readonly #log: Logger
  readonly #folder: string
  readonly #works = new Map<string, Work>()
  #cutting: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: HistoryOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'history' })
    this.#folder = join(options.dataDir, 'history')
  }

  /** Asks that are being answered now. */
  get active(): number {
    return this.#works.size
  }

  /** Removes clips that an earlier run left. */
  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    for (const name of await readdir(this.#folder)) await rm(join(this.#folder, name), { force: true })
  }

  /** Returns at once. A repeated ask changes nothing. */
  handle(command: HistoryCommand): void {
    if (this.#isClosed) return
    if (command.action === 'stop') {
      this.#works.get(command.askId)?.stopping.abort()
      return
    }
    if (this.#works.has(command.askId)) return
    const stopping = new AbortController()
    const work: Work = { ask: command, stopping, done: Promise.resolve() }
    this.#works.set(command.askId, work)
    work.done = this.#answer(command, stopping.signal).finally(() => this.#works.delete(command.askId))
  }

  /** Ends every answer. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    const works = [...this.#works.values()]
    for (const { stopping } of works) stopping.abort()
    await Promise.all(works.map(({ done }) => done))
  }

  /** Never rejects: what fails is told to the hub, or to the log. */
  async #answer(ask: HistoryAsk, signal: AbortSignal): Promise<void> {
    const to: AnswerTo = { hub: this.#options, path: ask.answerPath, signal }
    const about = { deviceId: ask.cameraId, askId: ask.askId, action: ask.action }
    try {
      await this.#tryAnswer(ask, to)
      this.#log.info(about, 'history was given')
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Refused)) {
        this.#log.warn({ err: error, ...about }, 'history could not be given')
        return
      }
      this.#log.info({ ...about, why: error.message }, 'history was refused')
      await answerJson(to, { refused: error.why, message: error.message }).catch((err: unknown) =>
        this.#log.warn({ err, ...about }, 'the hub could not be told'),
      )
    }
  }

  async #tryAnswer(ask: HistoryAsk, to: AnswerTo): Promise<void> {
    const ring = this.#options.ringOf(ask.cameraId)
    if (!ring) throw new Refused('not-recorded', 'this camera is not recorded at the edge')
    const others = [...this.#works.values()].filter((work) => work.ask.action === ask.action).length
    if (others > (ask.action === 'clip' ? MAX_CLIPS : MAX_PLAYS)) {
      throw new Refused('busy', 'the edge gives as much history as it can already')
    }
    switch (ask.action) {
      case 'list': {
        const stretches = stretchesOf(await timeSegments(await ring.held()), ask)
        return answerJson(to, { stretches: stretches.slice(-MAX_STRETCHES) })
      }
      case 'play':
        return this.#play(ring, ask, to)
      case 'clip':
        return this.#clip(ring, ask, to)
    }
  }

  async #play(ring: CameraRing, ask: HistoryAsk & { action: 'play' }, to: AnswerTo): Promise<void> {
    const tags = readHistory(ring, ask, ask.atMs, (segment, err) =>
      this.#log.warn({ err, deviceId: ask.cameraId, segment }, 'a recorded segment is damaged'),
    )
    try {
      const first = await tags.next().catch((error: Error) => {
        if (error instanceof UnplayableError) throw new Refused('format', error.message)
        throw error
      })
      if (first.done) throw nothing()
      await answerTags(to, first.value, tags, ask.speed)
    } finally {
      await tags.return(undefined)
    }
  }

  /** One at a time: it reads much, and the camera's pictures must not wait for it. */
  async #clip(ring: CameraRing, ask: HistoryAsk & { action: 'clip' }, to: AnswerTo): Promise<void> {
    const turn = this.#cutting
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#cutting = promise
    const file = join(this.#folder, `${ask.askId}.mp4`)
    try {
      await turn
      if (to.signal.aborted) return
      const fromMs = await cutHistory(ring, ask, file, to.signal).catch((error: Error) => {
        throw new Refused('failed', error.message.slice(0, 400))
      })
      if (fromMs === undefined) throw nothing()
      await answerFile(to, file, fromMs)
    } finally {
      resolve()
      await rm(file, { force: true })
    }
  }
}

function nothing(): Refused {
  return new Refused(
    'nothing',
    'nothing of that time is held: it was not recorded, or it has been overwritten',
  )
}
