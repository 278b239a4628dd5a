/**
 * Runs an ffmpeg that fluent-ffmpeg describes, and owns it: standard error is drained line by line, the end is
 * reported once and never throws, and none outlives this process on an ordinary exit. (After a SIGKILL of this
 * process ffmpeg ends by itself: every output that it writes to has lost its reader.)
 */
import type { ChildProcess } from 'node:child_process'
import type { FfmpegCommand } from 'fluent-ffmpeg'

const running = new Set<ChildProcess>()
let isGuarded = false

function own(child: ChildProcess): void {
  if (!isGuarded) {
    isGuarded = true
    process.on('exit', () => {
      for (const each of running) each.kill('SIGKILL')
    })
  }
  running.add(child)
  child.once('exit', () => running.delete(child))
}

export interface FfmpegEnd {
  /** Exit status; null if a signal ended it or it never ran. */
  exitCode: number | null
  /** Why it could not be run at all. */
  failedToRun?: string
}

export interface FfmpegProcess {
  readonly pid: number | undefined
  /** Settles once, after the last line of standard error; never rejects. */
  readonly ended: Promise<FfmpegEnd>
  /** Asks it to end, and makes it end if it has not after `graceMs`. Idempotent. */
  stop(graceMs?: number): Promise<void>
}

interface LinesRing {
  get(): string
}
type SpawnEnd = (error: Error | null | undefined, stdout?: LinesRing, stderr?: LinesRing) => void
type Spawn = (
  args: string[],
  options: object,
  onProcess: ((child: ChildProcess, stdout: LinesRing, stderr: LinesRing) => void) | SpawnEnd,
  onEnd?: SpawnEnd,
) => void

/**
 * `onLine` gets each line of standard error. The command must write its standard output to a stream.
 * fluent-ffmpeg 2.1 reads the output buffers in its end handler even when the process could not be spawned, which
 * throws from an event handler and would stop the whole edge: so its spawn function is given empty ones.
 */
export function runFfmpeg(command: FfmpegCommand, onLine: (line: string) => void): FfmpegProcess {
  let child: ChildProcess | undefined
  let isStopping = false
  const inner = command as unknown as { _spawnFfmpeg: Spawn }
  const spawn = inner._spawnFfmpeg
  const empty: LinesRing = { get: () => '' }
  inner._spawnFfmpeg = (args, options, onProcess, onEnd) => {
    // Without `onEnd` it only asks ffmpeg what it can do.
    if (!onEnd) return spawn.call(command, args, options, onProcess)
    if (isStopping) return onEnd(new Error('stopped before it was started'), empty, empty)
    spawn.call(
      command,
      args,
      options,
      (started: ChildProcess, stdout: LinesRing, stderr: LinesRing) => {
        child = started
        own(started)
        ;(onProcess as (...all: [ChildProcess, LinesRing, LinesRing]) => void)(started, stdout, stderr)
      },
      (error, stdout, stderr) => onEnd(error, stdout ?? empty, stderr ?? empty),
    )
  }

  const ended = new Promise<FfmpegEnd>((resolve) => {
    const settle = (error?: Error): void => {
      if (!child) resolve({ exitCode: null, failedToRun: error?.message ?? 'it did not start' })
      else if (child.exitCode !== null || child.signalCode !== null) resolve({ exitCode: child.exitCode })
      else child.once('exit', (exitCode) => resolve({ exitCode }))
    }
    command.on('stderr', onLine)
    command.on('end', () => settle())
    command.on('error', (error: Error) => settle(error))
  })
  command.run()

  return {
    get pid() {
      return child?.pid
    },
    ended,
    async stop(graceMs = 2000) {
      isStopping = true
      child?.kill('SIGTERM')
      const timer = setTimeout(() => child?.kill('SIGKILL'), graceMs)
      await ended
      clearTimeout(timer)
    },
  }
}
