/**
 * Runs an ffmpeg that fluent-ffmpeg describes, and owns it: standard error is drained line by line, the end is
 * reported once and never throws, and none outlives this process on an ordinary exit. (After a SIGKILL of this
 * process ffmpeg ends by itself: every output that it writes to has lost its reader.)
 */
import type { ChildProcess } from 'node:child_process'
import ffmpeg, { type FfmpegCommand } from 'fluent-ffmpeg'
import { EdgeError } from '../errors.ts'

const running = new Set<ChildProcess>()
let isGuarded = false

function own(child: ChildProcess): void {
  if (!isGuarded) {
    isGuarded = true
    process.on('exit', killFfmpegs)
  }
  if (child.pid === undefined) return
  running.add(child)
  child.once('exit', () => running.delete(child))
}

/** What to do when there is no ffmpeg that can be run. */
export const INSTALL_FFMPEG =
  'install it (Debian and Ubuntu: apt-get install ffmpeg), or name the program in FFMPEG_PATH'

/** Runs ffmpeg once. @throws EdgeError EDGE_FFMPEG_MISSING when it is not there or does not run. */
export async function requireFfmpeg(): Promise<void> {
  const problem = await new Promise<Error | null>((resolve) => {
    ffmpeg().getAvailableFormats((error) => resolve(error))
  })
  if (!problem) return
  throw new EdgeError(
    'EDGE_FFMPEG_MISSING',
    `Cameras need ffmpeg, which cannot be run (${problem.message}): ${INSTALL_FFMPEG}.`,
    { cause: problem },
  )
}

/** For a process that is about to end without an `exit` event. */
export function killFfmpegs(): void {
  for (const each of running) each.kill('SIGKILL')
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
 * throws from an event handler and would stop the whole edge: so its spawn function is given empty ones. It also takes
 * for granted that a process has a standard error, which one that could not be made for want of file descriptors has not.
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
    try {
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
    } catch (error) {
      // The process's own `error` event, which says more, comes first; only one end counts.
      setImmediate(() => onEnd(error as Error, empty, empty))
    }
  }

  const ended = new Promise<FfmpegEnd>((resolve) => {
    const settle = (error?: Error): void => {
      // A process that could not be made has no pid, and a negative exit code.
      if (child?.pid === undefined) {
        resolve({ exitCode: null, failedToRun: error?.message ?? 'it did not start' })
        return
      }
      if (child.exitCode !== null || child.signalCode !== null) resolve({ exitCode: child.exitCode })
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
