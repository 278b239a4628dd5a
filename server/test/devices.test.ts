/** Devices and figures as the screens see them: over HTTP and the socket, inside a scope. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  AuditPage,
  Camera,
  Changes,
  DeviceList,
  EdgeSettingsVersion,
  Flow,
  HealthRecord,
  Hello,
  Overview,
  PassageList,
  PushPayloads,
  Series,
} from '@patrolhub/protocol'
import { edgeTopics } from '@patrolhub/protocol'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlite } from '../src/adapters/relational/sqlite.ts'
import { auditFeature } from '../src/audit/audit-feature.ts'
import { ChangeLog, changesAfter } from '../src/changes/changes.ts'
import { type Devices, devicesFeature } from '../src/devices/devices.ts'
import type { Relational } from '../src/ports/relational.ts'
import { type DashboardSession, signIn } from './support/dashboard-session.ts'
import { alertRecord, camera, EdgeClient, passage, REGION } from './support/edge-client.ts'
import {
  createEdge,
  freshFolder,
  runMain,
  silent,
  startTestHub,
  type TestHub,
  testEnv,
} from './support/hub.ts'

let hub: TestHub
let admin: DashboardSession
let village: DashboardSession
let edge: EdgeClient
let socket: Socket

async function person(
  username: string,
  role: string,
  scope: string,
  more: readonly string[] = [],
): Promise<DashboardSession> {
  const env = testEnv(hub.dataDir)
  const added = await runMain(
    ['user', 'add', username, '--role', role, '--scope', scope, '--name', 'N', ...more],
    env,
  )
  return signIn(hub.url, username, /one-time password: (\S+)/.exec(added.stdout)![1]!)
}

function health(state: 'online' | 'offline', framesAnalysed: number): HealthRecord {
  const cameraHealth = { state, why: '', framesAnalysed, framesDropped: 0, inferenceMsP50: 9 }
  return {
    kind: 'health',
    atMs: Date.now(),
    uptimeSeconds: 1,
    cpuPercent: 1,
    memoryMb: 1,
    journalRecords: 0,
    refusedMessages: 0,
    cameras: [
      { cameraId: 'cam-01', ...cameraHealth },
      { cameraId: 'cam-of-others', ...cameraHealth },
    ],
  }
}

/** The next event of this name that fits. */
async function heard<E extends keyof PushPayloads>(
  event: E,
  fits: (payload: PushPayloads[E]) => boolean,
): Promise<PushPayloads[E]> {
  const { promise, resolve, reject } = Promise.withResolvers<PushPayloads[E]>()
  const timer = setTimeout(() => reject(new Error(`no such ${event} came`)), 10_000)
  const listener = ({ events }: Changes) => {
    for (const one of events) {
      const payload = one.payload as PushPayloads[E]
      if (one.event === event && fits(payload)) resolve(payload)
    }
  }
  socket.on('changes', listener)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.off('changes', listener)
  }
}

beforeAll(async () => {
  hub = await startTestHub()
  admin = await signIn(hub.url, 'admin', hub.oneTimePassword)
  village = await person('elsewhere', 'operator', '410503')
  socket = io(hub.url, { transports: ['websocket'], extraHeaders: { cookie: admin.cookie } })
  await once(socket as never, 'connect')
  const token = await hub.addEdge('edge-01', REGION)
  edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-01', token })
  const online = heard('edge', ({ edgeId, state }) => edgeId === 'edge-01' && state === 'online')
  await edge.hello({
    cameras: [camera('cam-01')],
    checkpoints: [{ checkpointId: 'cp-01', name: 'North road', region: REGION, lanes: 2 }],
    sensors: [{ sensorId: 'water-01', name: 'River', region: REGION, quantity: 'water_level', unit: 'm' }],
  })
  expect((await online).software).toBe('test 1.0')
})
afterAll(async () => {
  socket?.close()
  await edge?.close()
  await hub?.close()
})

