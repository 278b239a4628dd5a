/**
 * A decoder that waits: one ffmpeg that gets coded pictures through its standard input, as many as are needed, and
 * gives analysis frames. It costs nothing while it waits. When this process ends in whatever way, its input ends, and
 * so does it. Drop policy `to-next-key-frame`: when more than `MAX_WAITING_BYTES` wait for it, pictures are left out
 * up to the next key frame, and counted.
 */
import { PassThrough } from 'node:stream'
import ffmpeg from 'fluent-ffmpeg'
import { analysisFilters, pixelFormat } from './capture-command.ts'
import type { CompressedClip, CompressedUnit } from './compressed.ts'
import { Diagnosis } from './diagnosis.ts'
import { type FfmpegProcess, runFfmpeg } from './ffmpeg-process.ts'
import type { FrameFormat } from './frame.ts'
import { FrameAssembler, FrameInfoReader, type RawFrame } from './frame-assembler.ts'
import { matroskaHead, matroskaPicture } from './matroska.ts'
import { Unwrapper } from './unwrapper.ts'

/** About five seconds of a camera with 8 Mbit/s. */
const MAX_WAITING_BYTES = 5 * 1024 * 1024
/** After so many ms the clock of FLV begins anew. */
const FLV_WRAPS_AFTER_MS = 2 ** 31

export interface DecoderOptions {
  container: CompressedClip['container']
  /** Stands before the first picture. */
  head: readonly Buffer[]
  format: FrameFormat
  analysisFps: number
  onFrame: (frame: RawFrame) => void
  /** Called once when it ends by itself: it cannot go on. */
  onFailure: (why: string) => void
}

export class Decoder {
  readonly #options: DecoderOptions
  readonly #input = new PassThrough({ highWaterMark: 256 * 1024 })
  readonly #diagnosis = new Diagnosis()
  readonly #process: FfmpegProcess
  readonly #time = new Unwrapper(FLV_WRAPS_AFTER_MS)
  #isSkipping = false
  #isClosed = false
  /** Pictures that it was too slow for. */
  droppedPictures = 0

  constructor(options: DecoderOptions) {
    this.#options = options
    const { container, format, head } = options
    const assembler = new FrameAssembler(format.widthPx * format.heightPx * 3, (frame) => {
      options.onFrame({ ...frame, streamMs: this.#time.next(frame.streamMs) })
    })
    const infos = new FrameInfoReader()
    assembler.on('error', (error) => this.#fail(error.message))
    this.#input.on('error', () => undefined)
    this.#process = runFfmpeg(this.#command(assembler), (line) => {
      try {
        const info = infos.read(line)
        if (info) assembler.announce(info)
        else if (!line.includes('showinfo')) this.#diagnosis.add(line)
      } catch (error) {
        this.#fail((error as Error).message)
      }
    })
    void this.#process.ended.then(({ exitCode, failedToRun }) => {
      this.#fail(failedToRun ?? this.#diagnosis.why(exitCode))
    })
    for (const bytes of container === 'flv' ? head : [matroskaHead()]) this.#input.write(bytes)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Lines about damaged pictures, since the start. */
  get decodeErrors(): number {
    return this.#diagnosis.decodeErrors
  }

  /** The next picture in decoding order; after a gap it has to be a key frame. */
  push(unit: CompressedUnit): void {
    if (this.#isClosed) return
    const hasRoom = this.#input.writableLength + this.#input.readableLength <= MAX_WAITING_BYTES
    if (!hasRoom) this.#isSkipping = true
    else if (unit.isKeyFrame) this.#isSkipping = false
    if (this.#isSkipping) this.droppedPictures += 1
    else this.#input.write(this.#options.container === 'flv' ? unit.bytes : matroskaPicture(unit))
  }

  /** Resolves when its ffmpeg is gone. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#input.end()
    await this.#process.stop()
  }

  #fail(why: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#input.end()
    void this.#process.stop()
    this.#options.onFailure(why)
  }

  #command(frames: FrameAssembler) {
    const { container, format, analysisFps } = this.#options
    return (
      ffmpeg({ stdoutLines: 40 })
        .input(this.#input)
        .inputOptions(['-hide_banner', '-nostdin', '-nostats', '-loglevel info'])
        .inputOptions([
          '-copyts',
          '-probesize 32',
          '-fpsprobesize 0',
          '-max_ts_probe 0',
          '-analyzeduration 10000000',
        ])
        .inputOptions(['-flags low_delay', '-threads 1'])
        // Deblocking is a sixth of the work, and what it smoothes is less than a pixel of an analysis frame.
        .inputOptions(['-skip_loop_filter all'])
        .inputFormat(container === 'flv' ? 'flv' : 'matroska')
        .output(frames)
        .outputOptions(['-fps_mode passthrough', '-threads 1', '-flush_packets 1', '-map', '0:v:0'])
        .outputOptions('-vf', analysisFilters(format, analysisFps))
        .outputOptions('-pix_fmt', pixelFormat(format))
        .format('rawvideo')
    )
  }
}
