/**
 * One process of the running system (hub or edge): started in a process group of its own with its output in a log
 * file, watched by the guard, started again after a crash if that is wanted.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { GuardLink } from './guard-link.ts'

export interface PartOptions {
  /** As people call it: `the hub`. */
  title: string
  args: readonly string[]
  cwd: string
  env: NodeJS.ProcessEnv
  logFile: string
  guard: GuardLink
  /** Asked again and again until true; never rejects. */
  isReady: () => Promise<boolean>
  /** Started again when it ends without having been told to. */
  isRestarted: boolean
  onLine: (line: string) => void
  /** After each start, with the new process running. */
  onStarted?: () => void
}

const READY_TIMEOUT_MS = 60_000
const READY_POLL_MS = 100
const STOP_GRACE_MS = 15_000
const RESTART_FIRST_MS = 500
const RESTART_LONGEST_MS = 15_000
/** A process that ran this long was all right: the next crash starts with the first delay again. */
const HEALTHY_MS = 30_000
const LOG_TAIL_LINES = 15

export class Part {
  readonly #options: PartOptions
  #child: ChildProcess | undefined
  #hasEnded: Promise<unknown> = Promise.resolve()
  #isWanted = false
  #restartDelayMs = RESTART_FIRST_MS
  /** Ends that nobody asked for. */
  crashes = 0

  constructor(options: PartOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  /**
   * Starts it and waits until it is ready.
   * @throws Error with the end of its log, if it ends before or is not ready in time
   */
  async start(): Promise<void> {
    if (this.#child) return
    this.#isWanted = true
    this.#spawn()
    await this.#untilReady()
  }

  /** Sends a signal and waits for the end; it is not started again by itself. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isWanted = false
    this.#child?.kill(signal)
    await this.#hasEnded
  }

  /** SIGTERM, and SIGKILL for the whole group if that takes too long. Idempotent. */
  async stop(): Promise<void> {
    this.#isWanted = false
    const child = this.#child
    if (!child) return
    child.kill('SIGTERM')
    const patience = setTimeout(() => {
      this.#options.onLine(`${this.#options.title} does not stop; ending it with SIGKILL`)
      signalGroup(child.pid!, 'SIGKILL')
    }, STOP_GRACE_MS)
    await this.#hasEnded
    clearTimeout(patience)
  }

  #spawn(): void {
    const { args, cwd, env, logFile, guard } = this.#options
    const log = openSync(logFile, 'a', 0o600)
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', log, log], detached: true })
    closeSync(log)
    this.#child = child
    if (child.pid !== undefined) guard.watch(child.pid)
    const beganMs = performance.now()
    this.#hasEnded = Promise.race([once(child, 'exit'), once(child, 'error')]).then(() => {
      this.#child = undefined
      if (child.pid !== undefined) {
        // Programs that it had started do not outlive it, even if it was killed.
        signalGroup(child.pid, 'SIGKILL')
        guard.forget(child.pid)
      }
      if (performance.now() - beganMs > HEALTHY_MS) this.#restartDelayMs = RESTART_FIRST_MS
      if (this.#isWanted) this.#afterCrash(child)
    })
    this.#options.onStarted?.()
  }

  #afterCrash(child: ChildProcess): void {
    const { title, isRestarted, logFile, onLine } = this.#options
    this.crashes += 1
    const how = child.signalCode ? `by ${child.signalCode}` : `with code ${child.exitCode}`
    if (!isRestarted) {
      this.#isWanted = false
      onLine(`${title} has ended ${how}; its log is ${logFile}`)
      return
    }
    const waitMs = this.#restartDelayMs
    this.#restartDelayMs = Math.min(waitMs * 2, RESTART_LONGEST_MS)
    onLine(`${title} has ended ${how}; starting it again in ${waitMs / 1000} s (log: ${logFile})`)
    void delay(waitMs, undefined, { ref: false }).then(() => {
      if (this.#isWanted && !this.#child) this.#spawn()
    })
  }

  async #untilReady(): Promise<void> {
    const { title, logFile, isReady } = this.#options
    const deadline = performance.now() + READY_TIMEOUT_MS
    while (!(await isReady())) {
      if (!this.isRunning) {
        throw new Error(`${title} ended while it was starting. The end of ${logFile}:\n${tail(logFile)}`)
      }
      if (performance.now() > deadline) {
        throw new Error(
          `${title} is not ready after ${READY_TIMEOUT_MS / 1000} s. The end of ${logFile}:\n${tail(logFile)}`,
        )
      }
      await delay(READY_POLL_MS)
    }
  }
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').trim().split('\n').slice(-LOG_TAIL_LINES).join('\n')
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // Nothing is left of the group: what we wanted.
  }
}
