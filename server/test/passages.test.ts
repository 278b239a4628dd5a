/** The search of passages in a whole hub: who finds what, what is on the record, and what never is. */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRelational } from '../src/adapters/relational/open.ts'
import type { Relational } from '../src/ports/relational.ts'
import { addAccount, askAs, openSession } from './support/accounts.ts'
import { EdgeClient, passage } from './support/edge-client.ts'
import { silent, startTestHub, type TestHub } from './support/hub.ts'

const KEY = '5e'.repeat(32)
const T0 = Date.UTC(2026, 10, 22, 8)
const hashOf = (plate: string) => createHmac('sha256', Buffer.from(KEY, 'hex')).update(plate).digest('hex')
const SPAN = { fromMs: T0, toMs: T0 + 3_600_000 }
const WHY = { purpose: 'incident_handling', reason: 'hit and run at the north gate' }

let hub: TestHub
let relational: Relational

beforeAll(async () => {
  hub = await startTestHub({
    PATROLHUB_PLATE_HASH_KEY: KEY,
    PATROLHUB_PLATE_READS_PER_HOUR: '2',
  })
  relational = await openRelational(hub.config, silent)
  for (const [edgeId, region] of [
    ['edge-1', '410502003'],
    ['edge-2', '410503001'],
  ] as const) {
    const token = await hub.addEdge(edgeId, region)
    const edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId, token })
    const deviceId = `gate-${edgeId.at(-1)}`
    await edge.hello({
      region,
      checkpoints: [{ checkpointId: deviceId, name: `=Gate ${deviceId}`, region, lanes: 2 }],
    })
    const records = Array.from({ length: 30 }, (_, index) =>
      passage(0, {
        ...{ deviceId, region, atMs: T0 + index * 1000, lane: 1 + (index % 2) },
        vehicleClass: index % 3 === 0 ? 'H11' : 'K33',
        plateHash: hashOf(index === 7 || index === 8 ? '豫E12345' : `豫E000${10 + index}`),
        plateCipher: '1.iv.text.tag',
      }),
    )
    await edge.send('measurements', 1, records)
    await edge.cursor(({ stream, upTo }) => stream === 'measurements' && upTo === records.length)
    await edge.close()
  }
})
afterAll(async () => {
  await relational?.close()
  await hub?.close()
})

async function person(role: string, scope: string, isOnDuty = true) {
  const { userId } = await addAccount(relational, { role, scope, isOnDuty })
  const { cookie } = await openSession(relational, userId)
  const ask = (method: string, path: string, body?: object) => askAs(cookie, hub.url + path, method, body)
  const search = (terms: Record<string, string | number>, path = '') =>
    ask(
      'GET',
      `/api/passages${path}?${new URLSearchParams(Object.entries({ ...SPAN, ...terms }).map(([name, value]) => [name, String(value)]))}`,
    )
  const ofPlate = (body: object, path = '') =>
    ask('POST', `/api/passages/by-plate${path}`, { ...SPAN, ...WHY, ...body })
  return { userId, ask, search, ofPlate }
}

const entriesOf = async (userId: string) => {
  const rows = await relational.read
    .selectFrom('audit')
    .select(['action', 'subject', 'detail'])
    .where('actor_id', '=', userId)
    .orderBy('seq')
    .execute()
  return rows.map(({ detail, ...rest }) => ({ ...rest, detail: JSON.parse(detail) }))
}

