/**
 * The record of a long time: how quick the auditor's searches are, and what sealing, exporting and checking cost.
 * `npm run bench -- record [--entries 1000000]`; SQLite in a fresh folder.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import type { Principal } from '../../server/src/access/principal.ts'
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import { auditFeature } from '../../server/src/audit/audit-feature.ts'
import { searchEntries } from '../../server/src/audit/audit-search.ts'
import { CHAIN_START, canonicalJson, entryHash } from '../../server/src/audit/chain.ts'
import { verifyFile, writeRecord } from '../../server/src/audit/record-file.ts'
import { Sealer } from '../../server/src/audit/sealer.ts'
import { loadConfig } from '../../server/src/config.ts'
import { searchViewings } from '../../server/src/streams/viewing-search.ts'
import { report, spreadOf } from '../support/bench.ts'

const { values } = parseArgs({ options: { entries: { type: 'string', default: '300000' } } })
const ENTRIES = Number(values.entries)
const PEOPLE = 500
const CAMERAS = 3000
const BEGAN_MS = 1_790_000_000_000
const EVERY_MS = 20_000
const DAY_MS = 86_400_000
const RUNS = 5

/** Entries that are chained as the hub chains them, two a viewing, and some changes of roles between. */
function fill(file: string): void {
  const db = new DatabaseSync(file)
  db.exec('pragma foreign_keys = off; begin')
  const person = db.prepare(
    `insert into user_account (user_id, username, display_name, password_hash, must_change_password, role, scope, is_disabled, created_at_ms)
     values (?, ?, ?, '', 0, 'operator', ?, 0, 0)`,
  )
  const regionOf = (index: number) =>
    `4105${String(index % 5).padStart(2, '0')}${String(index % 20).padStart(3, '0')}`
  for (let index = 0; index < PEOPLE; index++) {
    person.run(`u${index}`, `user${index}`, `Person ${index}`, regionOf(index))
  }
  const entry = db.prepare('insert into audit values (?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const viewing = db.prepare(
    `insert into viewing (viewing_id, grant_id, user_id, camera_id, opened_at_ms, closed_at_ms, bytes, why_closed, hub_id, region, purpose, incident_id, seconds)
     values (?, 'g', ?, ?, ?, ?, 1000000, 'player left', 'h', ?, ?, null, 40)`,
  )
  const mark = db.prepare('insert into viewing_mark values (?, ?, null, null)')
  let previousHash = CHAIN_START
  for (let seq = 1; seq <= ENTRIES; seq++) {
    const isOpening = seq % 2 === 1
    const cameraId = `cam-${seq % CAMERAS}`
    const action = seq % 1000 === 0 ? 'role.changed' : isOpening ? 'viewing.opened' : 'viewing.closed'
    const who = (seq * 7) % PEOPLE
    const viewingId = `v${seq}`
    const detail = {
      viewingId,
      grantId: `g${seq}`,
      ...(isOpening ? {} : { bytes: 1_000_000, why: 'player left' }),
    }
    const fields = {
      seq,
      atMs: BEGAN_MS + seq * EVERY_MS,
      actorId: `u${who}`,
      actorName: `Person ${who}`,
      action,
      subject: `camera:${cameraId}`,
      detail,
    }
    const hash = entryHash(fields, previousHash)
    const { atMs, actorId, actorName, subject } = fields
    entry.run(seq, atMs, actorId, actorName, action, subject, canonicalJson(detail), previousHash, hash)
    previousHash = hash
    const purpose = seq % 50_000 === 0 ? 'other' : 'alert_check'
    viewing.run(viewingId, actorId, cameraId, atMs, atMs + 40_000, regionOf(seq), purpose)
    if (seq % 40 === 0) mark.run(viewingId, seq % 30_000 === 0 ? 'off-duty' : 'no-incident')
  }
  db.exec('commit')
  db.close()
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const beganMs = performance.now()
  const result = await work()
  return { ms: performance.now() - beganMs, result }
}

const folder = await mkdtemp(join(tmpdir(), 'patrolhub-bench-record-'))
const config = loadConfig({ env: { PATROLHUB_DATA_DIR: folder } })
const log = pino({ level: 'silent' })
const relational = await openRelational(config, log)
try {
  fill(join(folder, 'hub.sqlite'))
  const { read } = relational
  const sealer = new Sealer({ config, relational, audit: auditFeature({ config, relational }), log })
  const sealed = await timed(() => sealer.seal())
  const file = join(folder, 'record.jsonl')
  const key = await sealer.key()
  const exported = await timed(() =>
    writeRecord(read, { file, span: { fromMs: undefined, toMs: undefined }, key, nowMs: BEGAN_MS }),
  )
  const checked = await timed(() => verifyFile(file, { keyId: key.keyId }))
  if (!checked.result.ok) throw new Error(checked.result.reason)

  const oldDay = { fromMs: BEGAN_MS, toMs: BEGAN_MS + DAY_MS }
  const whoOf = (scope: string) => ({ scope }) as Principal
  const entries = (scope: string, terms: object) => () =>
    searchEntries(read, whoOf(scope), {
      terms,
      limit: 100,
      before: Number.MAX_SAFE_INTEGER,
      rootScope: '4105',
    })
  const viewings = (scope: string, terms: object) => () =>
    searchViewings(read, whoOf(scope), { terms, limit: 100, before: undefined, nowMs: BEGAN_MS })
  const searches: Record<string, () => Promise<unknown>> = {
    'entries, whole hub': entries('4105', {}),
    'entries, a county': entries('410502', {}),
    'entries, a township': entries('410502007', {}),
    'entries of a person': entries('4105', { person: 'user77' }),
    'entries of a rare kind': entries('4105', { kind: 'role' }),
    'entries of no kind': entries('4105', { kind: 'nothing' }),
    'entries of a camera': entries('4105', { camera: 'cam-77' }),
    'entries of the oldest day': entries('4105', oldDay),
    'viewings, whole hub': viewings('4105', {}),
    'viewings, a county': viewings('410502', {}),
    'viewings, a township': viewings('410502007', {}),
    'viewings of a person': viewings('4105', { person: 'user77' }),
    'viewings of a camera': viewings('4105', { camera: 'cam-77' }),
    'viewings for a rare purpose': viewings('4105', { purpose: 'other' }),
    'viewings with any mark': viewings('4105', { mark: 'any' }),
    'viewings with a rare mark': viewings('4105', { mark: 'off-duty' }),
    'viewings with a rare mark, a township': viewings('410502007', { mark: 'off-duty' }),
    'viewings of the oldest day': viewings('4105', oldDay),
  }
  const searchMs: Record<string, number | null> = {}
  for (const [name, search] of Object.entries(searches)) {
    const times: number[] = []
    for (let run = 0; run < RUNS; run++) times.push((await timed(search)).ms)
    searchMs[name] = Math.round((spreadOf(times).p50 ?? 0) * 10) / 10
    console.log(`${name}: ${searchMs[name]} ms`)
  }
  const perSecond = ({ ms }: { ms: number }) => Math.round((ENTRIES / ms) * 1000)
  const figures = {
    entries: ENTRIES,
    firstSealEntriesPerSecond: perSecond(sealed),
    exportEntriesPerSecond: perSecond(exported),
    verifyEntriesPerSecond: perSecond(checked),
    exportBytesPerEntry: Math.round((await stat(file)).size / ENTRIES),
    searchMs,
  }
  report('record', figures, [])
} finally {
  await relational.close()
  await rm(folder, { recursive: true, force: true })
}
