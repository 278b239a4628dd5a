/**
 * One player's way through recorded history: asks the edge, and hands on what comes, kept inside the span of the grant
 * and no faster than the player takes it. When the player is held up, the edge is; nothing is left out. Memory: what a
 * player may have waiting, and one piece of the connection.
 */

import type { HistorySpeed } from '@patrolhub/protocol'
import { FlvError, FlvReader, type FlvTag, readVideoPacket, setTimestamp } from '@patrolhub/protocol/flv'
import { HubError } from '../errors.ts'
import type { StreamPlayer } from './camera-stream.ts'
import { type Asked, type EdgeAnswer, type EdgeAsks, JSON_TYPE, jsonOf } from './edge-asks.ts'
import { HistoryClock } from './history-clock.ts'
import type { StreamLimits } from './limits.ts'
import { PictureCache } from './picture-cache.ts'
import type { WhyClosed } from './streams.ts'
import { encodeTimeMark } from './time-mark.ts'

/** How often a player that is held up, or that has everything, is looked at. */
const POLL_MS = 40
const CONTAINS = { audio: false, video: true } as const

export interface HistoryStreamOptions {
  asked: Asked
  /** Where it begins, wall clock. */
  atMs: number
  speed: HistorySpeed
  asks: Pick<EdgeAsks, 'ask'>
  limits: StreamLimits
}

export class HistoryStream {
  readonly #options: HistoryStreamOptions
  readonly #clock: HistoryClock
  readonly #cache: PictureCache
  readonly #over = Promise.withResolvers<void>()
  #place: StreamPlayer | undefined
  #stopAsking: (() => void) | undefined
  #answer: EdgeAnswer | undefined
  #firstAtMs: number | undefined
  #isOver = false
  #isEnding = false

  constructor(options: HistoryStreamOptions) {
    this.#options = options
    this.#clock = new HistoryClock(options.asked.span)
    this.#cache = new PictureCache({ maxBytes: options.limits.maxCacheBytes })
    // Nobody waits for it when the edge has not answered yet.
    this.#over.promise.catch(() => undefined)
  }

  /** Wall clock of the first and the newest picture that were shown; `undefined` if none was. */
  get shown(): { fromMs: number; toMs: number } | undefined {
    const { atMs } = this.#clock
    return this.#firstAtMs === undefined || atMs === undefined
      ? undefined
      : { fromMs: this.#firstAtMs, toMs: atMs }
  }

  /** Once. */
  attach(place: StreamPlayer): void {
    this.#place = place
    const { asks, asked, atMs, speed } = this.#options
    this.#stopAsking = asks.ask(asked, { action: 'play', atMs, speed }, (answer) => this.#take(answer))
  }

  /** The player is gone: the edge is told to stop. Idempotent. */
  detach(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#place = undefined
    this.#stopAsking?.()
    this.#answer?.body.resume()
    this.#over.reject(new HubError('HUB_STREAM_NOT_WANTED', 'nobody watches this history any more'))
  }

  /** Gives up a player that waited for its first picture for too long. `nowMs`: monotonic. */
  look(nowMs: number): void {
    this.#place?.player.check(nowMs)
  }

  /** Resolves when the edge has given everything; rejects with what it is to be told. */
  async #take(answer: EdgeAnswer): Promise<void> {
    if (this.#isOver) throw new HubError('HUB_STREAM_NOT_WANTED', 'nobody watches this history any more')
    this.#answer = answer
    if (answer.type === JSON_TYPE) {
      await jsonOf(answer).catch((error: Error) => this.#refused(error))
      this.#giveUp('no stream')
      return
    }
    const reader = new FlvReader({ maxTagBytes: this.#options.limits.maxTagBytes })
    const { body } = answer
    body.on('data', (chunk: Buffer) => {
      if (this.#isOver) return
      try {
        for (const tag of reader.push(chunk)) this.#show(tag)
      } catch (error) {
        if (!(error instanceof FlvError)) throw error
        this.#over.reject(new HubError('HUB_STREAM_FORMAT', error.message, { cause: error }))
        this.#giveUp('stream lost')
      }
      if (this.#isFull()) void this.#holdUp()
    })
    body.once('end', () => void this.#end())
    body.once('error', () => this.#giveUp('stream lost'))
    body.once('close', () => {
      if (!body.readableEnded) this.#giveUp('stream lost')
    })
    await this.#over.promise
  }

  #show(tag: FlvTag): void {
    const player = this.#place?.player
    if (!player || tag.kind !== 'video') return
    const packet = readVideoPacket(tag)
    if (packet.role === 'other') return
    if (packet.role === 'sequence-header') {
      this.#cache.keepHeader(tag)
      if (!player.hasBegun) return
      const [header] = this.#cache.headers(this.#clock.playerMs)
      player.deliverHeader(header!)
      return
    }
    const isKeyFrame = packet.role === 'key-frame'
    const placed = this.#clock.place(tag.timestampMs, packet.compositionMs, isKeyFrame)
    if (placed.kind === 'over') void this.#end()
    if (placed.kind !== 'show') return
    const { timestampMs, mark } = placed
    setTimestamp(tag, timestampMs)
    const headers = () => this.#cache.headers(timestampMs)
    if (!player.hasBegun) {
      this.#firstAtMs = this.#clock.atMs
      this.#cache.keep(tag, isKeyFrame)
      player.beginFrom(this.#cache, CONTAINS)
      if (mark) player.deliver(encodeTimeMark(mark).bytes, false, headers)
      return
    }
    if (mark) player.deliver(encodeTimeMark(mark).bytes, false, headers)
    player.deliver(tag.bytes, isKeyFrame, headers)
  }

  #isFull(): boolean {
    return (this.#place?.player.waitingBytes ?? 0) > this.#options.limits.maxWaitingBytes / 2
  }

  /** Reads no more until the player has caught up; one that takes nothing for too long is given up. */
  async #holdUp(): Promise<void> {
    const { body } = this.#answer!
    if (body.isPaused()) return
    body.pause()
    if (await this.#drained(this.#options.limits.maxWaitingBytes / 4)) body.resume()
  }

  /** Everything has come, or all of the span: the player gets what still waits, then an end in order. */
  async #end(): Promise<void> {
    if (this.#isOver || this.#isEnding) return
    this.#isEnding = true
    if (!this.#place?.player.hasBegun) return this.#giveUp('nothing recorded')
    if (await this.#drained(0)) this.#giveUp('history over')
  }

  /** True when no more than this many bytes wait; false when the player was given up meanwhile. */
  async #drained(bytes: number): Promise<boolean> {
    let least = Number.POSITIVE_INFINITY
    let sinceMs = performance.now()
    for (;;) {
      const waiting = this.#place?.player.waitingBytes
      if (waiting === undefined) return false
      if (waiting <= bytes) return true
      if (waiting < least) {
        least = waiting
        sinceMs = performance.now()
      }
      if (performance.now() - sinceMs > this.#options.limits.slowPlayerMs) {
        this.#giveUp('too slow')
        return false
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  #refused(error: Error): void {
    const code = error instanceof HubError ? error.code : 'HUB_STREAM_NONE'
    this.#giveUp(
      code === 'HUB_HISTORY_FORMAT'
        ? 'not playable'
        : code === 'HUB_HISTORY_NONE'
          ? 'nothing recorded'
          : 'no stream',
    )
  }

  #giveUp(why: WhyClosed): void {
    this.#over.resolve()
    this.#place?.giveUp(why)
  }
}