describe('the search of passages', () => {
  it('finds by time, place and what was measured, in pages that nothing moves, without plates', async () => {
    const operator = await person('operator', '4105')
    const first = await operator.search({ lane: 1, vehicleClass: 'H', limit: 4 })
    expect(first.status).toBe(200)
    expect(first.json.items).toHaveLength(4)
    expect(first.json.items[0]).toMatchObject({
      lane: 1,
      vehicleClass: 'H11',
      hasPlate: true,
      atMs: T0 + 24_000,
    })
    const rest = await operator.search({ lane: 1, vehicleClass: 'H', limit: 100, before: first.json.next })
    expect(rest.json.next).toBeUndefined()
    const all = [...first.json.items, ...rest.json.items]
    expect(all.map(({ atMs, checkpointId }) => [(atMs - T0) / 1000, checkpointId])).toEqual(
      [24, 18, 12, 6, 0].flatMap((second) => [
        [second, 'gate-2'],
        [second, 'gate-1'],
      ]),
    )
    expect(first.text + rest.text).not.toContain('plateHash')
    expect(first.text + rest.text).not.toContain('text.tag')
    const one = await operator.search({ checkpointId: 'gate-2', toMs: T0 + 3000 })
    expect(one.json.items).toHaveLength(3)
    expect(one.json.items[0]).toMatchObject({ checkpointName: '=Gate gate-2', region: '410503001' })
    expect(await entriesOf(operator.userId)).toEqual([])
  })

  it('stays inside the scope, and says what does not fit', async () => {
    const operator = await person('operator', '410502')
    const { json } = await operator.search({ limit: 500 })
    expect(new Set(json.items.map((item: { checkpointId: string }) => item.checkpointId))).toEqual(
      new Set(['gate-1']),
    )
    expect((await operator.search({ checkpointId: 'gate-2' })).json.items).toEqual([])
    expect((await operator.search({ region: '410503' })).status).toBe(403)
    expect((await operator.search({ toMs: T0 })).json.details).toEqual([
      '/toMs: has to be after fromMs, by at most 31 days',
    ])
    expect((await operator.search({ toMs: T0 + 32 * 86_400_000 })).status).toBe(400)
    expect((await operator.search({ before: 'nonsense' })).status).toBe(400)
    expect((await operator.search({ vehicleClass: 'H.*' })).status).toBe(400)
    expect((await (await person('patroller', '410502')).search({})).status).toBe(403)
  })

  it('exports what was found with an entry of the record, and no cell that a spreadsheet takes for a formula', async () => {
    const operator = await person('operator', '410502')
    const { status, text, headers } = await operator.search({ lane: 2, format: 'csv' }, '/export')
    expect(status).toBe(200)
    expect(headers.get('content-disposition')).toBe('attachment; filename="passages.csv"')
    const lines = text.trim().split('\n')
    expect(lines).toHaveLength(16)
    expect(lines[0]).toContain('time,checkpoint,checkpoint_id,region,lane,speed_kmh,vehicle_class')
    expect(lines[1]).toContain("2026-11-22 16:00:29,'=Gate gate-1,gate-1,410502003,2,40,K33")
    expect(await entriesOf(operator.userId)).toMatchObject([
      { action: 'passage.exported', detail: { lane: 2, format: 'csv', rows: 15, fromMs: T0 } },
    ])
  })
})

describe('the passages of one plate', () => {
  it('are found with a reason, on the record without plate and hash; the pages of one search count once', async () => {
    const supervisor = await person('supervisor', '4105')
    const first = await supervisor.ofPlate({ plate: '豫E·12345', limit: 3 })
    expect(first.status).toBe(200)
    const rest = await supervisor.ofPlate({ plate: ' 豫e12345', limit: 3, before: first.json.next })
    const found = [...first.json.items, ...rest.json.items]
    expect(found.map(({ atMs, checkpointId }) => [(atMs - T0) / 1000, checkpointId])).toEqual([
      [8, 'gate-2'],
      [8, 'gate-1'],
      [7, 'gate-2'],
      [7, 'gate-1'],
    ])
    const entries = await entriesOf(supervisor.userId)
    expect(entries).toMatchObject([{ action: 'plate.searched', detail: { ...WHY, ...SPAN, results: 3 } }])
    expect(JSON.stringify(entries)).not.toMatch(/12345|[0-9a-f]{64}/)
    const taken = await supervisor.ofPlate({ plate: '豫E12345', format: 'csv' }, '/export')
    expect(taken.text.trim().split('\n')).toHaveLength(5)
    expect((await entriesOf(supervisor.userId)).at(-1)).toMatchObject({
      action: 'passage.exported',
      detail: { ofOnePlate: true, rows: 4, reason: WHY.reason },
    })
    // The second plate of the hour, and one too many.
    expect((await supervisor.ofPlate({ plate: '豫E00011' })).status).toBe(200)
    const tooMany = await supervisor.ofPlate({ plate: '豫E00012' })
    expect(tooMany.status).toBe(429)
    expect(Number(tooMany.headers.get('retry-after'))).toBeGreaterThan(3000)
    expect((await entriesOf(supervisor.userId)).at(-1)).toMatchObject({ action: 'plate.refused' })
  })

  it('are for who may, on duty, in the scope, for a whole plate and a reason', async () => {
    const plate = '豫E12345'
    const supervisor = await person('supervisor', '410502')
    const { json } = await supervisor.ofPlate({ plate })
    expect(json.items.map((item: { checkpointId: string }) => item.checkpointId)).toEqual([
      'gate-1',
      'gate-1',
    ])
    expect((await supervisor.ofPlate({ plate, region: '4105' })).status).toBe(403)
    expect((await supervisor.ofPlate({ plate: '豫E12?45' })).json.details).toEqual([
      '/plate: is no whole plate',
    ])
    expect((await supervisor.ofPlate({ plate, reason: '' })).status).toBe(400)
    const incidentId = '00000000-0000-4000-8000-000000000000'
    expect((await supervisor.ofPlate({ plate, incidentId })).status).toBe(404)
    expect((await (await person('operator', '4105')).ofPlate({ plate })).status).toBe(403)
    expect((await (await person('supervisor', '4105', false)).ofPlate({ plate })).status).toBe(403)
  })
})
