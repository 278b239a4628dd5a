/**
 * One camera's FLV stream and everybody who wants a copy. A new sink gets the file header, metadata, sequence header
 * and the current group of pictures, then live tags. Drop policy `to-next-key-frame`: a sink that holds more than
 * `maxSinkBytes` unsent loses tags until it has caught up and a key frame comes; the losses are counted. When the
 * camera's stream ends, so does every subscription: a new stream has new headers and begins at time zero.
 */
import type { Writable } from 'node:stream'
import {
  encodeFlvHeader,
  encodeFlvTag,
  FlvError,
  FlvReader,
  type FlvTag,
  MAX_FLV_TAG_BYTES,
  payloadOf,
  readTimestamp,
  readVideoPacket,
} from '@patrolhub/protocol/flv'
import { EdgeError } from '../errors.ts'
import type { CompressedClip, PictureSink } from './compressed.ts'
import { PictureCache } from './picture-cache.ts'
import { Unwrapper } from './unwrapper.ts'

const DEFAULT_SINK_BYTES = 2 * 1024 * 1024

export interface FlvSubscription {
  /** Tags that this sink missed because it did not keep up. */
  readonly droppedTags: number
  /** Stops; the sink is left open and belongs to the caller. Idempotent. */
  close(): void
}

interface Subscriber {
  sink: Writable
  onEnd: (why: string) => void
  phase: 'waiting' | 'live' | 'skipping'
  droppedTags: number
}

export interface FlvFeedOptions {
  maxSinkBytes?: number
  maxCacheBytes?: number
}

function newReader(): FlvReader {
  return new FlvReader({ maxTagBytes: MAX_FLV_TAG_BYTES })
}

export class FlvFeed {
  readonly #maxSinkBytes: number
  readonly #cache: PictureCache
  readonly #subscribers = new Set<Subscriber>()
  #reader = newReader()
  #time = new Unwrapper(2 ** 31)
  #metadata: FlvTag | undefined
  #sequenceHeader: FlvTag | undefined
  #unavailable = ''
  #sink: PictureSink | undefined
  #head: Buffer[] | undefined
  #droppedTags = 0

  constructor(options: FlvFeedOptions = {}) {
    this.#maxSinkBytes = options.maxSinkBytes ?? DEFAULT_SINK_BYTES
    this.#cache = new PictureCache(options.maxCacheBytes)
  }

  /** Why this camera can have no FLV at all (its codec); empty when it can. */
  get unavailable(): string {
    return this.#unavailable
  }