describe('devices', () => {
  it('are listed inside the scope only', async () => {
    const { edges, cameras, checkpoints, sensors } = (await admin.ask('GET', '/api/devices'))
      .json as DeviceList
    expect(edges.map(({ edgeId, state }) => [edgeId, state])).toEqual([['edge-01', 'online']])
    expect(cameras).toEqual([{ ...camera('cam-01'), edgeId: 'edge-01' }])
    expect(checkpoints[0]).toMatchObject({ checkpointId: 'cp-01', lanes: 2, edgeId: 'edge-01' })
    expect(sensors[0]).toMatchObject({ sensorId: 'water-01', quantity: 'water_level' })
    const elsewhere = (await village.ask('GET', '/api/devices')).json
    expect(elsewhere).toEqual({ edges: [], cameras: [], checkpoints: [], sensors: [] })
  })

  it('tell the screens when a camera changes its state, once, and when their edge goes away', async () => {
    const cameras: Camera[] = []
    socket.on('changes', ({ events }: Changes) => {
      for (const { event, payload } of events) if (event === 'camera') cameras.push(payload)
    })
    await edge.send('measurements', 1, [health('online', 10)])
    await expect.poll(() => cameras.at(-1)?.health?.state).toBe('online')
    await edge.send('measurements', 2, [health('online', 20), health('online', 30)])
    await edge.cursor(({ upTo }) => upTo === 3)
    const overview = (await admin.ask('GET', '/api/overview')).json as Overview
    expect(overview).toMatchObject({ camerasOnline: 1, framesAnalysed: 30, edgesOnline: 1 })
    expect(cameras).toHaveLength(1)
    const [known] = ((await admin.ask('GET', '/api/devices')).json as DeviceList).edges
    expect(known!.health).toMatchObject({ memoryMb: 1, journalRecords: 0 })
    edge.mqtt.stream.destroy()
    await expect
      .poll(() => cameras.at(-1)?.health)
      .toMatchObject({ state: 'offline', why: 'its edge is offline' })
    const list = (await admin.ask('GET', '/api/devices')).json as DeviceList
    expect(list.edges[0]!.state).toBe('offline')
    expect((await admin.ask('GET', '/api/overview')).json).toMatchObject({ camerasOnline: 0, edgesOnline: 0 })
    expect(list.cameras.some(({ cameraId }) => cameraId === 'cam-of-others')).toBe(false)
  })

  it('are added by who may, inside the scope, with a token that works', async () => {
    const made = await admin.ask('POST', '/api/edges', { edgeId: 'edge-09', name: 'New', region: '410502' })
    expect(made.status).toBe(201)
    const { token } = made.json as { token: string }
    const client = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-09', token })
    expect((await client.hello()).length).toBe(2)
    await client.close()
    const again = await admin.ask('POST', '/api/edges', { edgeId: 'edge-09', name: 'New', region: '410502' })
    expect(again).toMatchObject({ status: 409, json: { code: 'HUB_CONFLICT' } })
    const outside = await admin.ask('POST', '/api/edges', { edgeId: 'edge-10', name: 'N', region: '4106' })
    expect(outside).toMatchObject({ status: 403, json: { code: 'HUB_OUT_OF_SCOPE' } })
    const notAllowed = await village.ask('POST', '/api/edges', { edgeId: 'e', name: 'N', region: '410503' })
    expect(notAllowed).toMatchObject({ status: 403, json: { code: 'HUB_FORBIDDEN' } })
  })

  it('stand in regions that have names', async () => {
    expect(await admin.ask('PUT', '/api/regions/410502', { name: '文峰区' })).toMatchObject({ status: 200 })
    await admin.ask('PUT', '/api/regions/410503', { name: '北关区' })
    const outside = await admin.ask('PUT', '/api/regions/4106', { name: 'x' })
    expect(outside).toMatchObject({ status: 403, json: { code: 'HUB_OUT_OF_SCOPE' } })
    expect((await village.ask('GET', '/api/regions')).json).toEqual([{ code: '410503', name: '北关区' }])
    const audit = (await admin.ask('GET', '/api/audit')).json as { items: { action: string }[] }
    expect(audit.items.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['region.named', 'edge.created']),
    )
  })
})

