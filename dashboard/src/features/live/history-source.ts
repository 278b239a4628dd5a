/**
 * Plays recorded history from one position on into a video element, until it ends, breaks or is closed. Another
 * position is another one of these. Enters: a path and a video element. Leaves: states, and the time at which the
 * picture that is shown was taken, which the hub tells by script tags.
 */
import Mpegts from 'mpegts.js'
import { pictureTime, type TimeMark } from './history-span.ts'

export type HistoryState =
  | { kind: 'loading' }
  | { kind: 'playing' }
  /** The end of the span, or of what is recorded of it. */
  | { kind: 'over' }
  /** `nothing` recorded then; `format` the browser is not given; `away` the edge or the network; `refused` by the hub. */
  | { kind: 'failed'; why: 'nothing' | 'format' | 'away' | 'refused' | 'unsupported' }

interface HistorySourceOptions {
  video: HTMLVideoElement
  path: string
  speed: number
  onState: (state: HistoryState) => void
  onTime: (atMs: number) => void
}

const WHY: Readonly<Record<number, (HistoryState & { kind: 'failed' })['why']>> = {
  401: 'refused',
  403: 'refused',
  404: 'nothing',
  415: 'format',
}

export class HistorySource {
  readonly #options: HistorySourceOptions
  readonly #marks: TimeMark[] = []
  #player: Mpegts.Player | undefined
  #isClosed = false

  constructor(options: HistorySourceOptions) {
    this.#options = options
  }

  start(): void {
    const { video, path, speed, onState } = this.#options
    if (!Mpegts.isSupported()) {
      onState({ kind: 'failed', why: 'unsupported' })
      return
    }
    onState({ kind: 'loading' })
    const player = Mpegts.createPlayer(
      { type: 'flv', isLive: true, hasAudio: false, hasVideo: true, url: new URL(path, location.href).href },
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
    player.on(Mpegts.Events.ERROR, (_type: string, detail: string, info: { code?: number } | undefined) => {
      const isStatus = detail === Mpegts.ErrorDetails.NETWORK_STATUS_CODE_INVALID
      this.#end({ kind: 'failed', why: (isStatus && WHY[info?.code ?? 0]) || 'away' })
    })
    player.on(Mpegts.Events.SCRIPTDATA_ARRIVED, (data: { onPatrolhubTime?: TimeMark }) => {
      if (data.onPatrolhubTime) this.#marks.push(data.onPatrolhubTime)
    })
    player.attachMediaElement(video)
    video.onplaying = () => onState({ kind: 'playing' })
    // What has come is still shown when everything has come.
    video.onended = () => this.#end({ kind: 'over' })
    video.ontimeupdate = () => {
      const atMs = pictureTime(this.#marks, video.currentTime * 1000)
      if (atMs !== undefined && video.currentTime > 0) this.#options.onTime(atMs)
    }
    player.load()
    video.playbackRate = speed
    // A muted video may start by itself.
    void Promise.resolve(player.play()).catch(() => {})
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { video } = this.#options
    video.onplaying = null
    video.onended = null
    video.ontimeupdate = null
    this.#player?.destroy()
  }

  #end(state: HistoryState): void {
    if (this.#isClosed) return
    this.#options.onState(state)
  }
}
