/** A hub at work is backed up, and goes on from the backup in an empty folder. */
import { createHash, randomUUID } from 'node:crypto'
import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
import type { Manifest } from '../src/backup/manifest.ts'
import { alertRecord, EdgeClient, passage, REGION } from './support/edge-client.ts'
import {
  createEdge,
  freshFolder,
  type HubProcess,
  runMain,
  silent,
  startHubProcess,
  testEnv,
} from './support/hub.ts'

const EPOCH = randomUUID()
const BATCH = 50

let root: string
let dataDir: string
let to: string
let token: string
let running: { stop(): Promise<unknown> }[]

beforeEach(async () => {
  root = await freshFolder()
  dataDir = join(root, 'hub')
  to = join(root, 'backup')
  token = await createEdge(dataDir, 'edge-01', REGION)
  running = []
})
afterEach(async () => {
  for (const part of running.reverse()) await part.stop()
  await rm(root, { recursive: true, force: true })
})

async function start(folder: string): Promise<HubProcess> {
  const hub = await startHubProcess(testEnv(folder))
  running.push({ stop: () => hub.stop('SIGKILL') })
  return hub
}

async function connect(hub: HubProcess): Promise<EdgeClient> {
  const edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-01', token, epoch: EPOCH })
  running.push({ stop: () => edge.close() })
  return edge
}

const committed = (edge: EdgeClient, stream: string, upTo: number) =>
  edge.cursor((cursor) => cursor.stream === stream && cursor.upTo >= upTo)

/** An alert with its snapshot; answers the snapshot's hash. */
async function sendAlert(hub: HubProcess, edge: EdgeClient, firstSeq: number): Promise<string> {
  const bytes = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.from(randomUUID())])
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const evidenceId = randomUUID()
  const alert = alertRecord({ evidenceIds: [evidenceId] })
  const record = { kind: 'evidence', evidenceId, alertId: alert.alertId, role: 'snapshot' }
  const facts = { mime: 'image/jpeg', sha256, bytes: bytes.length, atMs: Date.now() }
  await edge.send('alerts', firstSeq, [alert, { ...record, ...facts }])
  await committed(edge, 'alerts', firstSeq + 1)
  const { status } = await fetch(`http://127.0.0.1:${hub.httpPort}/api/edge/evidence/${evidenceId}`, {
    method: 'PUT',
    headers: {
      authorization: `Basic ${Buffer.from(`edge-01:${token}`).toString('base64')}`,
      'content-type': 'image/jpeg',
      'x-patrolhub-sha256': sha256,
    },
    body: bytes,
  })
  expect(status).toBe(204)
  return sha256
}

const manifestOf = async (folder: string) =>
  JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as Manifest

async function restored(folder: string) {
  const rows = new DatabaseSync(join(folder, 'hub.sqlite'))
  const points = await openDuckdb({ file: join(folder, 'points.duckdb'), log: silent })
  try {
    const one = (sql: string) => Object.values(rows.prepare(sql).get() as object)[0] as number
    return {
      alerts: one('select count(*) from alert'),
      cursor: one("select seq from cursor where stream = 'measurements'"),
      points: (await points.count('')).passages,
    }
  } finally {
    rows.close()
    await points.close()
  }
}

