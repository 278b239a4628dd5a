/** A whole hub for tests: in this process, or as a process of its own that can be killed. Fresh folder, free ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { openRelational } from '../../src/adapters/relational/open.ts'
import { startHub } from '../../src/app.ts'
import { auditFeature } from '../../src/audit/audit-feature.ts'
import { ChangeLog } from '../../src/changes/changes.ts'
import { type HubConfig, loadConfig } from '../../src/config.ts'
import { addEdge } from '../../src/devices/devices.ts'
import { engineEnv } from './postgres.ts'

export const silent = pino({ level: 'silent' })

export async function freshFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'patrolhub-hub-'))
}

export function testEnv(dataDir: string, more: Record<string, string> = {}): Record<string, string> {
  return {
    PATROLHUB_DATA_DIR: dataDir,
    PATROLHUB_HTTP_HOST: '127.0.0.1',
    PATROLHUB_HTTP_PORT: '0',
    PATROLHUB_MQTT_HOST: '127.0.0.1',
    PATROLHUB_MQTT_PORT: '0',
    PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'none',
    ...more,
  }
}

/** As the command `edge add` does it, beside a running hub or before one. */
export async function createEdge(dataDir: string, edgeId: string, region: string): Promise<string> {
  return createEdgeIn(loadConfig({ env: testEnv(dataDir) }), edgeId, region)
}

async function createEdgeIn(config: HubConfig, edgeId: string, region: string): Promise<string> {
  const relational = await openRelational(config, silent)
  try {
    const audit = auditFeature({ config: { rootScope: '4105' }, relational })
    const edge = { edgeId, name: `Edge ${edgeId}`, region }
    return (await addEdge({ relational, audit, changes: new ChangeLog() }, edge, undefined)).token
  } finally {
    await relational.close()
  }
}

export interface TestHub {
  dataDir: string
  url: string
  mqttPort: number
  config: HubConfig
  oneTimePassword: string
  addEdge(edgeId: string, region: string): Promise<string>
  close(): Promise<void>
}

/** A hub inside the test's process. */
export async function startTestHub(env: Record<string, string> = {}): Promise<TestHub> {
  const dataDir = await freshFolder()
  const config = loadConfig({ env: testEnv(dataDir, { ...(await engineEnv()), ...env }) })
  const hub = await startHub(config, silent)
  return {
    dataDir,
    url: `http://127.0.0.1:${hub.httpPort}`,
    mqttPort: hub.mqttPort,
    config,
    oneTimePassword: hub.oneTimePassword ?? '',
    addEdge: (edgeId, region) => createEdgeIn(config, edgeId, region),
    async close() {
      await hub.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export interface HubProcess {
  child: ChildProcess
  httpPort: number
  mqttPort: number
  /** Everything that it said on standard output so far. */
  lines: string[]
  /** Ends it and resolves with its exit code or the name of the signal. */
  stop(signal: NodeJS.Signals): Promise<number | string>
}

const ROOT = resolve(import.meta.dirname, '../../..')

/** Runs the hub's main with these arguments; the environment holds nothing of PATROLHUB_* but what is given. */
export function spawnMain(args: readonly string[], env: Record<string, string>): ChildProcess {
  const outside = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('PATROLHUB_')),
  )
  return spawn(process.execPath, ['server/src/main.ts', ...args], {
    cwd: ROOT,
    env: { ...outside, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Runs the hub's main to its end. */
export async function runMain(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawnMain(args, env)
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** Starts a hub as a process and waits until it says that it is ready. */
export async function startHubProcess(env: Record<string, string>): Promise<HubProcess> {
  const child = spawnMain([], env)
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const lines: string[] = []
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ready = Promise.withResolvers<{ httpPort: number; mqttPort: number }>()
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line)
    if (!line.startsWith('{')) return
    const entry = JSON.parse(line) as { msg?: string; httpPort: number; mqttPort: number }
    if (entry.msg === 'hub is ready') ready.resolve(entry)
  })
  exited.then(([code]) => ready.reject(new Error(`the hub ended with ${code}: ${stderr}${lines.join('\n')}`)))
  const { httpPort, mqttPort } = await ready.promise
  return {
    child,
    httpPort,
    mqttPort,
    lines,
    async stop(signal) {
      child.kill(signal)
      const [code, byMe] = await exited
      return code ?? byMe ?? ''
    },
  }
}
