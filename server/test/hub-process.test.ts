/** The hub as a process: start, stop, commands, and being killed at any instant. */
import { once } from 'node:events'
import { readFile, rm, stat } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { STREAMS, type Stream } from '@patrolhub/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
import { alertRecord, EdgeClient, passage, REGION } from './support/edge-client.ts'
import {
  createEdge,
  freshFolder,
  type HubProcess,
  runMain,
  silent,
  spawnMain,
  startHubProcess,
  testEnv,
} from './support/hub.ts'

let dataDir: string
let env: Record<string, string>
let running: HubProcess[] = []

beforeEach(async () => {
  dataDir = await freshFolder()
  env = testEnv(dataDir)
})
afterEach(async () => {
  for (const hub of running) await hub.stop('SIGKILL')
  running = []
  await rm(dataDir, { recursive: true, force: true })
})

async function start(more: Record<string, string> = {}): Promise<HubProcess> {
  const hub = await startHubProcess({ ...env, ...more })
  running.push(hub)
  return hub
}

describe('the hub process', { timeout: 60_000 }, () => {
  it('goes on, and stops in order, when nobody reads its log any more', async () => {
    const child = spawnMain([], { ...env, PATROLHUB_LOG_LEVEL: 'info' })
    const exited = once(child, 'exit')
    try {
      await once(child.stdout!, 'data')
      child.stdout!.destroy()
      const readPort = async () =>
        (JSON.parse(await readFile(join(dataDir, 'hub.json'), 'utf8')) as { httpPort?: number }).httpPort
      await expect.poll(() => readPort().catch(() => undefined), { timeout: 20_000 }).toBeGreaterThan(0)
      const health = await fetch(`http://127.0.0.1:${await readPort()}/healthz`)
      expect(health.status).toBe(200)
      child.kill('SIGTERM')
      expect(await exited).toEqual([0, null])
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('prints the first sign-in once, answers when ready, and stops at a signal with code 0', async () => {
    const first = await start()
    const signIn = /^First sign-in: admin \/ (\S+) \(one-time; you will be asked for a new one\)$/
    const line = first.lines.find((candidate) => signIn.test(candidate))
    expect(line).toBeDefined()
    const ready = await fetch(`http://127.0.0.1:${first.httpPort}/readyz`)
    expect(await ready.json()).toEqual({
      ready: true,
      checks: { relational: 'ok', timeseries: 'ok', broker: 'ok' },
    })
    const session = await fetch(`http://127.0.0.1:${first.httpPort}/api/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-patrolhub': '1' },
      body: JSON.stringify({ username: 'admin', password: signIn.exec(line!)![1] }),
    })
    expect(session.status).toBe(200)
    expect(await first.stop('SIGTERM')).toBe(0)
    const second = await start()
    expect(second.lines.some((candidate) => candidate.includes('First sign-in'))).toBe(false)
    expect(await second.stop('SIGINT')).toBe(0)
  })

  it('says what its settings are, and refuses wrong ones with every problem and code 2', async () => {
    const help = await runMain(['--help'], {})
    expect(help.code).toBe(0)
    expect(help.stdout).toContain('PATROLHUB_HTTP_PORT')
    const wrong = await runMain([], { ...env, PATROLHUB_HTTP_PORT: 'x', PATROLHUB_NONSENSE: '1' })
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('HUB_CONFIG')
    expect(wrong.stderr).toContain('PATROLHUB_HTTP_PORT: "x"')
    expect(wrong.stderr).toContain('PATROLHUB_NONSENSE: no such setting')
    const unknown = await runMain(['dance'], env)
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('HUB_USAGE') })
  })

  it('refuses a second hub on the same folder, naming the first, and takes over after a SIGKILL', async () => {
    const first = await start()
    const second = await runMain([], env)
    expect(second.code).toBe(1)
    expect(second.stderr).toContain(`HUB_LOCKED: another hub (process ${first.child.pid}) runs on`)
    expect(second.stderr).toContain('PATROLHUB_DATA_DIR')
    expect((await fetch(`http://127.0.0.1:${first.httpPort}/readyz`)).status).toBe(200)
    await first.stop('SIGKILL')
    const third = await start()
    expect((await fetch(`http://127.0.0.1:${third.httpPort}/readyz`)).status).toBe(200)
  })

  it.each([
    ['PATROLHUB_HTTP_PORT', 'HTTP port'],
    ['PATROLHUB_MQTT_PORT', 'MQTT port'],
  ])('names %s when that port is taken', async (variable, words) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, stderr } = await runMain([], { ...env, [variable]: String(port) })
    other.close()
    expect(code).toBe(1)
    expect(stderr).toContain(`HUB_PORT: ${words} ${port} on 127.0.0.1 is taken; move it with ${variable}`)
  })

  it('adds edges, teams and users, on a stopped hub and on a running one', { timeout: 120_000 }, async () => {
    const stopped = await runMain(['edge', 'add', 'edge-01', '--name', 'Gate', '--region', REGION], env)
    expect(stopped).toMatchObject({ code: 0, stdout: expect.stringMatching(/^token: \S{43}$/m) })
    const hub = await start()
    const added = await runMain(['edge', 'add', 'edge-02', '--name', 'Gate', '--region', REGION], env)
    const token = /^token: (\S+)$/m.exec(added.stdout)![1]!
    const edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-02', token })
    expect((await edge.hello()).length).toBe(2)
    await edge.close()
    const team = await runMain(['team', 'add', '--name', 'North', '--region', '410502'], env)
    const teamId = /^id: (\S+)$/m.exec(team.stdout)![1]!
    const user = await runMain(
      ['user', 'add', 'li', '--role', 'patroller', '--scope', '410502', '--name', 'Li', '--team', teamId],
      env,
    )
    expect(user).toMatchObject({ code: 0, stdout: expect.stringMatching(/^one-time password: \S+$/m) })
    const again = await runMain(['edge', 'add', 'edge-02', '--name', 'Gate', '--region', REGION], env)
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('HUB_CONFLICT') })
    const wrong = await runMain(['edge', 'add', 'edge 3', '--region', '41'], env)
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('/region')
    const audit = await runMain(['audit', 'verify'], env)
    expect(audit).toMatchObject({ code: 0, stdout: expect.stringContaining('whole') })
  })

  it('checks the record of a stopped hub, names what was changed, and says when there is none', async () => {
    const nothing = await runMain(['audit', 'verify'], { ...env, PATROLHUB_DATA_DIR: join(dataDir, 'typo') })
    expect(nothing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^HUB_DATA_DIR: .*typo.*DATA_DIR/),
    })
    const fresh = join(dataDir, 'fresh')
    const freshEnv = { ...env, PATROLHUB_DATA_DIR: fresh }
    for (const id of ['edge-01', 'edge-02']) {
      await runMain(['edge', 'add', id, '--name', 'Gate', '--region', REGION], freshEnv)
    }
    expect((await stat(fresh)).mode & 0o777).toBe(0o700)
    const database = new DatabaseSync(join(fresh, 'hub.sqlite'))
    database.exec(`update audit set subject = 'edge:other' where seq = 2`)
    database.close()
    const broken = await runMain(['audit', 'verify'], freshEnv)
    expect(broken).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('HUB_AUDIT_BROKEN: entry 2 has been changed'),
    })
  })
})

