import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GuardLink } from './guard-link.ts'
import { Part, type PartOptions } from './part.ts'

let folder: string
let guard: GuardLink
let lines: string[]
const parts: Part[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-part-'))
  guard = new GuardLink()
  guard.start()
  lines = []
})

afterEach(async () => {
  await Promise.all(parts.splice(0).map((part) => part.stop()))
  guard.close()
  rmSync(folder, { recursive: true, force: true })
})

function makePart(code: string, options: Partial<PartOptions> = {}): Part {
  const part = new Part({
    title: 'the part',
    args: ['-e', code],
    cwd: folder,
    env: process.env,
    logFile: join(folder, 'part.log'),
    guard,
    isReady: async () => readFileSync(join(folder, 'part.log'), 'utf8').includes('ready'),
    isRestarted: false,
    onLine: (line) => lines.push(line),
    ...options,
  })
  parts.push(part)
  return part
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie has ended; only its parent has not looked yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const STAYS = 'console.log("ready"); setInterval(() => {}, 1000)'
/** Starts a program of its own, prints its id and stays. */
const WITH_CHILD = `const c = require('node:child_process').spawn('sleep', ['600']); console.log('child ' + c.pid); ${STAYS}`

describe('a part of the demo', () => {
  it('is started again after a crash, and says so', async () => {
    const part = makePart(STAYS, { isRestarted: true })
    await part.start()
    const first = part.pid!
    process.kill(first, 'SIGKILL')
    await expect.poll(() => part.pid, { timeout: 10_000 }).not.toBe(first)
    await expect.poll(() => part.isRunning, { timeout: 10_000 }).toBe(true)
    expect(part.crashes).toBe(1)
    expect(lines.join()).toMatch(/the part has ended by SIGKILL; starting it again/)
  })

  it('that was killed on purpose stays away until it is started', async () => {
    const part = makePart(STAYS, { isRestarted: true })
    await part.start()
    await part.kill('SIGKILL')
    expect(part.isRunning).toBe(false)
    expect(part.crashes).toBe(0)
    await part.start()
    expect(part.isRunning).toBe(true)
  })

  it('that ends while it starts is an error with the end of its log', async () => {
    const part = makePart('console.error("the disk is full"); process.exit(3)', {
      isReady: async () => false,
    })
    await expect(part.start()).rejects.toThrow(/ended while it was starting[\s\S]*the disk is full/)
  })

  it('that is killed leaves none of its programs behind', async () => {
    const part = makePart(WITH_CHILD)
    await part.start()
    const child = Number(/child (\d+)/.exec(readFileSync(join(folder, 'part.log'), 'utf8'))![1])
    expect(isAlive(child)).toBe(true)
    await part.kill('SIGKILL')
    await expect.poll(() => isAlive(child), { timeout: 5000 }).toBe(false)
  })

  it('ends, with its programs, when the process that started it is killed', async () => {
    const script = join(folder, 'starter.ts')
    const guardFile = join(import.meta.dirname, 'guard-link.ts')
    const partFile = join(import.meta.dirname, 'part.ts')
    writeFileSync(
      script,
      `import { GuardLink } from ${JSON.stringify(guardFile)}
       import { Part } from ${JSON.stringify(partFile)}
       import { readFileSync } from 'node:fs'
       const guard = new GuardLink()
       guard.start()
       const part = new Part({
         title: 'the part', args: ['-e', ${JSON.stringify(WITH_CHILD)}], cwd: '.', env: process.env, logFile: 'p.log', guard,
         isReady: async () => readFileSync('p.log', 'utf8').includes('ready'), isRestarted: true, onLine() {},
       })
       await part.start()
       console.log(JSON.stringify({ pid: part.pid, guard: guard.pid, log: readFileSync('p.log', 'utf8') }))`,
    )
    const starter = spawn(process.execPath, [script], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    const [output] = (await once(starter.stdout!, 'data')) as [Buffer]
    const said = JSON.parse(output.toString()) as { pid: number; guard: number; log: string }
    const child = Number(/child (\d+)/.exec(said.log)![1])
    expect([said.pid, said.guard, child].every(isAlive)).toBe(true)
    starter.kill('SIGKILL')
    await expect
      .poll(() => [said.pid, child, said.guard].filter(isAlive), { timeout: 15_000, interval: 100 })
      .toEqual([])
  })
})
