/**
 * Plays one camera's FLV stream, by HTTP or where that brings no picture by WebSocket, into a video element, as close to the present as the network allows, and starts
 * again by itself when the stream breaks while the grant holds. Enters: a path and a video element. Leaves: states.
 * The mpegts.js worker stays off: it would be a blob script, which the hub's policy forbids.
 */
import Mpegts from 'mpegts.js'
import { LiveEdge } from './live-edge.ts'

export type PlayerState =
  | { kind: 'connecting' }
  | { kind: 'playing' }
  /** The picture stopped or the camera does not send; tried again by itself. */
  | { kind: 'waiting'; why: 'offline' | 'interrupted' }
  /** Not tried again: the hub does not let this grant through any more. */
  | { kind: 'refused' }
  /** The browser cannot play this stream. */
  | { kind: 'unsupported' }

interface FlvPlayerOptions {
  video: HTMLVideoElement
  playPath: string
  onState: (state: PlayerState) => void
}

const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 10_000
/** The hub waits for a camera's first picture and says so when none came; only then is it asked again. */
const FIRST_PICTURE_MS = 20_000
/** Without a new picture for this long the stream counts as broken, whatever the connection says. */
const STALL_MS = 12_000
/** A picture that has not moved for this long is not called live, though the hub may mend it by itself. */
const FROZEN_MS = 2_000
const CHECK_MS = 500
/** How often the distance to the newest picture is looked at. */
const EDGE_MS = 40
/** Answers after which asking again is of no use: no session, no grant any more, no such grant. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 404])

Mpegts.LoggingControl.applyConfig({ enableAll: false })

/** What the player cannot play, the edge converts. */
export function playsH265(): boolean {
  return MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L120.90"')
}

/** Where the stream is, by HTTP or by WebSocket, and whether H.265 may come. */
function addressOf(playPath: string, way: 'http' | 'ws', asksH265: boolean): string {
  const address = new URL(playPath, location.href)
  if (asksH265) address.searchParams.set('h265', 'true')
  if (way === 'ws') address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
  return address.href
}

export class FlvPlayer {
  readonly #options: FlvPlayerOptions
  #player: Mpegts.Player | undefined
  #retryMs = RETRY_MIN_MS
  #retry: ReturnType<typeof setTimeout> | undefined
  #watch: ReturnType<typeof setInterval> | undefined
  #edgeTimer: ReturnType<typeof setInterval> | undefined
  #isClosed = false
  /** Since it was started last. */
  #hasPlayed = false
  /** Something between here and the hub may hold an endless answer back; a WebSocket it lets through. */
  #way: 'http' | 'ws' = 'http'
  #asksH265 = playsH265()

  constructor(options: FlvPlayerOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#isClosed) return
    if (!Mpegts.isSupported()) {
      this.#options.onState({ kind: 'unsupported' })
      return
    }
    this.#options.onState({ kind: 'connecting' })
    const { video, playPath } = this.#options
    const player = Mpegts.createPlayer(
      // The stream's header claims sound whether there is any or not; waiting for it would mean waiting for ever.
      {
        type: 'flv',
        isLive: true,
        hasAudio: false,
        hasVideo: true,
        url: addressOf(playPath, this.#way, this.#asksH265),
      },
      {
        enableWorker: false,
        enableStashBuffer: false,
        lazyLoad: false,
        autoCleanupSourceBuffer: true,
        autoCleanupMaxBackwardDuration: 30,
        autoCleanupMinBackwardDuration: 10,
      },
    )
    this.#player = player
    player.on(Mpegts.Events.ERROR, (type: string, detail: string, info: { code?: number } | undefined) => {
      // A browser may say that it plays H.265 and still fail at what a camera makes of it.
      if (type === Mpegts.ErrorTypes.MEDIA_ERROR && !this.#hasPlayed) this.#asksH265 = false
      this.#failed(detail, info?.code)
    })
    player.on(Mpegts.Events.LOADING_COMPLETE, () => this.#again('interrupted'))
    player.attachMediaElement(video)
    player.load()
    // A muted video may start by itself; where even that is refused, the controls are there.
    void Promise.resolve(player.play()).catch(() => {})
    this.#watchPicture(video)
    this.#followEdge(video)
  }

  close(): void {
    this.#isClosed = true
    this.#release()
  }

  /** Stays near the newest picture. */
  #followEdge(video: HTMLVideoElement): void {
    const edge = new LiveEdge()
    const look = () => {
      const { buffered } = video
      if (buffered.length === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return
      const endS = buffered.end(buffered.length - 1)
      const { rate, jumpToReserveS } = edge.look(performance.now(), endS - video.currentTime)
      if (jumpToReserveS !== undefined) video.currentTime = endS - jumpToReserveS
      if (video.playbackRate !== rate) video.playbackRate = rate
    }
    video.onwaiting = () => {
      // A jump waits for its picture, too.
      if (this.#hasPlayed && !video.seeking) edge.ranDry(performance.now())
    }
    this.#edgeTimer = setInterval(look, EDGE_MS)
  }

  /** Tells `playing` once pictures advance, and starts again when they stop. */
  #watchPicture(video: HTMLVideoElement): void {
    let lastTime = -1
    let lastMoveMs = performance.now()
    this.#hasPlayed = false
    let isMoving = false
    const look = () => {
      if (video.currentTime > lastTime && video.videoWidth > 0 && video.readyState >= 2) {
        if (lastTime >= 0 && !isMoving) {
          this.#hasPlayed = true
          isMoving = true
          this.#retryMs = RETRY_MIN_MS
          this.#options.onState({ kind: 'playing' })
        }
        lastTime = video.currentTime
        lastMoveMs = performance.now()
        return
      }
      // A page that nobody sees may be held still by the browser.
      if (document.hidden) return
      const stillMs = performance.now() - lastMoveMs
      if (isMoving && stillMs > FROZEN_MS) {
        isMoving = false
        this.#options.onState({ kind: 'waiting', why: 'interrupted' })
      }
      if (stillMs > (this.#hasPlayed ? STALL_MS : FIRST_PICTURE_MS))
        this.#again(this.#hasPlayed ? 'interrupted' : 'offline')
    }
    video.ontimeupdate = look
    this.#watch = setInterval(look, CHECK_MS)
  }

  #failed(detail: string, status: number | undefined): void {
    const isStatus = detail === Mpegts.ErrorDetails.NETWORK_STATUS_CODE_INVALID
    if (isStatus && status !== undefined && REFUSALS.has(status)) {
      this.#release()
      this.#options.onState({ kind: 'refused' })
      return
    }
    this.#again(isStatus ? 'offline' : 'interrupted', isStatus)
  }

  /** `isAnswered`: the hub itself said that there is no picture. */
  #again(why: 'offline' | 'interrupted', isAnswered = false): void {
    if (this.#isClosed || this.#retry !== undefined) return
    this.#release()
    // A refused WebSocket does not say why: the answer to the next request does.
    if (!this.#hasPlayed && (this.#way === 'ws' || !isAnswered)) {
      this.#way = this.#way === 'http' ? 'ws' : 'http'
    }
    this.#options.onState({ kind: 'waiting', why })
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.start()
    }, this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }

  #release(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    clearInterval(this.#watch)
    this.#watch = undefined
    clearInterval(this.#edgeTimer)
    this.#edgeTimer = undefined
    this.#options.video.ontimeupdate = null
    this.#options.video.onwaiting = null
    this.#player?.destroy()
    this.#player = undefined
  }
}
