import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const SCRIPTS = resolve(import.meta.dirname, '..', '..', 'scripts')
const BOOTSTRAP = join(SCRIPTS, 'bootstrap.mjs')

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-setup-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function run(args: string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, args, { env }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** A process that runs a program by the set-up's `runProgram`, as every npm script does. */
function startProgram(code: string) {
  const module = JSON.stringify(join(SCRIPTS, 'setup', 'run-program.mjs'))
  const outer = `import { runProgram } from ${module}
    process.exitCode = await runProgram(process.execPath, ['-e', ${JSON.stringify(code)}])`
  const child = spawn(process.execPath, ['--input-type=module', '-e', outer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  return { child, ended, said: () => said }
}

describe('the start of every npm script', () => {
  it('says which commands there are when it is given none or a wrong one', async () => {
    for (const args of [[], ['nonsense'], ['toString']]) {
      const { code, stderr } = await run([BOOTSTRAP, ...args])
      expect(code).toBe(2)
      expect(stderr).toMatch(/usage[\s\S]*demo[\s\S]*test[\s\S]*hub[\s\S]*edge/)
    }
  })

  it('names the measurements that exist', async () => {
    const { code, stderr } = await run([BOOTSTRAP, 'bench', 'no-such-thing'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/npm run bench -- NAME/)
  })

  it('passes arguments on and ends with the exit code of the program', async () => {
    const help = await run([BOOTSTRAP, 'demo', '--help'])
    expect(help).toMatchObject({ code: 0 })
    expect(help.stdout).toMatch(/--seconds N/)
    const wrong = await run([BOOTSTRAP, 'models', 'no-such-command'])
    expect(wrong.code).not.toBe(0)
  })

  it('without ffmpeg and without the right to install it says what to type, and stops', async () => {
    // A PATH with node alone: no ffmpeg, no apt-get, no sudo.
    symlinkSync(process.execPath, join(folder, 'node'))
    const { code, stderr } = await run([BOOTSTRAP, 'demo'], { ...process.env, PATH: folder })
    expect(code).toBe(1)
    expect(stderr).toMatch(/Missing: ffmpeg/)
    expect(stderr).toMatch(/sudo apt-get update && sudo apt-get install -y --no-install-recommends ffmpeg$/m)
    expect(stderr).not.toMatch(/\bat .*\.mjs:\d+/)
  })

  it('is ready in well under a second when nothing has to be made', async () => {
    const beganMs = performance.now()
    await run([BOOTSTRAP, 'demo', '--help'])
    expect(performance.now() - beganMs).toBeLessThan(3000)
  })
})

describe('a program under the set-up', () => {
  const COUNTS_SIGNALS = `
    let count = 0
    process.on('SIGINT', () => { count += 1; setTimeout(() => { console.log('signals ' + count); process.exit(7) }, 300) })
    console.log('ready')
    setInterval(() => {}, 1000)`

  it('gets a signal once, though the terminal, npm and the shell all send it, and its exit code is passed on', async () => {
    const { child, ended, said } = startProgram(COUNTS_SIGNALS)
    await expect.poll(said, { timeout: 10_000 }).toContain('ready')
    child.kill('SIGINT')
    child.kill('SIGINT')
    expect(await ended).toEqual([7, null])
    expect(said()).toContain('signals 1')
  })

  it('ends when the set-up itself is killed', async () => {
    const { child, said } = startProgram("console.log('pid ' + process.pid); setInterval(() => {}, 1000)")
    await expect.poll(said, { timeout: 10_000 }).toContain('pid')
    const pid = Number(/pid (\d+)/.exec(said())![1])
    expect(isAlive(pid)).toBe(true)
    child.kill('SIGKILL')
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
  })
})

describe('stamps', () => {
  const STAMP = JSON.stringify(join(SCRIPTS, 'setup', 'stamp.mjs'))

  it('lets two processes that want the same do it one after the other', async () => {
    const name = `test-${process.pid}`
    const code = `import { locked } from ${STAMP}
      const log = (what) => process.stdout.write(what + ' ' + Date.now() + '\\n')
      await locked(${JSON.stringify(name)}, async () => {
        log('begin'); await new Promise((wake) => setTimeout(wake, 300)); log('end')
      })`
    const both = await Promise.all([1, 2].map(() => run(['--input-type=module', '-e', code])))
    const spans = both
      .map(({ stdout }) => [...stdout.matchAll(/\d+/g)].map(Number))
      .sort((a, b) => a[0]! - b[0]!)
    expect(spans[1]![0]!).toBeGreaterThanOrEqual(spans[0]![1]!)
  })

  it('takes over the lock of a process that is gone', async () => {
    const name = `gone-${process.pid}`
    const code = `import { locked } from ${STAMP}
      await locked(${JSON.stringify(name)}, async () => process.kill(process.pid, 'SIGKILL'))`
    await run(['--input-type=module', '-e', code])
    const again = await run([
      '--input-type=module',
      '-e',
      `import { locked } from ${STAMP}; await locked(${JSON.stringify(name)}, async () => console.log('mine'))`,
    ])
    expect(again.stdout).toContain('mine')
  })
})
