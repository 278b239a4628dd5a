/** How long plates and passages stay, each by its own setting, and what an incident keeps of them. */
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDuckdb } from '../src/adapters/timeseries/duckdb.ts'
import { pointJobs } from '../src/analytics/point-upkeep.ts'
import type { Point, TimeSeries } from '../src/ports/timeseries.ts'
import {
  alertRecord,
  incidentOf,
  type People,
  type Person,
  startPeople,
  type TestEdge,
} from './support/people.ts'

const DAY_MS = 86_400_000
const REGION = '410502'
const nowMs = Date.now()
const at = (days: number) => nowMs - days * DAY_MS

let people: People
let store: TimeSeries
let edge: TestEdge
let supervisor: Person
beforeAll(async () => {
  people = await startPeople()
  edge = await people.edge(REGION)
  supervisor = await people.person('supervisor', REGION)
  store = await openDuckdb({ file: join(people.folder, 'points.duckdb'), log: pino({ level: 'silent' }) })
})
afterAll(async () => {
  await store?.close()
  await people?.close()
})

const vehicle = (deviceId: string, atMs: number): Point => ({
  measurement: 'passage',
  atMs,
  tieBreak: Math.floor(atMs / 1000) % 1000,
  edgeId: edge.edgeId,
  deviceId,
  region: REGION,
  series: '',
  labels: { plateHash: 'a'.repeat(64), plateCipher: '1.iv.text.tag' },
  fields: { lane: 1 },
})

/** What upkeep leaves of a checkpoint: age of each passage in days, with `P` while it has its plate. */
async function left(deviceId: string): Promise<string[]> {
  const keeping = {
    keepPassagesDays: 90,
    keepPlatesDays: 30,
    keepReadingsDays: 90,
    keepScoresDays: 90,
    keepHealthDays: 90,
    keepMinutesDays: 400,
    keepHoursDays: 400,
  }
  const log = pino({ level: 'silent' })
  const keptPassages = (beforeMs: number) => people.incidents.keptPassages(beforeMs)
  const jobs = pointJobs({ timeseries: store, keeping, isShared: false, keptPassages, log })
  for (const { run } of jobs) await run(nowMs)
  const passages = await store.latestPassages(deviceId, REGION, 20)
  return passages.map(({ atMs, hasPlate }) => `${Math.round((nowMs - atMs) / DAY_MS)}${hasPlate ? 'P' : ''}`)
}

it('a plate goes before its passage, and neither while an incident about it is open or held', async () => {
  await store.append([1, 40, 60, 100, 120].map((days) => vehicle('cp-1', at(days))))
  const alertAt = (days: number, rule: string) =>
    alertRecord(REGION, { deviceId: 'cp-1', deviceKind: 'checkpoint', rule, atMs: at(days) })
  const [held, open] = (
    await Promise.all([
      people.ingest(edge, alertAt(60, 'watch-list')),
      people.ingest(edge, alertAt(120, 'watch-list')),
    ])
  ).map(([outcome]) => incidentOf(outcome))
  // Tells of the checkpoint and not of a vehicle: keeps nothing.
  await people.ingest(edge, alertAt(100, 'signal-anomaly'))
  expect(await left('cp-1')).toEqual(['1P', '40', '60P', '120P'])

  const hold = (method: string, reason: string) =>
    people.ask(supervisor, method, `/api/incidents/${held}/hold`, { reason })
  const dismiss = (incidentId: string | undefined) =>
    people.ask(supervisor, 'POST', `/api/incidents/${incidentId}/transitions`, {
      to: 'dismissed',
      note: 'wrong',
    })
  expect((await hold('POST', 'court')).status).toBe(200)
  for (const incidentId of [held, open]) expect((await dismiss(incidentId)).status).toBe(200)
  expect(await left('cp-1')).toEqual(['1P', '40', '60P'])

  expect((await hold('DELETE', 'the court has decided')).status).toBe(200)
  expect(await left('cp-1')).toEqual(['1P', '40', '60'])
})
