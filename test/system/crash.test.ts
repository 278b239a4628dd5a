/**
 * Either side is killed in the middle of its work: everything that the edge journalled for the stream `alerts` is at
 * the hub, once. The proof needs no trust in counters: a journal gives each record a number and never gives one twice,
 * so the rows at the hub must be exactly as many as the newest number.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import type { Alert, AlertPage } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../scripts/demo/stack.ts'

const folder = mkdtempSync(join(tmpdir(), 'patrolhub-crash-'))
const dataDir = join(folder, 'demo')
const seenBySocket: Alert[] = []
let demo: Demo

beforeAll(async () => {
  demo = await startDemo({
    dataDir,
    maxCameras: 2,
    hasAnomalies: true,
    onAlert: (alert) => seenBySocket.push(alert),
  })
}, 120_000)

afterAll(async () => {
  await demo?.close()
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

/** Rows of one query on a store that this process only reads. */
function query<T>(file: string, sql: string): T[] {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    return db.prepare(sql).all() as T[]
  } finally {
    db.close()
  }
}

const hubFile = () => join(dataDir, 'hub', 'hub.sqlite')

async function until(
  what: string,
  timeoutMs: number,
  isTrue: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`It took more than ${timeoutMs} ms until ${what}.`)
    await delay(100)
  }
}

const alertsAtHub = () => query<{ n: number }>(hubFile(), 'SELECT count(*) AS n FROM alert')[0]!.n
const cursorOf = (stream: string) =>
  query<{ seq: number }>(hubFile(), `SELECT seq FROM cursor WHERE stream = '${stream}'`)[0]?.seq ?? 0

describe('a crash of either side', () => {
  it('loses no journalled alert and doubles none', async () => {
    await until('alerts arrive', 60_000, () => alertsAtHub() >= 3)

    for (const round of [1, 2]) {
      await demo.hub.kill('SIGKILL')
      // The edge goes on alone for a while: what it sees now exists in its journal only.
      await delay(4000 * round)
      const before = alertsAtHub()
      await demo.hub.start()
      await until(`alerts arrive after kill ${round} of the hub`, 60_000, () => alertsAtHub() > before)

      await demo.edge.kill('SIGKILL')
      const cursor = cursorOf('alerts')
      await demo.edge.start()
      await until(`alerts arrive after kill ${round} of the edge`, 60_000, () => cursorOf('alerts') > cursor)
    }

    // Both are killed at once, the edge comes back first.
    await Promise.all([demo.hub.kill('SIGKILL'), demo.edge.kill('SIGKILL')])
    const cursor = cursorOf('alerts')
    const edgeStarts = demo.edge.start()
    await delay(1500)
    await Promise.all([demo.hub.start(), edgeStarts])
    await until('alerts arrive after both were killed', 60_000, () => cursorOf('alerts') > cursor)

    // Quiet: no camera, nothing new; then the cursor stands at the newest number.
    await Promise.all(demo.cameras.map(({ camera }) => camera.close()))
    let last = -1
    await until('nothing more arrives', 30_000, async () => {
      const now = cursorOf('alerts')
      const isQuiet = now === last
      last = now
      await delay(3000)
      return isQuiet
    })
    await demo.edge.stop()

    const journal = query<{ name: string; last_seq: number }>(
      join(dataDir, 'edge', 'journal.sqlite'),
      "SELECT name, last_seq FROM stream WHERE name = 'alerts'",
    )[0]!
    expect(cursorOf('alerts'), 'the hub has the newest record').toBe(journal.last_seq)

    const rows = query<{ alerts: number; evidence: number; setAside: number; dead: number }>(
      hubFile(),
      `SELECT (SELECT count(*) FROM alert) AS alerts,
              (SELECT count(*) FROM evidence WHERE alert_id IS NOT NULL) AS evidence,
              (SELECT count(*) FROM set_aside WHERE stream = 'alerts') AS setAside,
              (SELECT count(*) FROM alert a LEFT JOIN incident i ON i.incident_id = a.incident_id
                WHERE i.incident_id IS NULL) AS dead`,
    )[0]!
    expect(rows.setAside).toBe(0)
    expect(rows.dead).toBe(0)
    expect(rows.alerts + rows.evidence, 'one row for each number of the journal').toBe(journal.last_seq)

    const counted = query<{ n: number }>(hubFile(), 'SELECT sum(alert_count) AS n FROM incident')[0]!.n
    expect(counted, 'incidents count each alert once').toBe(rows.alerts)
    const page = await demo.watcher.administrator.get<AlertPage>('/api/alerts?limit=200')
    expect(new Set(page.items.map(({ alertId }) => alertId)).size).toBe(page.items.length)
    const ids = seenBySocket.map(({ alertId }) => alertId)
    expect(new Set(ids).size, 'no alert is pushed twice').toBe(ids.length)
  }, 280_000)
})