describe('figures', () => {
  it('answer series and passages to whom they concern, and nothing about others', async () => {
    const token = await hub.addEdge('edge-02', REGION)
    const other = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-02', token })
    const checkpoint = { checkpointId: 'cp-02', name: 'South road', region: REGION, lanes: 1 }
    await other.hello({ checkpoints: [checkpoint], cameras: [camera('cam-02')] })
    const atMs = Date.UTC(2026, 10, 22, 8)
    const score = (minute: number, value: number) => ({
      kind: 'score',
      atMs: atMs + minute * 60_000,
      deviceId: 'cp-02',
      region: REGION,
      series: 'flow',
      value,
      score: 0.5,
      expectedLow: 1,
      expectedHigh: 9,
    })
    await other.send('measurements', 1, [
      passage(0, { atMs, deviceId: 'cp-02', plateHash: 'a'.repeat(64), plateCipher: '1.aa.bb.cc' }),
      passage(0, { atMs: atMs + 5, deviceId: 'cp-02', lane: 2 }),
      score(0, 4),
      score(2, 6),
    ])
    await other.send('alerts', 1, [alertRecord({ deviceId: 'cam-02' })])
    await other.cursor(({ upTo }) => upTo === 4)
    await other.cursor(({ stream, upTo }) => stream === 'alerts' && upTo === 1)

    const path = '/api/checkpoints/cp-02/passages'
    const { items } = (await admin.ask('GET', `${path}?limit=1`)).json as PassageList
    expect(items).toEqual([
      {
        passageId: expect.any(String),
        atMs: atMs + 5,
        lane: 2,
        speedKmh: 40,
        vehicleClass: 'K31',
        hasPlate: false,
      },
    ])
    const all = await admin.ask('GET', path)
    expect(JSON.stringify(all.json)).not.toContain('aaaa')
    expect((all.json as PassageList).items[1]!.hasPlate).toBe(true)

    const span = `fromMs=${atMs}&toMs=${atMs + 180_000}&stepMs=60000`
    const series = (await admin.ask('GET', `/api/devices/cp-02/series/flow?${span}`)).json as Series
    expect(series.points.map(({ value }) => value)).toEqual([4, null, 6])
    const wide = await admin.ask('GET', `/api/devices/cp-02/series/flow?fromMs=0&toMs=${atMs}&stepMs=1000`)
    expect(wide).toMatchObject({ status: 400, json: { code: 'HUB_BAD_REQUEST' } })
    // So large that a step would be lost in rounding: the steps would never come to an end.
    const endless = await admin.ask('GET', '/api/devices/cp-02/series/flow?toMs=1e21&stepMs=60000')
    expect(endless).toMatchObject({ status: 400, json: { code: 'HUB_BAD_REQUEST' } })

    for (const hidden of [path, `/api/devices/cp-02/series/flow?${span}`, '/api/checkpoints/none/passages']) {
      expect(await village.ask('GET', hidden)).toMatchObject({ status: 404, json: { code: 'HUB_NOT_FOUND' } })
    }
    expect((await admin.ask('GET', '/api/checkpoints/cam-02/passages')).status).toBe(404)
    expect((await village.ask('GET', '/api/overview')).json).toEqual({
      edgesOnline: 0,
      edgesTotal: 0,
      camerasOnline: 0,
      camerasTotal: 0,
      alertsToday: 0,
      alertsTotal: 0,
      incidentsOpen: 0,
      incidentsTotal: 0,
      dispatchesOpen: 0,
      framesAnalysed: 0,
      passagesTotal: 0,
      readingsTotal: 0,
      pointsTotal: 0,
    })
    await expect
      .poll(async () => (await admin.ask('GET', '/api/overview')).json as Overview, { timeout: 8000 })
      .toMatchObject({ passagesTotal: 2, alertsToday: 1, alertsTotal: 1, incidentsOpen: 1, camerasTotal: 2 })
    const overview = (await admin.ask('GET', '/api/overview')).json as Overview
    // Three health records of two cameras and a box each, two passages, two scores.
    expect(overview.pointsTotal).toBe(13)
    await other.close()
  })

  it('count vehicles by step, of one checkpoint or of a division, for whom they concern', async () => {
    const regions = { 'cp-03': '410502003', 'cp-04': '410502004201' }
    const atMs = Date.UTC(2026, 10, 1, 8)
    const token = await hub.addEdge('edge-03', '410502')
    const third = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-03', token })
    await third.hello({
      checkpoints: Object.entries(regions).map(([checkpointId, region]) => ({
        ...{ checkpointId, name: checkpointId, region, lanes: 1 },
      })),
      cameras: [camera('cam-03')],
      region: '410502',
    })
    const passes = (deviceId: keyof typeof regions, minute: number, speedKmh: number) =>
      passage(0, { atMs: atMs + minute * 60_000, deviceId, region: regions[deviceId], speedKmh })
    await third.send('measurements', 1, [
      passes('cp-03', 0, 30),
      passes('cp-03', 0.5, 50),
      passes('cp-04', 0.5, 70),
      passes('cp-03', 2, 60),
    ])
    await third.cursor(({ upTo }) => upTo === 4)
    await third.close()

    const span = `fromMs=${atMs}&toMs=${atMs + 180_000}&stepMs=60000`
    const flow = async (more = '') => (await admin.ask('GET', `/api/flow?${span}${more}`)).json as Flow
    const steps = (...values: [number | null, number | null][]) =>
      values.map(([vehicles, meanSpeedKmh], index) => ({
        atMs: atMs + index * 60_000,
        vehicles,
        meanSpeedKmh,
      }))
    const all = { region: '4105', stepMs: 60_000, points: steps([3, 50], [null, null], [1, 60]) }
    expect(await flow()).toEqual(all)
    expect(await flow('&region=410502')).toEqual({ ...all, region: '410502' })
    const one = await flow('&deviceId=cp-03')
    expect(one).toEqual({ ...all, deviceId: 'cp-03', points: steps([2, 40], [null, null], [1, 60]) })
    expect((await flow('&region=410502004')).points).toEqual(steps([1, 70], [null, null], [null, null]))
    expect((await flow('&region=410502004&deviceId=cp-03')).points.every((p) => p.vehicles === null)).toBe(
      true,
    )

    const refused = async (who: DashboardSession, more: string) => {
      const { status, json } = await who.ask('GET', `/api/flow?${more}`)
      return [status, (json as { code: string }).code]
    }
    expect(await refused(village, `${span}&region=410502`)).toEqual([403, 'HUB_OUT_OF_SCOPE'])
    expect(await refused(village, `${span}&region=4105`)).toEqual([403, 'HUB_OUT_OF_SCOPE'])
    expect(await refused(village, `${span}&deviceId=cp-03`)).toEqual([404, 'HUB_NOT_FOUND'])
    expect(await refused(admin, `${span}&deviceId=cam-03`)).toEqual([404, 'HUB_NOT_FOUND'])
    expect(await refused(admin, `${span}&region=41050`)).toEqual([400, 'HUB_BAD_REQUEST'])
    expect(await refused(admin, `fromMs=0&toMs=${atMs}&stepMs=60000`)).toEqual([400, 'HUB_BAD_REQUEST'])
    const elsewhere = (await village.ask('GET', `/api/flow?${span}`)).json as Flow
    expect(elsewhere).toEqual({
      region: '410503',
      stepMs: 60_000,
      points: steps([null, null], [null, null], [null, null]),
    })
  })
})

