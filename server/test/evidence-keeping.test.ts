/** How long evidence stays: retention, holds, sweeps; with real files, and what is left when something breaks. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeBackup } from '../src/backup/backup.ts'
import { evidenceFeature } from '../src/evidence/evidence-feature.ts'
import { EvidenceFiles } from '../src/evidence/evidence-files.ts'
import {
  alertRecord,
  eventually,
  incidentOf,
  jpeg,
  type People,
  type Person,
  sha256,
  snapshotRecord,
  startPeople,
  type TestEdge,
} from './support/people.ts'

const DAY_MS = 86_400_000
const KEEP_DAYS = 10

let hub: People
let edge: TestEdge
let supervisor: Person
let operator: Person
beforeAll(async () => {
  hub = await startPeople({ PATROLHUB_EVIDENCE_KEEP_DAYS: String(KEEP_DAYS) })
  edge = await hub.edge('410502')
  supervisor = await hub.person('supervisor', '410502')
  operator = await hub.person('operator', '410502')
})
afterAll(() => hub.close())

const placeOf = (hash: string) => join(hub.folder, 'evidence', hash.slice(0, 2), hash)
/** As if the file had been written then: the sweeps go by its age. */
async function age(hash: string, days: number): Promise<void> {
  const at = new Date(Date.now() - days * DAY_MS)
  await utimes(placeOf(hash), at, at)
}
const rowOf = (evidenceId: string) =>
  hub.relational.read
    .selectFrom('evidence')
    .selectAll()
    .where('evidence_id', '=', evidenceId)
    .executeTakeFirst()
const retainAfter = (days: number) => hub.evidence.runRetention(Date.now() + days * DAY_MS)
const sweepAfter = (days: number) => hub.evidence.removeSpareFiles(Date.now() + days * DAY_MS)
const hold = (method: 'POST' | 'DELETE', incidentId: string, reason: string, who = supervisor) =>
  hub.ask(who, method, `/api/incidents/${incidentId}/hold`, { reason })
const look = (evidenceId: string) => hub.ask(operator, 'GET', `/api/evidence/${evidenceId}`)

/** An incident with one stored snapshot. */
async function seen(options: { bytes?: Buffer; isEnded?: boolean } = {}) {
  const { bytes = jpeg(), isEnded = true } = options
  const alert = alertRecord('410502', { deviceId: `cam-${randomUUID().slice(0, 8)}` })
  const record = snapshotRecord(alert, bytes)
  const incidentId = incidentOf((await hub.ingest(edge, alert, record))[0])
  expect((await hub.upload(edge, record.evidenceId, bytes)).status).toBe(204)
  if (isEnded) {
    const body = { to: 'dismissed', note: 'a dog' }
    const moved = await hub.ask(operator, 'POST', `/api/incidents/${incidentId}/transitions`, body)
    expect(moved.status).toBe(200)
  }
  return { incidentId, alert, record, evidenceId: record.evidenceId, hash: record.sha256, bytes }
}

async function actionsOn(subject: string) {
  return hub.relational.read
    .selectFrom('audit')
    .select(['action', 'detail'])
    .where('subject', '=', subject)
    .execute()
}

