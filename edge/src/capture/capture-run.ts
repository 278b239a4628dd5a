/**
 * One connection to a camera, from the start of its ffmpeg to its end. Frames and the compressed stream come out of
 * the callbacks; `ended` says why it is over. Nothing in here tries again: that is the supervisor's part.
 */
import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { CaptureCommandOptions } from './capture-command.ts'
import { captureCommand } from './capture-command.ts'
import { Diagnosis, NO_ANSWER, NOT_RTSP } from './diagnosis.ts'
import { type FfmpegProcess, INSTALL_FFMPEG, runFfmpeg } from './ffmpeg-process.ts'
import { FrameAssembler, FrameInfoReader, type RawFrame } from './frame-assembler.ts'
import { makeSocketFolder } from './socket-folder.ts'

export interface CaptureRunOptions extends Omit<CaptureCommandOptions, 'frames' | 'socketPath'> {
  /** Without it ffmpeg decodes nothing. */
  onFrame: ((frame: RawFrame) => void) | undefined
  /** The codec of the camera's video as ffmpeg names it, as soon as it is known. */
  onCodec?: (codec: string) => void
  /** Bytes of the compressed stream, with the wall clock of their arrival. May throw: that ends the run. */
  onCompressed: (chunk: Buffer, arrivedAtMs: number) => void
}

export interface CaptureRunEnd {
  why: string
  /** The last lines of ffmpeg, for the log; free of credentials. */
  lines: string[]
  codec: string
  /** The first picture had no time that could be written: the next try has to leave it out. */
  isFirstTimeMissing: boolean
}

export class CaptureRun {
  readonly #options: CaptureRunOptions
  readonly #diagnosis = new Diagnosis()
  #server: Server | undefined
  #socket: Socket | undefined
  #folder: string | undefined
  #process: FfmpegProcess | undefined
  #stopReason: string | undefined
  #isClosing = false
  #startedMs = 0

  constructor(options: CaptureRunOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  get decodeErrors(): number {
    return this.#diagnosis.decodeErrors
  }

  /** Runs until the stream ends, fails or is stopped; never rejects for anything that the camera does. */
  async run(): Promise<CaptureRunEnd> {
    try {
      const socketPath = this.#options.container === 'none' ? '' : await this.#listen()
      if (this.#isClosing) return this.#end(null)
      const { format, onFrame } = this.#options
      const assembler = onFrame && new FrameAssembler(format.widthPx * format.heightPx * 3, onFrame)
      const infos = new FrameInfoReader()
      assembler?.on('error', (error) => this.stop(error.message))
      this.#startedMs = performance.now()
      this.#process = runFfmpeg(captureCommand({ ...this.#options, frames: assembler, socketPath }), (line) =>
        this.#readLine(line, infos, assembler),
      )
      const end = await this.#process.ended
      if (end.failedToRun) {
        const why = `ffmpeg cannot be run (${end.failedToRun}): ${INSTALL_FFMPEG}`
        return { ...this.#end(null), why: this.#stopReason ?? why }
      }
      return this.#end(end.exitCode)
    } finally {
      await this.#release()
    }
  }

  /** Ends the run; `why` becomes the reason unless an earlier stop gave one. Resolves when ffmpeg is gone. */
  async stop(why: string): Promise<void> {
    this.#stopReason ??= why
    this.#isClosing = true
    await this.#process?.stop()
  }

  #end(exitCode: number | null): CaptureRunEnd {
    return {
      why: this.#stopReason ?? this.#explain(exitCode),
      lines: this.#diagnosis.lines(),
      codec: this.#diagnosis.codec,
      isFirstTimeMissing: this.#diagnosis.isFirstTimeMissing,
    }
  }

  #explain(exitCode: number | null): string {
    const why = this.#diagnosis.why(exitCode)
    const ranMs = performance.now() - this.#startedMs
    return why === NOT_RTSP && ranMs >= this.#options.ioTimeoutMs ? NO_ANSWER : why
  }

  #readLine(line: string, infos: FrameInfoReader, assembler: FrameAssembler | undefined): void {
    if (!assembler || !line.includes('showinfo')) {
      const { codec } = this.#diagnosis
      this.#diagnosis.add(line)
      if (this.#diagnosis.codec !== codec) this.#options.onCodec?.(this.#diagnosis.codec)
      return
    }
    const info = infos.read(line)
    if (!info) return
    try {
      assembler.announce(info)
    } catch (error) {
      void this.stop((error as Error).message)
    }
  }

  /** A socket that only this user can reach; its name goes away as soon as ffmpeg has connected. */
  async #listen(): Promise<string> {
    this.#folder = await makeSocketFolder()
    const path = join(this.#folder, 'stream')
    const server = createServer((socket) => {
      server.close()
      void this.#removeFolder()
      this.#socket = socket
      // The end of the process says why; an error of its socket adds nothing.
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => {
        try {
          this.#options.onCompressed(chunk, Date.now())
        } catch (error) {
          void this.stop((error as Error).message)
        }
      })
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    return path
  }

  async #release(): Promise<void> {
    this.#socket?.destroy()
    this.#server?.close()
    await this.#removeFolder()
  }

  async #removeFolder(): Promise<void> {
    const folder = this.#folder
    this.#folder = undefined
    if (folder) await rm(folder, { recursive: true, force: true })
  }
}
