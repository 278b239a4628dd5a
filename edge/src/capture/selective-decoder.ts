/**
 * Joins what is needed to decode only what is needed: coded pictures of a camera in, frames out, and in the quiet time
 * between them moments in which nothing moved. `NeededDecoding` chooses the pictures, `Decoder` decodes them,
 * `ChangeWatch` looks at what came out. One for each connection to a camera.
 */
import type { Logger } from 'pino'
import { ChangeWatch } from './change-watch.ts'
import type { CompressedClip, CompressedUnit } from './compressed.ts'
import { Decoder } from './decoder.ts'
import type { FrameFormat } from './frame.ts'
import type { RawFrame } from './frame-assembler.ts'
import { NeededDecoding } from './needed-decoding.ts'
import { PictureDifficulty } from './picture-difficulty.ts'

/** A key frame that has not been decoded by then says nothing about the moment any more. */
const KEY_WAIT_MS = 1000

export interface SelectiveDecoderOptions {
  format: FrameFormat
  analysisFps: number
  log: Logger
  /** `isStill`: it shows nothing that those before it did not. */
  onFrame: (frame: RawFrame, isStill: boolean) => void
  /** Stream clock: at this moment a frame would have come, if anything moved. */
  onStill: (streamMs: number) => void
  /** It cannot go on. */
  onFailure: (why: string) => void
}

export class SelectiveDecoder {
  readonly #options: SelectiveDecoderOptions
  readonly #needed: NeededDecoding
  readonly #watch = new ChangeWatch()
  readonly #difficulty = new PictureDifficulty()
  #decoder: Decoder | undefined
  #head: readonly Buffer[] | undefined
  /** Decoders whose end is waited for. */
  #ending: Promise<void> = Promise.resolve()
  #isEnded = false
  #why = ''
  #pendingKeyMs = Number.NEGATIVE_INFINITY
  #lastSlot = 0

  constructor(options: SelectiveDecoderOptions) {
    this.#options = options
    this.#needed = new NeededDecoding((unit) => {
      if (unit.isKeyFrame) this.#pendingKeyMs = unit.ptsMs
      this.#decoder?.push(unit)
    })
  }

  get pid(): number | undefined {
    return this.#decoder?.pid
  }

  get why(): string {
    return this.#needed.why
  }

  get keyIntervalMs(): number {
    return this.#needed.keyIntervalMs
  }

  get decodeErrors(): number {
    return this.#decoder?.decodeErrors ?? 0
  }

  get droppedPictures(): number {
    return this.#decoder?.droppedPictures ?? 0
  }

  keepAwake(): void {
    this.#needed.keepAwake()
  }

  /** The next coded picture; gives how many were decoded because of it. */
  take(unit: CompressedUnit, container: CompressedClip['container'], head: readonly Buffer[]): number {
    if (this.#isEnded) return 0
    if (head !== this.#head) {
      if (!unit.isKeyFrame) return 0
      this.#begin(container, head)
    }
    const before = this.#needed.counts.decoded
    this.#needed.take(unit, this.#difficulty.of(unit, container, head))
    if (this.#needed.isAwake) this.#tellWhy()
    else this.#beStill(unit.ptsMs)
    return this.#needed.counts.decoded - before
  }

  /** The stream has ended. */
  end(): void {
    this.#isEnded = true
    this.#stop()
  }

  /** Resolves when no process is left. Idempotent. */
  async close(): Promise<void> {
    this.end()
    await this.#ending
  }

  #begin(container: CompressedClip['container'], head: readonly Buffer[]): void {
    this.#stop()
    this.#head = head
    const { format, analysisFps, onFailure } = this.#options
    this.#decoder = new Decoder({
      container,
      head,
      format,
      analysisFps,
      onFrame: (frame) => this.#takeFrame(frame),
      onFailure,
    })
  }

  #stop(): void {
    const decoder = this.#decoder
    this.#decoder = undefined
    if (decoder) this.#ending = Promise.all([this.#ending, decoder.close()]).then(() => undefined)
  }

  #takeFrame(frame: RawFrame): void {
    if (this.#isEnded) return
    if (frame.streamMs >= this.#pendingKeyMs) this.#pendingKeyMs = Number.NEGATIVE_INFINITY
    const isChange = this.#watch.isChange(frame, this.#options.format.widthPx)
    this.#needed.look(isChange)
    this.#options.onFrame(frame, !isChange)
  }

  /** Not before the key frame has been seen that may show the opposite. */
  #beStill(ptsMs: number): void {
    const sinceKeyMs = ptsMs - this.#pendingKeyMs
    if (sinceKeyMs >= 0 && sinceKeyMs < KEY_WAIT_MS) return
    const slot = Math.floor((ptsMs * this.#options.analysisFps) / 1000)
    if (slot === this.#lastSlot) return
    this.#lastSlot = slot
    this.#options.onStill(ptsMs)
  }

  #tellWhy(): void {
    const { why } = this.#needed
    if ((why === '') === (this.#why === '')) return
    this.#why = why
    if (why) this.#options.log.info({ why }, 'every picture is decoded')
  }
}