describe('names of places', () => {
  it('are also given to a team that is sent outside the scope of its members, while it is on the way', async () => {
    const made = await admin.ask('POST', '/api/teams', { name: 'Guests', region: '410502', kind: 'cadre' })
    const { teamId } = made.json as { teamId: string }
    const guest = await person('guest', 'patroller', '410503', ['--team', teamId])
    const codes = async () =>
      ((await guest.ask('GET', '/api/regions')).json as { code: string }[]).map(({ code }) => code)
    await admin.ask('PUT', '/api/regions/410504', { name: '殷都区' })
    expect(await codes()).toEqual(['410503'])

    const incidents = (await admin.ask('GET', '/api/incidents')).json as { items: { incidentId: string }[] }
    const sent = await admin.ask('POST', `/api/incidents/${incidents.items[0]!.incidentId}/dispatches`, {
      teamId,
    })
    expect(sent.status).toBe(201)
    const { dispatchId } = sent.json as { dispatchId: string }
    // The incident is in a township of 410502, which has no name; the county around it has one.
    expect(await codes()).toEqual(['410502', '410503'])
    const closed = { state: 'closed', note: 'nobody was there' }
    expect((await guest.ask('POST', `/api/dispatches/${dispatchId}/steps`, closed)).status).toBe(200)
    expect(await codes()).toEqual(['410503'])
  })
})

