/**
 * One camera that is watched: its players, its publisher, and asking the edge. All players share one publisher and one
 * play out of the media server. It is made for the first player and is over some seconds after the last one left.
 */
import type { Readable } from 'node:stream'
import type { RelayCommand, Rendition } from '@patrolhub/protocol'
import { type FlvTag, isAudioSequenceHeader, readVideoPacket, setTimestamp } from '@patrolhub/protocol/flv'
import type { Logger } from 'pino'
import { HubError } from '../errors.ts'
import type { StreamLimits } from './limits.ts'
import type { MediaServer } from './media-server.ts'
import { PictureCache } from './picture-cache.ts'
import type { Player } from './player.ts'
import { Publication } from './publication.ts'
import type { WhyClosed } from './streams.ts'
import { Timeline } from './timeline.ts'

export interface CameraStreamOptions {
  cameraId: string
  edgeId: string
  /** Two of one camera may live at once. */
  rendition: Rendition
  limits: StreamLimits
  media: Pick<MediaServer, 'newAddress'>
  sendRelay(edgeId: string, command: RelayCommand): void | Promise<void>
  log: Logger
}

export interface StreamPlayer {
  player: Player
  giveUp(why: WhyClosed): void
}

export class CameraStream {
  readonly #options: CameraStreamOptions
  readonly #log: Logger
  readonly #players = new Set<StreamPlayer>()
  readonly #cache: PictureCache
  readonly #timeline = new Timeline()
  #publication: Publication | undefined
  #contains = { audio: false, video: true }
  #isOver = false
  #idleSinceMs: number | undefined = performance.now()
  #lastTagMs = performance.now()
  #askedMs = Number.NEGATIVE_INFINITY

  constructor(options: CameraStreamOptions) {
    this.#options = options
    this.#log = options.log.child({ deviceId: options.cameraId, edgeId: options.edgeId })
    this.#cache = new PictureCache({ maxBytes: options.limits.maxCacheBytes })
  }

  get isPublished(): boolean {
    return this.#publication !== undefined
  }

  attach(player: StreamPlayer): void {
    this.#idleSinceMs = undefined
    this.#players.add(player)
    if (this.#publication) player.player.beginFrom(this.#cache, this.#contains)
    else this.#ask()
  }

  detach(player: StreamPlayer): void {
    if (!this.#players.delete(player)) return
    if (this.#players.size === 0) this.#idleSinceMs = performance.now()
  }

  /**
   * Takes a publisher and answers when it has ended in order or vanished. Throws what it is to be told:
   * HUB_STREAM_BUSY, HUB_STREAM_FORMAT, HUB_STREAM_NOT_WANTED, HUB_MEDIA.
   */
  async publish(source: Readable): Promise<void> {
    const { limits, media } = this.#options
    const running = this.#publication
    if (running && running.silentForMs(performance.now()) < limits.takeOverMs) {
      throw new HubError('HUB_STREAM_BUSY', `${this.#options.cameraId} is being published already`)
    }
    running?.stop(new HubError('HUB_STREAM_BUSY', 'a newer connection of the edge has taken over'))
    const publication = new Publication({
      source,
      maxTagBytes: limits.maxTagBytes,
      newAddress: () => media.newAddress(),
      onBegin: (contains) => {
        this.#contains = contains
        this.#cache.clear()
        this.#timeline.restart()
      },
      onTag: (tag) => {
        if (this.#publication === publication) this.#take(tag)
      },
    })
    this.#publication = publication
    this.#log.info('camera is being published')
    publication.start()
    const { why, error } = await publication.ended
    if (this.#publication === publication) {
      this.#publication = undefined
      // Asked for again at the next look, not at once: a publisher that is refused must not spin.
      this.#askedMs = performance.now()
    }
    this.#log.info({ why }, 'camera is no longer published')
    if (error) throw error
  }

  /** Looks at everything that time decides; false when the stream is over. `nowMs`: monotonic. */
  look(nowMs: number): boolean {
    const { limits } = this.#options
    if (this.#isOver) return false
    if (this.#idleSinceMs !== undefined && nowMs - this.#idleSinceMs > limits.lingerMs) {
      this.close('nobody watches this camera any more')
      return false
    }
    const publication = this.#publication
    if (publication && publication.silentForMs(nowMs) > limits.silentPublisherMs) {
      publication.stop(new HubError('HUB_STREAM_FORMAT', 'nothing came for too long: connect again'))
    }
    for (const { player, giveUp } of [...this.#players]) {
      player.check(nowMs)
      if (player.hasBegun && nowMs - this.#lastTagMs > limits.lostMs) giveUp('stream lost')
    }
    const everyMs = publication ? limits.relayRenewMs : limits.relayRepeatMs
    if (this.#players.size > 0 && nowMs - this.#askedMs >= everyMs) this.#ask()
    return true
  }

  /** Tells the edge to stop and ends its connection. Idempotent. */
  close(why: string): void {
    if (this.#isOver) return
    this.#isOver = true
    const { cameraId, rendition } = this.#options
    this.#send({ action: 'stop', cameraId, rendition })
    this.#publication?.stop(new HubError('HUB_STREAM_NOT_WANTED', why))
  }

  #ask(): void {
    const { cameraId, rendition, limits } = this.#options
    this.#askedMs = performance.now()
    this.#send({
      action: 'start',
      cameraId,
      rendition,
      publishPath: `/media/publish/${cameraId}${rendition === 'source' ? '' : `?rendition=${rendition}`}`,
      forSeconds: limits.relayAheadMs / 1000,
    })
  }

  #send(command: RelayCommand): void {
    const { edgeId, sendRelay } = this.#options
    // Not waited for: an edge that is away must not hold up a player, and it is told again.
    void (async () => {
      try {
        await sendRelay(edgeId, command)
      } catch (err) {
        this.#log.warn({ err, action: command.action }, 'the edge could not be told')
      }
    })()
  }

  #take(tag: FlvTag): void {
    this.#lastTagMs = performance.now()
    const role = tag.kind === 'video' ? readVideoPacket(tag).role : 'other'
    if (role === 'sequence-header' || (tag.kind === 'audio' && isAudioSequenceHeader(tag))) {
      setTimestamp(tag, this.#timeline.currentMs)
      this.#cache.keepHeader(tag)
      for (const { player } of this.#players) player.deliverHeader(tag.bytes)
      return
    }
    if (tag.kind === 'script' || (tag.kind === 'video' && role === 'other')) return
    setTimestamp(tag, this.#timeline.next(tag.timestampMs))
    const isKeyFrame = role === 'key-frame'
    this.#cache.keep(tag, isKeyFrame)
    const headers = () => this.#cache.headers(tag.timestampMs)
    for (const { player } of this.#players) {
      if (player.hasBegun) player.deliver(tag.bytes, isKeyFrame, headers)
      else player.beginFrom(this.#cache, this.#contains)
    }
  }
}
