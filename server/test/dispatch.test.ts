import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Dispatch, Incident } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  alertRecord,
  eventually,
  incidentOf,
  jpeg,
  ofKind,
  type People,
  type Person,
  snapshotRecord,
  startPeople,
} from './support/people.ts'

let hub: People
beforeAll(async () => {
  hub = await startPeople()
})
afterAll(() => hub.close())

async function makeTeam(region: string): Promise<string> {
  const administrator = await hub.person('administrator', '4105')
  const { status, json } = await hub.ask(administrator, 'POST', '/api/teams', {
    name: 'Night patrol',
    region,
    kind: 'professional',
  })
  expect(status).toBe(201)
  return json.teamId
}

async function report(region: string): Promise<string> {
  const edge = await hub.edge(region)
  const [outcome] = await hub.ingest(
    edge,
    alertRecord(region, { deviceId: `cam-${randomUUID().slice(0, 8)}` }),
  )
  return incidentOf(outcome)
}

async function send(operator: Person, incidentId: string, teamId: string): Promise<Dispatch> {
  const { status, json } = await hub.ask(operator, 'POST', `/api/incidents/${incidentId}/dispatches`, {
    teamId,
    instruction: 'look at the fence',
  })
  expect(status, JSON.stringify(json)).toBe(201)
  return json
}