describe('settings of an edge', () => {
  const path = '/api/edges/edge-set/settings'
  const newest = async () => ((await admin.ask('GET', path)).json as EdgeSettingsVersion[])[0]
  const give = (who: DashboardSession, document: string) =>
    who.ask('POST', path, { document, note: 'a quieter rule' })
  const fetchThem = (authorization: string) =>
    fetch(`${hub.url}/api/edge/settings`, { headers: { authorization } })

  it('are given, offered, fetched by the edge alone, and on the books with what became of them', async () => {
    const token = await hub.addEdge('edge-set', REGION)
    const client = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-set', token })
    const offers: number[] = []
    client.mqtt.on('message', (topic, payload) => {
      if (topic === edgeTopics.settings('edge-set')) offers.push(JSON.parse(payload.toString()).version)
    })
    await client.mqtt.subscribeAsync(edgeTopics.settings('edge-set'), { qos: 1 })
    expect((await give(village, 'healthSeconds: 5')).status).toBe(403)
    expect(await give(admin, 'healthSeconds: 5')).toMatchObject({ status: 201, json: { version: 1 } })
    await expect.poll(() => offers).toEqual([1])
    const own = await fetchThem(`Basic ${Buffer.from(`edge-set:${token}`).toString('base64')}`)
    expect([own.status, await own.json()]).toEqual([200, { version: 1, document: 'healthSeconds: 5' }])
    expect((await fetchThem('Basic bm9ib2R5Om5vYm9keQ==')).status).toBe(401)
    // Not answered yet: offered again after each hello.
    await client.hello()
    await expect.poll(() => offers).toEqual([1, 1])
    await client.hello({ settings: { version: 1, state: 'trying', problems: [] } })
    await expect.poll(async () => (await newest())?.state).toBe('trying')
    const problems = ['healthSeconds: must be a number']
    await client.hello({ settings: { version: 1, state: 'refused', problems } })
    await expect.poll(async () => (await newest())?.state).toBe('refused')
    expect(await newest()).toMatchObject({ version: 1, note: 'a quieter rule', problems })
    await give(admin, 'healthSeconds: 6')
    await give(admin, 'healthSeconds: 7')
    expect((await admin.ask('GET', path)).json).toMatchObject([
      { version: 3, state: 'offered' },
      { version: 2, state: 'replaced' },
      { version: 1, state: 'refused' },
    ])
    await client.hello({ settings: { version: 3, state: 'applied', problems: [] } })
    await expect.poll(async () => (await newest())?.state).toBe('applied')
    const { json } = await admin.ask('GET', '/api/audit')
    const actions = (json as AuditPage).items.map(({ action }) => action)
    expect(actions.filter((action) => action.startsWith('edge.settings')).reverse()).toEqual([
      'edge.settings-given',
      'edge.settings-refused',
      'edge.settings-given',
      'edge.settings-given',
      'edge.settings-applied',
    ])
    await client.close()
  })
})

