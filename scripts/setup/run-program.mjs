/**
 * Runs the program that a command stands for: in a process group of its own, so that each signal reaches it exactly
 * once (a terminal and npm both send Ctrl-C), and watched, so that it ends even when this process is killed.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from './paths.mjs'

/** npm, the shell and the terminal all pass on the same Ctrl-C; a second one by hand comes later than this. */
const SAME_SIGNAL_MS = 1000
const PARENT_POLL_MS = 1000
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15, SIGKILL: 9 }

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env] added to ours
 * @returns {Promise<number>} its exit code; 128 + n if it ended by signal n
 */
export function runProgram(command, args, env = {}) {
  return new Promise((done, fail) => {
    const guard = spawn(process.execPath, [join(ROOT, 'scripts', 'guard.mjs')], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    guard.unref()
    guard.stdin.on('error', () => {})
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: 'inherit',
      detached: true,
    })
    if (child.pid !== undefined) guard.stdin.write(`watch ${child.pid}\n`)

    let lastMs = Number.NEGATIVE_INFINITY
    const forward = (signal) => {
      const nowMs = performance.now()
      if (nowMs - lastMs < SAME_SIGNAL_MS) return
      lastMs = nowMs
      child.kill(signal)
    }
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.on(signal, forward)

    // npm killed with SIGKILL tells nobody; being adopted by somebody else is how we notice.
    const parent = process.ppid
    const watch = setInterval(() => {
      if (process.env.npm_lifecycle_event !== undefined && process.ppid !== parent) forward('SIGTERM')
    }, PARENT_POLL_MS)

    const finish = () => {
      clearInterval(watch)
      for (const signal of signals) process.off(signal, forward)
      // What the program left in its group ends with it.
      guard.stdin.end()
    }
    child.on('error', (error) => {
      finish()
      fail(error)
    })
    child.on('exit', (code, signal) => {
      finish()
      done(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 0))
    })
  })
}