describe('backup and restore', { timeout: 60_000 }, () => {
  it('of a hub under load hold all that was committed, and the edge goes on', async () => {
    const hub = await start(dataDir)
    const edge = await connect(hub)
    await edge.hello()
    const snapshot = await sendAlert(hub, edge, 1)
    let sent = 0
    let isLoading = true
    const load = (async () => {
      while (isLoading) {
        const records = Array.from({ length: BATCH }, (_, index) => passage(sent + index + 1))
        await edge.send('measurements', sent + 1, records)
        sent += BATCH
        await committed(edge, 'measurements', sent)
      }
    })()
    await committed(edge, 'measurements', 4 * BATCH)
    const before = Math.max(...edge.cursors.filter((c) => c.stream === 'measurements').map((c) => c.upTo))
    const made = await runMain(['backup', '--to', to], testEnv(dataDir))
    isLoading = false
    await load
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(made.stdout).toContain('evidence damaged or missing: 0')
    expect((await stat(to)).mode & 0o077).toBe(0)

    const target = join(root, 'restored')
    expect(await runMain(['restore', '--from', to], testEnv(target))).toMatchObject({ code: 0, stderr: '' })
    const { alerts, cursor, points } = await restored(target)
    expect(alerts).toBe(1)
    expect(cursor).toBeGreaterThanOrEqual(before)
    expect(points).toBeGreaterThanOrEqual(cursor)
    expect(await readdir(join(target, 'evidence', snapshot.slice(0, 2)))).toEqual([snapshot])
    expect(await runMain(['audit', 'verify'], testEnv(target))).toMatchObject({ code: 0 })
    expect(await runMain(['doctor', '--full'], testEnv(target))).toMatchObject({ code: 0 })

    // The edge has deleted what the first hub had committed after the backup: it declares the hole and goes on.
    const last = sent + BATCH
    await edge.send(
      'measurements',
      sent + 1,
      Array.from({ length: BATCH }, (_, i) => passage(sent + i + 1)),
    )
    await committed(edge, 'measurements', last)
    const second = await start(target)
    const again = await connect(second)
    const told = await again.hello({
      streams: { alerts: { firstSeq: 3, lastSeq: 2 }, measurements: { firstSeq: last + 1, lastSeq: last } },
    })
    expect(told.find((c) => c.stream === 'measurements')?.upTo).toBe(cursor)
    const lost = { fromSeq: cursor + 1, toSeq: last, reason: 'journal-full' }
    await again.send('measurements', last + 1, [passage(last + 1)], { lost })
    await committed(again, 'measurements', last + 1)
    await second.stop('SIGTERM')
    const after = await restored(target)
    expect(after).toMatchObject({ alerts: 1, cursor: last + 1, points: points + 1 })
    const rows = new DatabaseSync(join(target, 'hub.sqlite'))
    expect(rows.prepare('select reason from set_aside').all()).toHaveLength(1)
    rows.close()
  })

  it('work without a running hub too, and the token of a running one is its own user’s', async () => {
    const made = await runMain(['backup', '--to', to], testEnv(dataDir))
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect((await manifestOf(to)).files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['hub.sqlite', 'points.duckdb']),
    )
    await start(dataDir)
    expect((await stat(join(dataDir, 'hub.json'))).mode & 0o777).toBe(0o600)
    const { control } = JSON.parse(await readFile(join(dataDir, 'hub.json'), 'utf8'))
    const answer = await fetch(`http://127.0.0.1:${control.port}/backup`, {
      method: 'POST',
      headers: { authorization: 'Bearer x' },
      body: JSON.stringify({ to: join(root, 'stolen') }),
    })
    expect(answer.status).toBe(401)
    expect(await readdir(root)).not.toContain('stolen')
  })

  it('refuse what would harm: a folder with something in it, a changed byte, a missing file, no manifest', async () => {
    const env = testEnv(dataDir)
    expect((await runMain(['backup', '--to', join(dataDir, 'inside')], env)).stderr).toContain('HUB_BACKUP')
    await mkdir(to)
    await writeFile(join(to, 'mine'), 'x')
    expect((await runMain(['backup', '--to', to], env)).stderr).toContain('is not empty')
    await rm(to, { recursive: true })
    expect((await runMain(['backup', '--to', to], env)).code).toBe(0)
    expect((await runMain(['restore', '--from', to], env)).stderr).toContain('is not empty')

    const target = join(root, 'restored')
    const refused = async (reason: string) => {
      const { code, stderr } = await runMain(['restore', '--from', to], testEnv(target))
      expect([code, stderr]).toEqual([1, expect.stringContaining(reason)])
      expect(await readdir(root)).not.toContain('restored')
    }
    const { files } = await manifestOf(to)
    await appendFile(join(to, 'hub.sqlite'), 'x')
    await refused('hub.sqlite: has')
    await rm(join(to, 'hub.sqlite'))
    await refused('ENOENT')
    await writeFile(
      join(to, 'manifest.json'),
      JSON.stringify({ ...(await manifestOf(to)), files: [{ ...files[0], path: '../mine' }] }),
    )
    await refused('outside the backup')
    await rm(join(to, 'manifest.json'))
    await refused('no complete backup')
  })
})