describe('retention', () => {
  it('deletes what has had its time, keeps the row, and says so', async () => {
    const old = await seen()
    const open = await seen({ isEnded: false })
    expect((await retainAfter(KEEP_DAYS - 1)).deleted).toBe(0)
    const swept = await retainAfter(KEEP_DAYS + 1)
    expect(swept).toMatchObject({ deleted: 1, deletedBytes: old.bytes.length })
    expect(await rowOf(old.evidenceId)).toMatchObject({ stored_at_ms: null, sha256: old.hash })
    expect((await look(old.evidenceId)).json).toMatchObject({ code: 'HUB_EVIDENCE_DELETED' })
    expect((await look(old.evidenceId)).status).toBe(410)
    expect((await look(open.evidenceId)).status).toBe(200)
    const { json } = await hub.ask(operator, 'GET', `/api/incidents/${old.incidentId}`)
    expect(json.alerts[0].evidence[0]).toMatchObject({ isStored: false, deletedAtMs: expect.any(Number) })
    expect(json.incident.snapshotId).toBeUndefined()
    const entry = (await actionsOn('evidence')).find(({ action }) => action === 'evidence.expired')
    expect(JSON.parse(entry!.detail)).toMatchObject({
      count: 1,
      bytes: old.bytes.length,
      keepDays: KEEP_DAYS,
    })
    // An edge that sends it once more is told that it is done, and nothing is stored.
    expect((await hub.upload(edge, old.evidenceId, old.bytes)).status).toBe(204)
    expect((await look(old.evidenceId)).status).toBe(410)
    expect((await retainAfter(KEEP_DAYS + 1)).deleted, 'a second run').toBe(0)
  })

  it('counts from the last move of the incident', async () => {
    const one = await seen({ isEnded: false })
    await hub.relational.write
      .updateTable('evidence')
      .set({ stored_at_ms: Date.now() - 100 * DAY_MS })
      .where('evidence_id', '=', one.evidenceId)
      .execute()
    await hub.ask(operator, 'POST', `/api/incidents/${one.incidentId}/transitions`, {
      to: 'dismissed',
      note: 'a cat',
    })
    expect((await retainAfter(0)).deleted).toBe(0)
    expect((await look(one.evidenceId)).status).toBe(200)
  })

  it('removes a file a day after the last row that needs it, and never before', async () => {
    const bytes = jpeg()
    const [first, second] = [await seen({ bytes }), await seen({ bytes })]
    await hold('POST', second.incidentId, 'court')
    await retainAfter(KEEP_DAYS + 1)
    await sweepAfter(KEEP_DAYS + 3)
    expect((await look(first.evidenceId)).status).toBe(410)
    expect((await look(second.evidenceId)).bytes.equals(bytes), 'the other row needs the file').toBe(true)
    await hold('DELETE', second.incidentId, 'judged')
    await retainAfter(KEEP_DAYS + 1)
    await sweepAfter(KEEP_DAYS + 1.5)
    expect(existsSync(placeOf(first.hash)), 'a backup may still want it').toBe(true)
    expect(await sweepAfter(KEEP_DAYS + 2.5)).toBeGreaterThan(0)
    expect(existsSync(placeOf(first.hash))).toBe(false)
  })
})

describe('a hold', () => {
  it('keeps evidence beyond its time until it is released; both need a reason and are on the record', async () => {
    const one = await seen()
    expect((await hold('POST', one.incidentId, 'x', operator)).status).toBe(403)
    expect((await hold('POST', one.incidentId, '  ')).status).toBe(400)
    expect((await hold('DELETE', one.incidentId, 'why')).status, 'not held').toBe(409)
    const stranger = await hub.person('supervisor', '410503')
    expect((await hold('POST', one.incidentId, 'x', stranger)).status).toBe(404)
    const held = await hold('POST', one.incidentId, ' asked for by the court ')
    expect([held.status, held.json.incident.holdReason]).toEqual([200, 'asked for by the court'])
    expect((await hold('POST', one.incidentId, 'again')).status).toBe(409)
    await retainAfter(KEEP_DAYS + 1)
    expect((await look(one.evidenceId)).status).toBe(200)
    expect((await hub.ask(supervisor, 'DELETE', `/api/incidents/${one.incidentId}/hold`)).status).toBe(400)
    const released = await hold('DELETE', one.incidentId, 'case closed')
    expect(released.json.incident.holdReason).toBeUndefined()
    await retainAfter(KEEP_DAYS + 1)
    expect((await look(one.evidenceId)).status).toBe(410)
    const entries = (await actionsOn(`incident:${one.incidentId}`)).filter(
      ({ action }) => action !== 'incident.moved',
    )
    expect(entries.map(({ action, detail }) => [action, JSON.parse(detail).reason])).toEqual([
      ['incident.held', 'asked for by the court'],
      ['incident.released', 'case closed'],
    ])
  })

  it('is told to the screens', async () => {
    const one = await seen()
    const screen = await hub.listen(operator)
    await hold('POST', one.incidentId, 'appeal')
    await eventually(() =>
      screen.heard.some(
        ({ event, payload }) =>
          event === 'incident' && (payload as { holdReason?: string }).holdReason === 'appeal',
      ),
    )
  })
})

