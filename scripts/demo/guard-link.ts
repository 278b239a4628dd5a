/** The connection to `scripts/guard.mjs`, which ends our process groups when this process is gone, however it went. */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'

const GUARD_FILE = resolve(import.meta.dirname, '..', 'guard.mjs')

export class GuardLink {
  readonly #groups = new Set<number>()
  #process: ChildProcess | undefined
  #isClosed = false

  start(): void {
    const child = spawn(process.execPath, [GUARD_FILE], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#process = child
    // It must not keep this process alive; its own end is noticed by 'exit'.
    child.unref()
    child.stdin!.on('error', () => {})
    child.on('error', () => {})
    child.on('exit', () => {
      if (!this.#isClosed) this.start()
    })
    for (const group of this.#groups) this.#tell('watch', group)
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** From now on this process group ends with us. */
  watch(group: number): void {
    this.#groups.add(group)
    this.#tell('watch', group)
  }

  forget(group: number): void {
    this.#groups.delete(group)
    this.#tell('forget', group)
  }

  /** Ends the guard, and with it whatever is still watched. */
  close(): void {
    this.#isClosed = true
    this.#process?.stdin?.end()
  }

  #tell(verb: 'watch' | 'forget', group: number): void {
    this.#process?.stdin?.write(`${verb} ${group}\n`)
  }
}
