import { randomUUID } from 'node:crypto'
import type { Alert, AlertRecord, Incident } from '@patrolhub/protocol'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  alertRecord,
  eventually,
  incidentOf,
  ofKind,
  type People,
  type Person,
  startPeople,
  type TestEdge,
} from './support/people.ts'

const REGION = '410502003'
let hub: People
let edge: TestEdge
let operator: Person
beforeAll(async () => {
  hub = await startPeople()
  edge = await hub.edge(REGION)
  operator = await hub.person('operator', REGION)
})
afterAll(() => hub.close())

const START = Date.UTC(2026, 10, 22, 4)
const camera = () => `cam-${randomUUID().slice(0, 8)}`
const take = async (...alerts: AlertRecord[]) => (await hub.ingest(edge, ...alerts)).map(incidentOf)
const incident = async (id: string): Promise<Incident> =>
  (await hub.ask(operator, 'GET', `/api/incidents/${id}`)).json.incident

describe('correlation', () => {
  it('merges alerts of one device and rule that follow each other within the window, in any order', async () => {
    const deviceId = camera()
    const at = (seconds: number, more: Partial<AlertRecord> = {}) =>
      alertRecord(REGION, { deviceId, atMs: START + seconds * 1000, severity: 'minor', ...more })
    const ids = await take(
      at(0),
      at(299, { severity: 'critical' }),
      at(598),
      at(100),
      at(899),
      at(10, { rule: 'loitering' }),
      at(20, { isDrill: true }),
      at(30, { deviceId: camera() }),
    )
    expect(new Set(ids.slice(0, 4)).size).toBe(1)
    expect(new Set(ids.slice(3)).size, 'too late, another rule, a drill, another camera').toBe(5)
    expect(await incident(ids[0]!)).toMatchObject({
      alertCount: 4,
      severity: 'critical',
      openedAtMs: START,
      lastAlertAtMs: START + 598_000,
      isDrill: false,
    })
    expect(await incident(ids[6]!)).toMatchObject({ isDrill: true })
  })

  it('counts alerts and incidents by region as they are stored: not repeats, not what is refused', async () => {
    const { read } = hub.relational
    const tallies = () => read.selectFrom('region_tally').selectAll().orderBy('region').execute()
    const before = (await tallies()).find(({ region }) => region === REGION)
    const village = `${REGION}299`
    const [deviceId, other] = [camera(), camera()]
    const first = alertRecord(REGION, { deviceId })
    await take(first, alertRecord(REGION, { deviceId }), alertRecord(village, { deviceId: other }))
    await take(first, alertRecord(REGION, { deviceId }))
    expect(await hub.ingest(edge, alertRecord('410502004'))).toMatchObject([{ ok: false }])
    const after = await tallies()
    expect(after.find(({ region }) => region === REGION)).toEqual({
      region: REGION,
      alerts: (before?.alerts ?? 0) + 3,
      incidents: (before?.incidents ?? 0) + 1,
    })
    expect(after.find(({ region }) => region === village)).toEqual({
      region: village,
      alerts: 1,
      incidents: 1,
    })
    expect(after.find(({ region }) => region === '410502004')).toBeUndefined()
  })

  it('does not join an incident that has ended', async () => {
    const deviceId = camera()
    const [first] = await take(alertRecord(REGION, { deviceId }))
    await hub.ask(operator, 'POST', `/api/incidents/${first}/transitions`, { to: 'dismissed', note: 'a cat' })
    const [second] = await take(alertRecord(REGION, { deviceId }))
    expect(second).not.toBe(first)
  })

  it('keeps a repeated alert once and refuses what an edge may not say', async () => {
    const stranger = await hub.edge(REGION)
    const alert = alertRecord(REGION, { deviceId: camera() })
    const [id] = await take(alert)
    expect(await hub.ingest(edge, alert)).toMatchObject([{ ok: true, isRepeat: true, incidentId: id }])
    expect(await hub.ingest(stranger, alert)).toMatchObject([{ ok: false }])
    expect(await hub.ingest(edge, alertRecord('410502004'))).toMatchObject([{ ok: false }])
    expect((await incident(id!)).alertCount).toBe(1)
  })

  it('counts every alert exactly once whatever the order and however often it comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ gapSeconds: fc.integer({ min: 0, max: 700 }), repeat: fc.boolean() }), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.infiniteStream(fc.nat(1000)),
        async (steps, shuffle) => {
          const deviceId = camera()
          let atMs = START
          const alerts = steps.map(({ gapSeconds }) => {
            atMs += gapSeconds * 1000
            return alertRecord(REGION, { deviceId, atMs })
          })
          const sent = [...alerts, ...alerts.filter((_, index) => steps[index]!.repeat)]
          const order = sent.map((alert) => ({ alert, key: shuffle.next().value as number }))
          for (const { alert } of order.sort((a, b) => a.key - b.key)) await hub.ingest(edge, alert)
          const rows = await hub.relational.read
            .selectFrom('incident')
            .selectAll()
            .where('device_id', '=', deviceId)
            .execute()
          expect(rows.reduce((sum, row) => sum + row.alert_count, 0)).toBe(alerts.length)
          expect(new Set(rows.map((row) => row.number)).size).toBe(rows.length)
        },
      ),
      { numRuns: 15 },
    )
  })

  it('tells the screens of each alert, and of the incident once for all of them', async () => {
    const screen = await hub.listen(operator)
    const deviceId = camera()
    const alerts = [0, 1, 2].map((seconds) => alertRecord(REGION, { deviceId, atMs: START + seconds * 1000 }))
    await take(...alerts)
    await eventually(() => ofKind(screen.heard, 'incident').length > 0)
    expect(ofKind(screen.heard, 'alert').map((alert) => alert.alertId)).toEqual(alerts.map((a) => a.alertId))
    expect(ofKind(screen.heard, 'incident')).toMatchObject([{ alertCount: 3, deviceName: deviceId }])
  })
})

