/** A private VictoriaMetrics of the Debian package on a free port and in a temporary folder. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../test/support/free-port.ts'
import { untilAnswers } from '../../../test/support/until-answers.ts'

export function findVictoriaMetrics(): string | undefined {
  const { stdout } = spawnSync('sh', ['-c', 'command -v victoria-metrics'], { encoding: 'utf8' })
  return stdout.trim() || undefined
}

/** Samples of one metric under one set of labels, oldest first. */
export interface Exported {
  metric: Record<string, string>
  values: number[]
  timestamps: number[]
}

export interface VictoriaMetrics {
  url: string
  /** Everything stored under this metric's name, what was just written too. */
  samples(name: string): Promise<Exported[]>
  /** Ends it as its service does; what it had taken is on the disk. */
  stop(): Promise<void>
  /** On the same port and folder. */
  start(): Promise<void>
  close(): Promise<void>
}

/** `dedup`: two samples of a series at the same millisecond are one. Left to itself it keeps both. */
export async function startVictoriaMetrics(
  program: string,
  { dedup }: { dedup: boolean },
): Promise<VictoriaMetrics> {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-victoria-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const options = [
    `-httpListenAddr=127.0.0.1:${port}`,
    `-storageDataPath=${join(folder, 'data')}`,
    // Left to itself it drops what is older than a month.
    '-retentionPeriod=100y',
    '-loggerLevel=ERROR',
    ...(dedup ? ['-dedup.minScrapeInterval=1ms'] : []),
  ]
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    child = spawn(program, options, { stdio: 'ignore' })
    await untilAnswers(child, port, 'VictoriaMetrics')
  }

  async function stop(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }

  await start()
  return {
    url,
    start,
    stop,
    async samples(name) {
      await fetch(`${url}/internal/force_flush`)
      const search = new URLSearchParams({ 'match[]': `{__name__="${name}"}` })
      const response = await fetch(`${url}/api/v1/export?${search}`)
      if (!response.ok) throw new Error(`/api/v1/export answers ${response.status}`)
      const lines = (await response.text()).split('\n').filter((line) => line !== '')
      return lines.map((line) => JSON.parse(line) as Exported)
    },
    async close() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
