import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DemoReport } from '../../scripts/demo/report.ts'

const REPOSITORY = resolve(import.meta.dirname, '..', '..')
const UP_TIMEOUT_MS = 60_000

let folder: string
const started: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-demo-'))
})

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
})

function startDemo(...options: string[]) {
  const ports = ['--http-port', '0', '--mqtt-port', '0', '--data', folder]
  const child = spawn(process.execPath, ['scripts/demo.ts', ...ports, ...options], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  let stdout = ''
  let stderr = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  return { child, ended, stdout: () => stdout, stderr: () => stderr }
}

interface Running {
  pids: Record<'demo' | 'guard' | 'hub' | 'edge', number>
}

const runningFile = () => join(folder, 'demo.json')

function running(): Running {
  return JSON.parse(readFileSync(runningFile(), 'utf8')) as Running
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('the demo', () => {
  it('runs for the time that was asked for, reports what it saw, and leaves nothing running', async () => {
    const demo = startDemo('--seconds', '15', '--json')
    await expect.poll(demo.stderr, { timeout: UP_TIMEOUT_MS }).toContain('Ctrl-C stops everything')
    const { pids } = running()
    expect(Object.values(pids).filter(isAlive)).toHaveLength(4)
    const [code] = await demo.ended

    const lines = demo.stdout().trim().split('\n')
    expect(lines).toHaveLength(1)
    const report = JSON.parse(lines[0]!) as DemoReport
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ ok: true, crashes: 0 })
    expect(report.seconds).toBeGreaterThanOrEqual(15)
    for (const key of [
      ...([
        'camerasOnline',
        'framesAnalysed',
        'alerts',
        'passages',
        'readings',
        'points',
        'incidents',
      ] as const),
    ]) {
      expect(report[key], key).toBeGreaterThan(0)
    }
    expect(code).toBe(0)
    await expect.poll(() => Object.values(pids).filter(isAlive), { timeout: 15_000 }).toEqual([])
    expect(existsSync(runningFile())).toBe(false)
  }, 120_000)

  it('starts its hub and its edge again when they are killed', async () => {
    const demo = startDemo()
    await expect.poll(demo.stdout, { timeout: UP_TIMEOUT_MS }).toContain('Ctrl-C stops everything')
    for (const part of ['hub', 'edge'] as const) {
      const before = running().pids[part]
      process.kill(before, 'SIGKILL')
      await expect.poll(demo.stdout, { timeout: 15_000 }).toContain(`the ${part} has ended by SIGKILL`)
      await expect.poll(() => running().pids[part], { timeout: 15_000 }).not.toBe(before)
    }
    // After the edge came back its cameras raise alerts again.
    const alerts = () => demo.stdout().match(/^\[demo\] alert/gm)?.length ?? 0
    const before = alerts()
    await expect.poll(alerts, { timeout: 60_000 }).toBeGreaterThan(before)
    demo.child.kill('SIGINT')
    expect(await demo.ended).toEqual([0, null])
  }, 180_000)

  it('leaves nothing running when it is killed itself', async () => {
    const demo = startDemo()
    await expect.poll(demo.stdout, { timeout: UP_TIMEOUT_MS }).toContain('Ctrl-C stops everything')
    const { pids } = running()
    demo.child.kill('SIGKILL')
    await expect.poll(() => Object.values(pids).filter(isAlive), { timeout: 20_000 }).toEqual([])
  }, 120_000)

  it('says which option moves a port that is taken', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const taken = startDemo('--http-port', String(port))
    expect((await taken.ended)[0]).toBe(1)
    expect(taken.stderr()).toContain(`Port ${port} for the dashboard is taken`)
    expect(taken.stderr()).toContain('--http-port')
    server.close()
  })
})