describe('lists', () => {
  it('page through alerts of the same millisecond without loss or repetition, while new ones come in', async () => {
    const village = `${REGION}201`
    const watcher = await hub.person('operator', village)
    const alerts = Array.from({ length: 23 }, (_, index) =>
      alertRecord(village, { deviceId: camera(), atMs: START + Math.floor(index / 9) }),
    )
    await hub.ingest(edge, ...alerts)
    const seen: Alert[] = []
    let before: string | undefined
    do {
      const page = await hub.ask(watcher, 'GET', `/api/alerts?limit=5${before ? `&before=${before}` : ''}`)
      expect(page.status).toBe(200)
      seen.push(...page.json.items)
      before = page.json.next
      await hub.ingest(edge, alertRecord(village, { deviceId: camera(), atMs: START + 5000 }))
    } while (before)
    expect(seen.map((alert) => alert.alertId).sort()).toEqual(alerts.map((alert) => alert.alertId).sort())
    expect(seen.map((alert) => alert.atMs)).toEqual(seen.map((alert) => alert.atMs).sort((a, b) => b - a))

    const states = async (state: string) =>
      (await hub.ask(watcher, 'GET', `/api/incidents?state=${state}&limit=200`)).json.items as Incident[]
    const [one] = await states('open')
    await hub.ask(watcher, 'POST', `/api/incidents/${one!.incidentId}/transitions`, {
      to: 'dismissed',
      note: 'no',
    })
    expect((await states('ended')).map((item) => item.incidentId)).toEqual([one!.incidentId])
    expect((await states('all')).length).toBe((await states('open')).length + 1)
  })

  it('refuse a place that no page has handed out', async () => {
    for (const query of ['before=x', 'before=1;drop', 'limit=0', 'limit=100000', 'limit=x']) {
      expect((await hub.ask(operator, 'GET', `/api/alerts?${query}`)).status, query).toBe(400)
    }
    expect((await hub.ask(operator, 'GET', '/api/incidents?state=wrong')).status).toBe(400)
  })
})

describe('a move', () => {
  it('is made by those whose role has the permission, in their scope, and by one of two at once', async () => {
    const [id] = await take(alertRecord(REGION, { deviceId: camera() }))
    const path = `/api/incidents/${id}/transitions`
    const attempt = async (who: Person) => (await hub.ask(who, 'POST', path, { to: 'accepted' })).status
    expect(await attempt(await hub.person('auditor', '4105'))).toBe(403)
    expect(await attempt(await hub.person('engineer', '4105'))).toBe(403)
    expect(await attempt(await hub.person('patroller', REGION))).toBe(403)
    expect(await attempt(await hub.person('operator', '410503'))).toBe(404)
    expect((await hub.ask(operator, 'POST', path, { to: 'handled' })).status, 'follows the dispatch').toBe(
      400,
    )
    const both = await Promise.all([attempt(operator), attempt(await hub.person('supervisor', '4105'))])
    expect(both.sort()).toEqual([200, 409])
  })
})
