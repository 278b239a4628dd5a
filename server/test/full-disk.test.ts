/** The data folder's disk is full: the hub says so, takes nothing it cannot keep, and goes on when there is room again. */
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
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

const BATCH = 200

let root: string
let disk: string
let isMounted: boolean
let hub: HubProcess | undefined
let edge: EdgeClient | undefined

beforeEach(async () => {
  root = await freshFolder()
  disk = join(root, 'disk')
  await mkdir(disk)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk], { stdio: 'pipe' })
    isMounted = true
  } catch {
    isMounted = false
  }
})
afterEach(async () => {
  await edge?.close()
  await hub?.stop('SIGKILL')
  if (isMounted) execFileSync('umount', [disk])
  await rm(root, { recursive: true, force: true })
})

/** Takes all the room that there is. */
async function fill(file: string): Promise<void> {
  const stream = createWriteStream(file)
  const failed = once(stream, 'error').catch((error: Error) => [error])
  const part = Buffer.alloc(1024 * 1024)
  stream.on('drain', () => stream.write(part))
  stream.write(part)
  stream.write(part)
  for (let parts = 0; parts < 64; parts++) stream.write(part)
  await failed
  execFileSync('sh', ['-c', `dd if=/dev/zero of='${file}.rest' bs=4096 2>/dev/null || true`])
}

const isReady = async () => {
  const response = await fetch(`http://127.0.0.1:${hub!.httpPort}/readyz`)
  return { status: response.status, text: await response.text() }
}

describe('a full disk', { timeout: 60_000 }, () => {
  it('is told, loses nothing and damages nothing, and the hub goes on by itself', async ({ skip }) => {
    if (!isMounted) skip('a small disk cannot be mounted here: this needs root')
    const dataDir = join(disk, 'hub')
    await mkdir(dataDir, { mode: 0o700 })
    const token = await createEdge(dataDir, 'edge-01', REGION)
    hub = await startHubProcess(testEnv(dataDir))
    edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-01', token })
    await edge.hello()
    let sent = 0
    const send = async (firstSeq: number) => {
      const records = Array.from({ length: BATCH }, (_, index) => passage(firstSeq + index))
      await edge!.send('measurements', firstSeq, records)
    }
    const highest = (stream: string) =>
      Math.max(0, ...edge!.cursors.filter((cursor) => cursor.stream === stream).map(({ upTo }) => upTo))
    for (; sent < 5 * BATCH; sent += BATCH) await send(sent + 1)
    await edge.cursor(({ stream, upTo }) => stream === 'measurements' && upTo === sent)

    await fill(join(disk, 'ballast'))
    await expect.poll(isReady).toMatchObject({
      status: 503,
      text: expect.stringContaining('"relational":"failing","timeseries":"failing"'),
    })
    // More than the stores can take, of both kinds and with evidence.
    const alerts = Array.from({ length: 500 }, () => alertRecord({ reason: 'x'.repeat(400) }))
    await edge.send('alerts', 1, alerts)
    for (let index = 0; index < 40; index++) await send(sent + 1 + index * BATCH)
    const bytes = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(2 * 1024 * 1024)])
    const upload = async (id: string) =>
      fetch(`http://127.0.0.1:${hub!.httpPort}/api/edge/evidence/${id}`, {
        method: 'PUT',
        headers: {
          authorization: `Basic ${Buffer.from(`edge-01:${token}`).toString('base64')}`,
          'content-type': 'image/jpeg',
          'x-patrolhub-sha256': createHash('sha256').update(bytes).digest('hex'),
        },
        body: bytes,
      })
    const evidenceId = randomUUID()
    expect((await upload(evidenceId)).status).toBeGreaterThanOrEqual(500)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const believed = { alerts: highest('alerts'), measurements: highest('measurements') }
    expect(believed.alerts).toBe(0)
    expect(hub.child.exitCode).toBeNull()

    await rm(join(disk, 'ballast'))
    await rm(join(disk, 'ballast.rest'))
    await expect.poll(async () => (await isReady()).status, { timeout: 10_000 }).toBe(200)
    // What an edge does: it asks where the hub stands and sends from there.
    await edge.hello()
    await edge.send('alerts', 1, alerts)
    await edge.cursor(({ stream, upTo }) => stream === 'alerts' && upTo === alerts.length)
    for (let first = believed.measurements + 1; first <= sent + BATCH; first += BATCH) await send(first)
    await edge.cursor(({ stream, upTo }) => stream === 'measurements' && upTo >= sent + BATCH)
    expect((await upload(evidenceId)).status).toBe(204)
    await hub.stop('SIGTERM')
    const rows = new DatabaseSync(join(dataDir, 'hub.sqlite'), { readOnly: true })
    const { seq } = rows.prepare("select seq from cursor where stream = 'measurements'").get() as {
      seq: number
    }
    const { count } = rows.prepare('select count(*) as count from alert').get() as { count: number }
    rows.close()
    expect(count).toBe(alerts.length)
    const store = await openDuckdb({ file: join(dataDir, 'points.duckdb'), log: silent })
    const { passages } = await store.count('')
    await store.close()
    // Points are written before the cursor moves, so there may be more than it says; never fewer, and none twice.
    expect(passages).toBeGreaterThanOrEqual(seq)
    expect(passages).toBeLessThanOrEqual(sent + 40 * BATCH)
    const { stdout, code } = await runMain(['doctor', '--full', '--json'], testEnv(dataDir))
    const { findings } = JSON.parse(stdout) as { findings: { check: string; level: string }[] }
    // The little disk itself is one.
    expect(findings.filter(({ check, level }) => level === 'problem' && check !== 'disk')).toEqual([])
    expect(code).toBe(1)
  })
})
