/**
 * One player's way through a stream. It begins at the newest key frame. Drop policy `to-next-key-frame`: a player with
 * too many bytes unsent gets nothing until it has caught up and a key frame comes; if that takes too long it is given
 * up. So what the hub holds for a player is bounded by `maxWaitingBytes` and one tag (or the first group of pictures).
 */
import { encodeFlvHeader, type FlvContents } from '@patrolhub/protocol/flv'
import type { StreamLimits } from './limits.ts'
import type { PictureCache } from './picture-cache.ts'
import type { WhyClosed } from './streams.ts'

/** Where a player's bytes go: one HTTP answer. */
export interface PlayerSink {
  /** Called once, before the first byte. */
  begin(): void
  write(pieces: readonly Buffer[]): void
  /** Bytes written that the network has not taken yet. */
  readonly waitingBytes: number
  /** Ends the connection in order: what waits still goes out. */
  end(): void
  /** Ends the connection and throws away what waits, in the operating system too. */
  cut(): void
}

export interface PlayerOptions {
  sink: PlayerSink
  limits: Pick<StreamLimits, 'maxWaitingBytes' | 'slowPlayerMs' | 'startMs'>
  counters: { playersSkipped: number; tagsDropped: number }
  /** The stream cannot go on for this player. */
  onGiveUp(why: WhyClosed): void
  /** Called once, when the first picture has been written. */
  onBegun(): void
}

type Phase = 'waiting' | 'live' | 'skipping'

export class Player {
  readonly #options: PlayerOptions
  #phase: Phase = 'waiting'
  #phaseSinceMs = performance.now()
  #writtenBytes = 0
  /** What the beginning may exceed the bound by, until it has gone out. */
  #allowanceBytes = 0

  constructor(options: PlayerOptions) {
    this.#options = options
  }

  get hasBegun(): boolean {
    return this.#phase !== 'waiting'
  }

  /** Bytes that the network took. */
  get sentBytes(): number {
    return Math.max(0, this.#writtenBytes - this.#options.sink.waitingBytes)
  }

  get waitingBytes(): number {
    return this.#options.sink.waitingBytes
  }

  /** Starts it if a picture is there to start with. */
  beginFrom(cache: PictureCache, contains: FlvContents): void {
    if (this.#phase !== 'waiting' || !cache.isReady) return
    const pieces = [encodeFlvHeader(contains), ...cache.beginning()]
    this.#allowanceBytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    this.#options.sink.begin()
    this.#enter('live')
    this.#write(pieces)
    this.#options.onBegun()
  }

  /** The next tag; `headers` are what a decoder needs before a key frame. */
  deliver(bytes: Buffer, isKeyFrame: boolean, headers: () => Buffer[]): void {
    const { sink, limits, counters } = this.#options
    if (this.#phase === 'waiting') return
    const waitingBytes = sink.waitingBytes
    if (waitingBytes < limits.maxWaitingBytes) this.#allowanceBytes = 0
    if (this.#phase === 'live' && waitingBytes > limits.maxWaitingBytes + this.#allowanceBytes) {
      this.#enter('skipping')
      counters.playersSkipped += 1
    }
    if (this.#phase === 'skipping') {
      // Half empty, so that it does not skip again with the next picture.
      if (!isKeyFrame || waitingBytes > limits.maxWaitingBytes / 2) {
        counters.tagsDropped += 1
        return
      }
      this.#enter('live')
      this.#write([...headers(), bytes])
      return
    }
    this.#write([bytes])
  }

  /** A decoder header in the middle of the stream. */
  deliverHeader(bytes: Buffer): void {
    if (this.#phase === 'live') this.#write([bytes])
  }

  /** Gives up a player that waited or skipped for too long. `nowMs`: monotonic. */
  check(nowMs: number): void {
    const { limits, onGiveUp } = this.#options
    const forMs = nowMs - this.#phaseSinceMs
    if (this.#phase === 'waiting' && forMs > limits.startMs) onGiveUp('no stream')
    if (this.#phase === 'skipping' && forMs > limits.slowPlayerMs) onGiveUp('too slow')
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#phaseSinceMs = performance.now()
  }

  #write(pieces: readonly Buffer[]): void {
    for (const piece of pieces) this.#writtenBytes += piece.length
    this.#options.sink.write(pieces)
  }
}