describe('what is known of devices', () => {
  async function withDevices(
    work: (devices: Devices, relational: Relational, noted: () => Promise<string[]>) => Promise<void>,
  ) {
    const folder = await freshFolder()
    for (const edgeId of ['edge-a', 'edge-b']) await createEdge(folder, edgeId, REGION)
    const relational = await openSqlite({ file: join(folder, 'hub.sqlite'), log: silent })
    const changes = new ChangeLog()
    /** Cameras that were noted as changed, since the beginning. */
    const noted = async () =>
      (await changesAfter(relational.read, 0, 100))
        .filter(({ kind }) => kind === 'camera')
        .map(({ subjectId }) => subjectId)
    const audit = auditFeature({ config: { rootScope: '4105' }, relational })
    try {
      await work(
        devicesFeature({ relational, changes, audit, log: silent, offerSettings: () => {} }),
        relational,
        noted,
      )
    } finally {
      await relational.close()
      await rm(folder, { recursive: true, force: true })
    }
  }
  const hello = (): Hello => {
    const none = { firstSeq: 0, lastSeq: 0 }
    const streams = { alerts: none, measurements: none }
    const things = { cameras: [camera('cam-x')], checkpoints: [], sensors: [] }
    return { epoch: randomUUID(), software: 't', region: REGION, atMs: 1, streams, ...things }
  }
  const a = { edgeId: 'edge-a', region: REGION }
  const b = { edgeId: 'edge-b', region: REGION }

  it('stays with the edge that described it first, also if two do so at once', () =>
    withDevices(async (devices, relational) => {
      // Both before anybody has been told of either.
      for (const edge of [a, b]) {
        await relational.write.transaction().execute((trx) => devices.register(trx, edge, hello(), 1))
      }
      for (const { edgeId } of [a, b]) await devices.refresh(edgeId)
      expect(devices.ownerOf('cam-x')).toBe('edge-a')
      expect((await devices.find('cam-x'))?.edgeId).toBe('edge-a')
    }))

  it('is offline once its edge has been silent for long, and an edge that reports stays online', () =>
    withDevices(async (devices, relational, noted) => {
      await relational.write.transaction().execute((trx) => devices.register(trx, a, hello(), 1))
      const nowMs = Date.now()
      await devices.noteState('edge-a', 'online', nowMs - 101_000)
      await devices.noteState('edge-b', 'online', nowMs - 99_000)
      const before = (await noted()).length
      expect(await devices.noteSilent(nowMs)).toEqual(['edge-a'])
      expect(await devices.noteSilent(nowMs)).toEqual([])
      expect((await noted()).slice(before)).toEqual(['cam-x'])
      const { edges } = await devices.views(relational.read, { edgeIds: ['edge-a', 'edge-b'], cameraIds: [] })
      expect(edges.map(({ state }) => state).sort()).toEqual(['offline', 'online'])
      expect(edges.find(({ state }) => state === 'offline')?.lastSeenAtMs).toBe(nowMs - 101_000)
    }))

  it('is told although the first attempt to store it failed, and only by the edge that has the camera', () =>
    withDevices(async (devices, relational, noted) => {
      const { write } = relational
      await write.transaction().execute((trx) => devices.register(trx, a, hello(), 1))
      const record = health('online', 1)
      record.cameras[0]!.cameraId = 'cam-x'
      const fault = new Error('the disk is full')
      const failing = write.transaction().execute(async (trx) => {
        await devices.noteHealth(trx, a, record)
        throw fault
      })
      await expect(failing).rejects.toBe(fault)
      const note = (edge: typeof a) =>
        write.transaction().execute((trx) => devices.noteHealth(trx, edge, record))
      expect(await noted()).toEqual(['cam-x'])
      await note(b)
      expect(await noted()).toEqual(['cam-x'])
      await note(a)
      expect(await noted()).toEqual(['cam-x', 'cam-x'])
      const told = await devices.views(relational.read, { edgeIds: [], cameraIds: ['cam-x'] })
      expect(told.cameras).toHaveLength(1)
      await note(a)
      expect(await noted()).toEqual(['cam-x', 'cam-x'])
    }))
})