/** Sends 1 … `total` of a stream by the cursor protocol, as an edge does: what is not acknowledged is sent again. */
class Sender {
  readonly #records: readonly unknown[]
  readonly #stream: Stream
  acknowledged = 0

  constructor(stream: Stream, records: readonly unknown[]) {
    this.#stream = stream
    this.#records = records
  }

  get isDone(): boolean {
    return this.acknowledged === this.#records.length
  }

  async run(edge: EdgeClient, from: number): Promise<void> {
    this.acknowledged = Math.max(this.acknowledged, from)
    while (!this.isDone && edge.mqtt.connected) {
      const first = this.acknowledged + 1
      const records = this.#records.slice(first - 1, first - 1 + 100)
      await edge.send(this.#stream, first, records)
      const upTo = first + records.length - 1
      await edge.cursor((cursor) => cursor.stream === this.#stream && cursor.upTo >= upTo)
      this.acknowledged = upTo
    }
  }
}

describe('a hub that is killed in the middle of its work', () => {
  it('has every alert and every passage exactly once after it was started again', {
    timeout: 120_000,
  }, async () => {
    const kills = 5
    const token = await createEdge(dataDir, 'edge-01', REGION)
    const alerts = Array.from({ length: 600 }, () => alertRecord())
    const senders = {
      alerts: new Sender('alerts', alerts),
      measurements: new Sender(
        'measurements',
        Array.from({ length: 20_000 }, (_, index) => passage(index)),
      ),
    }
    let epoch: string | undefined
    let killed = 0
    while (!(senders.alerts.isDone && senders.measurements.isDone)) {
      const hub = await start()
      const edge = await EdgeClient.connect({
        port: hub.mqttPort,
        edgeId: 'edge-01',
        token,
        ...(epoch ? { epoch } : {}),
      })
      epoch = edge.epoch
      const [alertsAt, measurementsAt] = await edge.hello()
      const work = Promise.allSettled([
        senders.alerts.run(edge, alertsAt!.upTo),
        senders.measurements.run(edge, measurementsAt!.upTo),
      ])
      if (killed < kills) {
        // At some instant while it stores: 1 ms is well below the time of one batch.
        const goal = senders.measurements.acknowledged + 700 + Math.floor(Math.random() * 4000)
        await edge.cursor((cursor) => cursor.stream === 'measurements' && cursor.upTo >= goal).catch(() => {})
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 5))
        await hub.stop('SIGKILL')
        killed++
        edge.mqtt.end(true)
      } else {
        await work
        await edge.close()
        expect(await hub.stop('SIGTERM')).toBe(0)
      }
      await Promise.race([work, new Promise((resolve) => setTimeout(resolve, 100))])
    }
    expect(killed).toBe(kills)

    const database = new DatabaseSync(join(dataDir, 'hub.sqlite'), { readOnly: true })
    const stored = database.prepare('select alert_id from alert').all() as { alert_id: string }[]
    expect(stored.map(({ alert_id }) => alert_id).sort()).toEqual(alerts.map(({ alertId }) => alertId).sort())
    const [{ alertsCounted }] = database
      .prepare('select sum(alert_count) as alertsCounted from incident')
      .all() as [{ alertsCounted: number }]
    expect(alertsCounted).toBe(alerts.length)
    for (const stream of STREAMS) {
      const [{ seq }] = database.prepare('select seq from cursor where stream = ?').all(stream) as [
        { seq: number },
      ]
      expect(seq).toBe(stream === 'alerts' ? 600 : 20_000)
    }
    expect(database.prepare('select count(*) as n from set_aside').all()).toEqual([{ n: 0 }])
    database.close()
    const points = await openDuckdb({ file: join(dataDir, 'points.duckdb'), log: silent })
    expect((await points.count('')).passages).toBe(20_000)
    expect(new Set((await points.latestPassages('cp-01', '4105', 20_001)).map(({ atMs }) => atMs)).size).toBe(
      20_000,
    )
    await points.close()
  })
})