describe('an incident', () => {
  it('goes the whole way from the alert over the dispatch to closed, and everybody concerned hears of it', async () => {
    const region = '410502003'
    const teamId = await makeTeam(region)
    const operator = await hub.person('operator', '410502')
    const patroller = await hub.person('patroller', region, { teamIds: [teamId] })
    const screen = await hub.listen(operator)
    const phone = await hub.listen(patroller)
    const edge = await hub.edge(region)

    const bytes = jpeg()
    const alert = alertRecord(region, { deviceId: 'cam-way', severity: 'critical' })
    const snapshot = snapshotRecord(alert, bytes)
    await hub.ingest(edge, alert, snapshot)
    await eventually(() => ofKind(screen.heard, 'alert').length === 1)
    expect(ofKind(screen.heard, 'alert')[0]).toMatchObject({ alertId: alert.alertId, reason: alert.reason })
    expect((await hub.upload(edge, snapshot.evidenceId, bytes)).status).toBe(204)
    await eventually(() => ofKind(screen.heard, 'evidence').length === 1)
    await eventually(() => ofKind(screen.heard, 'incident').at(-1)?.snapshotId === snapshot.evidenceId)
    const incident = ofKind(screen.heard, 'incident').at(-1) as Incident
    expect(incident).toMatchObject({ state: 'reported', severity: 'critical', alertCount: 1, region })
    expect(incident.number).toMatch(/^\d{8}-\d{4}$/)
    expect(phone.heard, 'a patroller hears nothing before they are sent').toEqual([])

    const move = (to: string, note?: string) =>
      hub.ask(operator, 'POST', `/api/incidents/${incident.incidentId}/transitions`, {
        to,
        ...(note ? { note } : {}),
      })
    expect((await move('accepted')).json.incident.state).toBe('accepted')
    expect((await move('accepted')).status, 'not twice').toBe(409)
    expect((await move('verified')).status, 'nothing to verify yet').toBe(409)

    const dispatch = await send(operator, incident.incidentId, teamId)
    expect(dispatch.acknowledgeByMs - dispatch.createdAtMs).toBe(2 * 60_000)
    expect(dispatch.arriveByMs - dispatch.createdAtMs).toBe(10 * 60_000)
    await eventually(() => ofKind(phone.heard, 'dispatch').length === 1)
    expect(ofKind(phone.heard, 'dispatch')[0]).toMatchObject({
      dispatchId: dispatch.dispatchId,
      state: 'assigned',
      instruction: 'look at the fence',
      incident: { state: 'assigned', snapshotId: snapshot.evidenceId },
    })

    const path = `/api/dispatches/${dispatch.dispatchId}`
    const list = await hub.ask(patroller, 'GET', '/api/dispatches?state=open')
    expect(list.json.items.map((item: Dispatch) => item.dispatchId)).toEqual([dispatch.dispatchId])
    expect((await hub.ask(patroller, 'GET', `${path}/alerts`)).json.items[0].alertId).toBe(alert.alertId)
    const picture = await hub.ask(patroller, 'GET', `/api/evidence/${snapshot.evidenceId}`)
    expect(picture.bytes.equals(bytes)).toBe(true)

    const clip = Buffer.from('\0\0\0\x18ftypisom')
    const clipRecord = snapshotRecord(alert, clip, { role: 'clip', mime: 'video/mp4' })
    await hub.ingest(edge, clipRecord)
    await hub.upload(edge, clipRecord.evidenceId, clip, { 'content-type': 'video/mp4' })
    const clipFor = async (who: Person) =>
      (await hub.ask(who, 'GET', `/api/evidence/${clipRecord.evidenceId}`)).status
    expect([await clipFor(operator), await clipFor(patroller)], 'clips stay in the control room').toEqual([
      200, 404,
    ])

    for (const state of ['acknowledged', 'en_route', 'on_scene']) {
      const { status, json } = await hub.ask(patroller, 'POST', `${path}/steps`, { state })
      expect(status).toBe(200)
      expect([json.state, json.incident.state]).toEqual([state, state])
    }
    expect(
      (await hub.ask(patroller, 'POST', `${path}/steps`, { state: 'en_route' })).status,
      'never back',
    ).toBe(409)
    const photo = jpeg()
    const added = await hub.ask(patroller, 'POST', `${path}/photos`, photo, 'image/jpeg')
    expect([added.status, added.json.role, added.json.isStored]).toEqual([201, 'photo', true])
    expect(
      (await hub.ask(patroller, 'POST', `${path}/steps`, { state: 'closed' })).status,
      'needs a note',
    ).toBe(400)
    const closed = await hub.ask(patroller, 'POST', `${path}/steps`, {
      state: 'closed',
      note: 'nobody there',
    })
    expect([closed.json.state, closed.json.incident.state]).toEqual(['closed', 'handled'])
    expect(closed.json.photos.map((one: { evidenceId: string }) => one.evidenceId)).toEqual([
      added.json.evidenceId,
    ])
    const late = await hub.ask(patroller, 'POST', `${path}/photos`, photo, 'image/jpeg')
    expect([late.status, late.json.code]).toEqual([409, 'HUB_CONFLICT'])

    expect(
      (await hub.ask(operator, 'GET', `/api/evidence/${added.json.evidenceId}`)).bytes.equals(photo),
    ).toBe(true)
    const handled = await hub.ask(operator, 'GET', `/api/incidents/${incident.incidentId}`)
    expect(handled.json.allowed).toEqual(['accepted', 'verified', 'dismissed'])
    expect((await move('verified')).json.incident.state).toBe('verified')
    const end = (await move('closed', 'all good')).json
    expect(end.incident.state).toBe('closed')
    expect(end.allowed).toEqual([])
    expect(end.transitions.map((one: { to: string }) => one.to)).toEqual([
      'reported',
      'accepted',
      'assigned',
      'acknowledged',
      'en_route',
      'on_scene',
      'handled',
      'verified',
      'closed',
    ])
    await eventually(() => ofKind(screen.heard, 'incident').at(-1)?.state === 'closed')
    expect(ofKind(screen.heard, 'dispatch').at(-1)?.state).toBe('closed')
    const entries = await hub.relational.read.selectFrom('audit').select('action').execute()
    for (const action of [
      'incident.moved',
      'dispatch.created',
      'dispatch.moved',
      'photo.added',
      'evidence.viewed',
    ]) {
      expect(entries.map((entry) => entry.action)).toContain(action)
    }
    expect(await hub.audit.verify()).toMatchObject({ ok: true, entries: entries.length })
  })

  it('is handled only when the last team has closed', async () => {
    const teams = [await makeTeam('410502'), await makeTeam('410502')]
    const operator = await hub.person('operator', '4105')
    const incidentId = await report('410502')
    const dispatches = [
      await send(operator, incidentId, teams[0]!),
      await send(operator, incidentId, teams[1]!),
    ]
    const states: string[] = []
    for (const [index, dispatch] of dispatches.entries()) {
      const patroller = await hub.person('patroller', '410502', { teamIds: [teams[index]!] })
      const { json } = await hub.ask(patroller, 'POST', `/api/dispatches/${dispatch.dispatchId}/steps`, {
        state: 'closed',
        note: 'done',
      })
      states.push(json.incident.state)
    }
    expect(states).toEqual(['assigned', 'handled'])
    const again = await hub.ask(operator, 'POST', `/api/incidents/${incidentId}/dispatches`, {
      teamId: teams[0],
    })
    expect([again.status, again.json.details]).toEqual([409, ['state: handled']])
  })

  it('that is dismissed needs a reason and recalls the team', async () => {
    const teamId = await makeTeam('410502')
    const operator = await hub.person('operator', '4105')
    const patroller = await hub.person('patroller', '410502', { teamIds: [teamId] })
    const incidentId = await report('410502')
    const dispatch = await send(operator, incidentId, teamId)
    const phone = await hub.listen(patroller)
    const move = (body: object) => hub.ask(operator, 'POST', `/api/incidents/${incidentId}/transitions`, body)
    expect((await move({ to: 'dismissed' })).status).toBe(400)
    expect((await move({ to: 'dismissed', note: '  ' })).status).toBe(400)
    expect((await move({ to: 'dismissed', note: 'a cat' })).json.incident.state).toBe('dismissed')
    await eventually(() => ofKind(phone.heard, 'dispatch').at(-1)?.state === 'closed')
    expect(ofKind(phone.heard, 'dispatch').at(-1)?.steps.at(-1)).toMatchObject({
      state: 'closed',
      note: 'a cat',
    })
    const step = await hub.ask(patroller, 'POST', `/api/dispatches/${dispatch.dispatchId}/steps`, {
      state: 'en_route',
    })
    expect(step.status).toBe(409)
  })
})

