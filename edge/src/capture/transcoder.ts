/**
 * H.265 of one camera as H.264, for players that cannot play it: one ffmpeg for all of them, started for the first and
 * ended after the last. It begins with the current group of pictures, so that there is something to see at once. Drop
 * policy `to-next-key-frame`: when more than `MAX_WAITING_BYTES` wait for it, pictures are left out up to the next key
 * frame, and counted. Its end, for whatever reason, ends the stream of the feed; with the next key frame it is tried again.
 */
import { PassThrough } from 'node:stream'
import ffmpeg from 'fluent-ffmpeg'
import type { Logger } from 'pino'
import { H264_CODING } from './capture-command.ts'
import type { CompressedUnit } from './compressed.ts'
import { Diagnosis } from './diagnosis.ts'
import { type FfmpegProcess, runFfmpeg } from './ffmpeg-process.ts'
import { FlvFeed } from './flv-feed.ts'
import { matroskaHead, matroskaPicture } from './matroska.ts'

/** About five seconds of a camera with 8 Mbit/s. */
const MAX_WAITING_BYTES = 5 * 1024 * 1024
/** One that failed is not started again before. */
const RETRY_MS = 5000

interface Running {
  process: FfmpegProcess
  input: PassThrough
  isSkipping: boolean
}

export class Transcoder {
  readonly feed = new FlvFeed()
  readonly #log: Logger
  #running: Running | undefined
  #ending: Promise<void> = Promise.resolve()
  #users = 0
  #notBeforeMs = 0
  /** Pictures that it was too slow for. */
  droppedPictures = 0

  constructor(options: { log: Logger }) {
    this.#log = options.log.child({ component: 'transcoder' })
  }

  /** The ffmpeg that works now. */
  get pid(): number | undefined {
    return this.#running?.process.pid
  }

  /** Wants the feed until the answer is called. `group`: what has come since the newest key frame, with it. */
  use(group: readonly CompressedUnit[]): () => void {
    this.#users += 1
    if (!this.#running) for (const unit of group) this.take(unit)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#users -= 1
      if (this.#users === 0) this.#stop('nobody wants it any more')
    }
  }

  /** The next picture in decoding order. */
  take(unit: CompressedUnit): void {
    if (this.#users === 0) return
    if (!this.#running && unit.isKeyFrame && performance.now() >= this.#notBeforeMs) this.#start()
    const running = this.#running
    if (!running) return
    const { input } = running
    if (input.writableLength + input.readableLength > MAX_WAITING_BYTES) running.isSkipping = true
    else if (unit.isKeyFrame) running.isSkipping = false
    if (running.isSkipping) this.droppedPictures += 1
    else input.write(matroskaPicture(unit))
  }

  /** The camera's stream has ended. */
  end(why: string): void {
    this.#stop(why)
  }

  /** Resolves when no process is left. Idempotent. */
  async close(why: string): Promise<void> {
    this.#users = 0
    this.#stop(why)
    await this.#ending
  }

  #start(): void {
    const input = new PassThrough({ highWaterMark: 256 * 1024 })
    input.on('error', () => undefined)
    const output = new PassThrough()
    const diagnosis = new Diagnosis()
    const process = runFfmpeg(transcodeCommand(input, output), (line) => diagnosis.add(line))
    const running: Running = { process, input, isSkipping: false }
    this.#running = running
    output.on('data', (chunk: Buffer) => {
      if (this.#running !== running) return
      try {
        this.feed.push(chunk)
      } catch (error) {
        this.#failed(running, (error as Error).message)
      }
    })
    void process.ended.then(({ exitCode, failedToRun }) => {
      this.#failed(running, failedToRun ?? diagnosis.why(exitCode))
    })
    input.write(matroskaHead())
    this.#log.info('H.265 is converted to H.264 for those who cannot play it')
  }

  #failed(running: Running, why: string): void {
    if (this.#running !== running) return
    this.#log.warn({ why }, 'the conversion ended; it is tried again')
    this.#notBeforeMs = performance.now() + RETRY_MS
    this.#stop(`the conversion ended: ${why}`)
  }

  #stop(why: string): void {
    const running = this.#running
    this.#running = undefined
    if (running) {
      running.input.end()
      this.#ending = Promise.all([this.#ending, running.process.stop()]).then(() => undefined)
    }
    this.feed.reset(why)
  }
}

function transcodeCommand(input: PassThrough, output: PassThrough) {
  return ffmpeg({ stdoutLines: 40 })
    .input(input)
    .inputOptions(['-hide_banner', '-nostdin', '-nostats', '-loglevel info'])
    .inputOptions(['-probesize 32', '-fpsprobesize 0', '-max_ts_probe 0', '-analyzeduration 10000000'])
    .inputOptions(['-flags low_delay', '-threads 1'])
    .inputFormat('matroska')
    .output(output)
    .outputOptions(['-map', '0:v:0', '-pix_fmt', 'yuv420p', ...H264_CODING])
    .outputOptions(['-flush_packets 1', '-flvflags no_duration_filesize'])
    .format('flv')
}