  /** True while a key frame is held, so that a new sink gets a picture at once. */
  get hasPicture(): boolean {
    return this.#cache.current.length > 0
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  /** Tags that slow sinks missed, all sinks together. */
  get droppedTags(): number {
    return this.#droppedTags
  }

  /**
   * Starts a copy into `sink`, which stays the caller's to end and to watch for errors. `onEnd` is called once if the
   * stream ends first. A sink that closes by itself is unsubscribed.
   */
  subscribe(sink: Writable, onEnd: (why: string) => void): FlvSubscription {
    const subscriber: Subscriber = { sink, onEnd, phase: 'waiting', droppedTags: 0 }
    const close = (): void => {
      this.#subscribers.delete(subscriber)
      sink.off('close', close)
    }
    sink.once('close', close)
    this.#subscribers.add(subscriber)
    if (this.#cache.current.length > 0) this.#begin(subscriber)
    return {
      get droppedTags() {
        return subscriber.droppedTags
      },
      close,
    }
  }

  /**
   * Takes the next bytes of the stream, cut anywhere. Gives the presentation times of the pictures that they complete,
   * in decoding order, ms on a clock that does not wrap. Throws EDGE_FLV_MALFORMED; then only `reset` helps.
   */
  push(chunk: Buffer): number[] {
    const times: number[] = []
    for (const tag of this.#read(chunk)) {
      const ptsMs = this.take(tag)
      if (ptsMs !== undefined) times.push(ptsMs)
    }
    return times
  }

  /** What is needed to decode the picture shown at `ptsMs`; `undefined` when it is not held any more. */
  clipUpTo(ptsMs: number): CompressedClip | undefined {
    const units = this.#cache.upTo(ptsMs)
    if (!units) return undefined
    return {
      container: 'flv',
      chunks: [...this.#headers(0), ...units.map((unit) => unit.bytes)],
      ptsMs: units.at(-1)!.ptsMs % 2 ** 31,
    }
  }

  /** Forgets the stream and ends every subscription. */
  reset(why: string): void {
    this.#sink?.end()
    this.#head = undefined
    this.#cache.clear()
    this.#reader = newReader()
    this.#metadata = undefined
    this.#sequenceHeader = undefined
    this.#time = new Unwrapper(2 ** 31)
    const ended = [...this.#subscribers]
    this.#subscribers.clear()
    for (const subscriber of ended) subscriber.onEnd(why)
  }

  /** Every picture from now on goes to the sink, too. */
  record(sink: PictureSink): void {
    this.#sink = sink
  }

  setUnavailable(why: string): void {
    this.#unavailable = why
  }

  #read(chunk: Buffer): FlvTag[] {
    try {
      return this.#reader.push(chunk)
    } catch (error) {
      if (!(error instanceof FlvError)) throw error
      throw new EdgeError('EDGE_FLV_MALFORMED', `the compressed stream is not FLV: ${error.message}`, {
        cause: error,
      })
    }
  }

  /** Takes the next tag; gives the presentation time of a picture, `undefined` for a tag that is no picture. */
  take(tag: FlvTag): number | undefined {
    if (tag.kind === 'script') {
      this.#metadata = tag
      this.#head = undefined
    }
    if (tag.kind !== 'video') return undefined
    const packet = readVideoPacket(tag)
    if (packet.role === 'other') return undefined
    if (packet.role === 'sequence-header') {
      this.#sequenceHeader = tag
      this.#head = undefined
      for (const subscriber of this.#subscribers)
        if (subscriber.phase === 'live') subscriber.sink.write(tag.bytes)
      return undefined
    }
    const isKeyFrame = packet.role === 'key-frame'
    const ptsMs = this.#time.next(tag.timestampMs & 0x7fffffff) + packet.compositionMs
    const unit = { ptsMs, isKeyFrame, bytes: tag.bytes }
    this.#cache.push(unit)
    this.#head ??= this.#headers(0)
    this.#sink?.take(unit, 'flv', this.#head)
    for (const subscriber of this.#subscribers) this.#deliver(subscriber, tag, isKeyFrame)
    return ptsMs
  }

  #headers(timestampMs: number): Buffer[] {
    const tags = [this.#metadata, this.#sequenceHeader].filter((tag) => tag !== undefined)
    return [
      encodeFlvHeader({ audio: false, video: true }),
      ...tags.map((tag) => {
        // Metadata at any other time than 0 is taken for subtitles by ffmpeg.
        return encodeFlvTag(tag.kind, tag.kind === 'script' ? 0 : timestampMs, payloadOf(tag)).bytes
      }),
    ]
  }

  /** The sequence header carries the time of the first picture, so that a player sees no jump from zero. */
  #begin(subscriber: Subscriber): void {
    const units = this.#cache.current
    for (const bytes of this.#headers(readTimestamp(units[0]!.bytes))) subscriber.sink.write(bytes)
    for (const unit of units) subscriber.sink.write(unit.bytes)
    subscriber.phase = 'live'
  }

  #deliver(subscriber: Subscriber, tag: FlvTag, isKeyFrame: boolean): void {
    const { sink } = subscriber
    if (sink.destroyed || sink.writableEnded) return
    if (subscriber.phase === 'waiting') {
      if (isKeyFrame && this.#cache.current.length > 0) this.#begin(subscriber)
      return
    }
    const hasRoom = sink.writableLength <= this.#maxSinkBytes
    if (subscriber.phase === 'live' && !hasRoom) subscriber.phase = 'skipping'
    if (subscriber.phase === 'skipping' && isKeyFrame && hasRoom) {
      subscriber.phase = 'live'
      if (this.#sequenceHeader) sink.write(this.#sequenceHeader.bytes)
    }
    if (subscriber.phase === 'skipping') {
      subscriber.droppedTags += 1
      this.#droppedTags += 1
      return
    }
    sink.write(tag.bytes)
  }
}