describe('a dispatch', () => {
  it('is acknowledged by one of two who do it at once; the other learns how it stands', async () => {
    const teamId = await makeTeam('410502')
    const operator = await hub.person('operator', '4105')
    for (let round = 0; round < 10; round++) {
      const two = [
        await hub.person('patroller', '410502', { teamIds: [teamId] }),
        await hub.person('patroller', '410502', { teamIds: [teamId] }),
      ]
      const dispatch = await send(operator, await report('410502'), teamId)
      const answers = await Promise.all(
        two.map((who) =>
          hub.ask(who, 'POST', `/api/dispatches/${dispatch.dispatchId}/steps`, { state: 'acknowledged' }),
        ),
      )
      expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409])
      const lost = answers.find((answer) => answer.status === 409)
      expect(lost?.json.code).toBe('HUB_CONFLICT')
      expect(lost?.json.details[0]).toBe('state: acknowledged')
      const { json } = await hub.ask(operator, 'GET', `/api/dispatches/${dispatch.dispatchId}`)
      expect(json.steps.map((step: { state: string }) => step.state)).toEqual(['assigned', 'acknowledged'])
    }
  })

  it('of another team does not exist for a patroller, neither do its incident, alerts, photos and pictures', async () => {
    const [mine, other] = [await makeTeam('410502'), await makeTeam('410502')]
    const operator = await hub.person('operator', '4105')
    const stranger = await hub.person('patroller', '410502', { teamIds: [mine] })
    const edge = await hub.edge('410502')
    const bytes = jpeg()
    const alert = alertRecord('410502', { deviceId: 'cam-other' })
    const snapshot = snapshotRecord(alert, bytes)
    const [outcome] = await hub.ingest(edge, alert, snapshot)
    await hub.upload(edge, snapshot.evidenceId, bytes)
    const incidentId = incidentOf(outcome)
    const dispatch = await send(operator, incidentId, other)
    const path = `/api/dispatches/${dispatch.dispatchId}`
    const status = async (method: string, where: string, body?: unknown, type?: string) =>
      (await hub.ask(stranger, method, where, body, type)).status
    expect(await status('GET', path)).toBe(404)
    expect(await status('GET', `${path}/alerts`)).toBe(404)
    expect(await status('POST', `${path}/steps`, { state: 'acknowledged' })).toBe(404)
    expect(await status('POST', `${path}/photos`, jpeg(), 'image/jpeg')).toBe(404)
    expect(await status('GET', `/api/evidence/${snapshot.evidenceId}`)).toBe(404)
    expect(await status('GET', `/api/incidents/${incidentId}`)).toBe(403)
    expect(await status('GET', '/api/alerts')).toBe(403)
    expect((await hub.ask(stranger, 'GET', '/api/dispatches')).json.items).toEqual([])
  })

  it('takes no file that is not the picture it says', async () => {
    const teamId = await makeTeam('410502')
    const operator = await hub.person('operator', '4105')
    const patroller = await hub.person('patroller', '410502', { teamIds: [teamId] })
    const dispatch = await send(operator, await report('410502'), teamId)
    const post = async (body: Uint8Array, type: string) => {
      const answer = await hub.ask(
        patroller,
        'POST',
        `/api/dispatches/${dispatch.dispatchId}/photos`,
        body,
        type,
      )
      return [answer.status, answer.json?.code ?? answer.json?.role]
    }
    expect(await post(Buffer.from('<svg onload="alert(1)">'), 'image/jpeg')).toEqual([
      415,
      'HUB_EVIDENCE_FORMAT',
    ])
    expect(await post(jpeg(), 'image/png')).toEqual([415, 'HUB_EVIDENCE_FORMAT'])
    expect((await post(Buffer.from('<svg>'), 'image/svg+xml'))[0]).toBe(415)
    expect(await post(Buffer.concat([jpeg(), Buffer.alloc(9 * 1024 * 1024)]), 'image/jpeg')).toEqual([
      413,
      'HUB_EVIDENCE_TOO_LARGE',
    ])
    expect(await post(Buffer.concat([Buffer.from('RIFF1234WEBPVP8 ')]), 'image/webp')).toEqual([201, 'photo'])
  })

  it('reaches somebody who is put into the team while their phone is on, and nobody who was taken out', async () => {
    const teamId = await makeTeam('410502')
    const administrator = await hub.person('administrator', '4105')
    const patroller = await hub.person('patroller', '410502')
    const phone = await hub.listen(patroller, { reconnection: true })
    const member = `/api/teams/${teamId}/members/${patroller.userId}`
    const back = once(phone.socket as never, 'connect')
    expect((await hub.ask(administrator, 'PUT', member)).status).toBe(204)
    await back
    const dispatch = await send(administrator, await report('410502'), teamId)
    await eventually(() => ofKind(phone.heard, 'dispatch').length > 0)
    expect(ofKind(phone.heard, 'dispatch')[0]?.dispatchId).toBe(dispatch.dispatchId)
    expect((await hub.ask(administrator, 'DELETE', member)).status).toBe(204)
    expect((await hub.ask(patroller, 'GET', '/api/dispatches')).json.items).toEqual([])
  })
})