describe('the sweeps', () => {
  it('find the file of a transaction that failed, once it is old', async () => {
    const bytes = jpeg()
    const hash = sha256(bytes)
    // The hub died between the file and the row.
    await mkdir(join(hub.folder, 'evidence', hash.slice(0, 2)), { recursive: true })
    await writeFile(placeOf(hash), bytes)
    await sweepAfter(0)
    expect(existsSync(placeOf(hash)), 'it may be an upload just now').toBe(true)
    await age(hash, 2)
    expect(await hub.evidence.keepFilesDuring(() => sweepAfter(0)), 'not while a backup runs').toBe(0)
    await sweepAfter(0)
    expect(existsSync(placeOf(hash))).toBe(false)
  })

  it('let go of bytes without a record after a day; a record that comes late still finds them for a day', async () => {
    const [lost, late] = [jpeg(), jpeg()]
    const ids = [randomUUID(), randomUUID()]
    for (const [index, bytes] of [lost, late].entries()) {
      expect((await hub.upload(edge, ids[index]!, bytes)).status).toBe(204)
      await age(sha256(bytes), 3)
    }
    expect((await retainAfter(0.9)).uploadsLetGo).toBe(0)
    expect((await retainAfter(1.1)).uploadsLetGo).toBe(2)
    await sweepAfter(1.2)
    const alert = alertRecord('410502', { deviceId: `cam-${randomUUID().slice(0, 8)}` })
    await hub.ingest(edge, alert, snapshotRecord(alert, late, { evidenceId: ids[1]! }))
    expect((await look(ids[1]!)).bytes.equals(late)).toBe(true)
    await retainAfter(2.3)
    await sweepAfter(2.4)
    expect(await rowOf(ids[0]!)).toBeUndefined()
    expect(existsSync(placeOf(sha256(lost)))).toBe(false)
    expect(existsSync(placeOf(sha256(late)))).toBe(true)
  })

  it('mark records whose bytes never came, and take them when they come after all', async () => {
    const bytes = jpeg()
    const alert = alertRecord('410502', { deviceId: `cam-${randomUUID().slice(0, 8)}` })
    const record = snapshotRecord(alert, bytes)
    await hub.ingest(edge, alert, record)
    expect((await retainAfter(6)).missing).toBe(0)
    expect((await retainAfter(8)).missing).toBe(1)
    expect(await hub.evidence.countMissing()).toBe(1)
    expect((await look(record.evidenceId)).status).toBe(404)
    expect((await hub.upload(edge, record.evidenceId, bytes)).status).toBe(204)
    expect(await hub.evidence.countMissing()).toBe(0)
    expect((await look(record.evidenceId)).bytes.equals(bytes)).toBe(true)
  })

  it('of two hubs on one folder, while the same content is uploaded again and again, lose nothing', async () => {
    const other = evidenceFeature({
      config: hub.config,
      relational: hub.relational,
      audit: hub.audit,
      changes: hub.changes,
      log: hub.app.log as never,
      snapshotStored: async () => undefined,
    })
    const bytes = jpeg()
    const hash = sha256(bytes)
    let isDone = false
    const sweeping = [hub.evidence, other].map(async (evidence) => {
      // Everything is old to them, so that what is kept is kept by its row alone.
      while (!isDone) await evidence.removeSpareFiles(Date.now() + 100 * DAY_MS)
    })
    const kept: string[] = []
    for (let round = 0; round < 20; round++) {
      const evidenceId = randomUUID()
      const { status } = await hub.upload(edge, evidenceId, bytes)
      // A sweep came between the file and its row: refused, and the edge sends it again.
      if (status === 500) continue
      expect(status).toBe(204)
      kept.push(evidenceId)
      expect(existsSync(placeOf(hash)), 'a row says that it is stored').toBe(true)
      await hub.relational.write.deleteFrom('evidence').where('evidence_id', '=', evidenceId).execute()
    }
    isDone = true
    await Promise.all(sweeping)
    expect(kept.length).toBeGreaterThan(0)
  })

  it('leave alone what is not evidence', async () => {
    const strange = join(hub.folder, 'evidence', 'ab')
    await mkdir(strange, { recursive: true })
    await writeFile(join(strange, 'notes.txt'), 'mine')
    await sweepAfter(100)
    expect(existsSync(join(strange, 'notes.txt'))).toBe(true)
  })
})

describe('a backup', () => {
  it('holds what is kept, and does not miss what has had its time', async () => {
    const [kept, gone] = [await seen({ isEnded: false }), await seen()]
    await retainAfter(KEEP_DAYS + 1)
    await sweepAfter(KEEP_DAYS + 3)
    expect(existsSync(placeOf(gone.hash))).toBe(false)
    const to = await mkdtemp(join(tmpdir(), 'patrolhub-keeping-'))
    try {
      const timeseries = { copyTo: async () => undefined } as never
      const manifest = await writeBackup({ config: hub.config, relational: hub.relational, timeseries }, to)
      expect(manifest.damaged).toEqual([])
      const paths = manifest.files.map(({ path }) => path)
      expect(paths).toContain(`evidence/${kept.hash.slice(0, 2)}/${kept.hash}`)
      expect(paths.join()).not.toContain(gone.hash)
    } finally {
      await rm(to, { recursive: true, force: true })
    }
  })
})

describe('files', () => {
  it('that are not there are not removed, and not had', async () => {
    const files = new EvidenceFiles(join(hub.folder, 'evidence'))
    const hash = sha256(jpeg())
    expect([await files.has(hash), await files.removeOlder(hash, Date.now())]).toEqual([false, false])
  })
})
