/** The cursor protocol at the hub, against a real MQTT client and real stores. */
import { randomUUID } from 'node:crypto'
import { edgeTopics, MAX_MESSAGE_BYTES } from '@patrolhub/protocol'
import { sql } from 'kysely'
import { connectAsync } from 'mqtt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRelational } from '../src/adapters/relational/open.ts'
import { alertRecord, camera, EdgeClient, passage, REGION } from './support/edge-client.ts'
import { silent, startTestHub, type TestHub } from './support/hub.ts'

let hub: TestHub
let edge: EdgeClient
let token: string
const clients: EdgeClient[] = []

async function connect(edgeId: string, credential: string, epoch?: string): Promise<EdgeClient> {
  const client = await EdgeClient.connect({
    port: hub.mqttPort,
    edgeId,
    token: credential,
    ...(epoch ? { epoch } : {}),
  })
  clients.push(client)
  return client
}

beforeEach(async () => {
  hub = await startTestHub()
  token = await hub.addEdge('edge-01', REGION)
  edge = await connect('edge-01', token)
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await hub.close()
})

async function rows<T = Record<string, unknown>>(query: string): Promise<T[]> {
  const relational = await openRelational(hub.config, silent)
  try {
    return (await sql.raw<T>(query).execute(relational.read)).rows
  } finally {
    await relational.close()
  }
}

async function figure(name: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`patrolhub_${name} `))
  if (line === undefined) {
    const [metric, labels] = name.split('{')
    const known = text.includes(`# TYPE patrolhub_${metric}`)
    if (!known) throw new Error(`no figure ${metric}`)
    return labels === undefined ? Number.NaN : 0
  }
  return Number(line.split(' ').at(-1))
}

const passagesIn = async () => figure('points_total{measurement="passage"}')
const committed = (stream: 'alerts' | 'measurements', upTo: number) =>
  edge.cursor((cursor) => cursor.stream === stream && cursor.upTo === upTo && cursor.reason === 'committed')

describe('hello', () => {
  it('opens the cursors at 0, registers devices and shows the edge online', async () => {
    const cursors = await edge.hello({ cameras: [camera('cam-01')] })
    expect(cursors).toEqual([
      { stream: 'alerts', epoch: edge.epoch, upTo: 0, reason: 'hello', hubAtMs: expect.any(Number) },
      { stream: 'measurements', epoch: edge.epoch, upTo: 0, reason: 'hello', hubAtMs: expect.any(Number) },
    ])
    await expect
      .poll(() => rows('select state, software from edge'))
      .toEqual([{ state: 'online', software: 'test 1.0' }])
    expect(await rows('select device_id, edge_id, region from device')).toEqual([
      { device_id: 'cam-01', edge_id: 'edge-01', region: REGION },
    ])
    await edge.close()
    await expect.poll(() => rows('select state from edge')).toEqual([{ state: 'offline' }])
  })

  it('answers with the cursor after a reconnect, and takes a new epoch knowingly', async () => {
    await edge.hello()
    await edge.send('measurements', 1, [passage(1), passage(2)])
    await committed('measurements', 2)
    const again = await connect('edge-01', token, edge.epoch)
    expect((await again.hello())[1]).toMatchObject({ upTo: 2 })
    const fresh = await connect('edge-01', token)
    expect((await fresh.hello())[1]).toMatchObject({ upTo: 0, epoch: fresh.epoch })
    expect(await figure('ingest_new_epochs_total')).toBe(2)
  })

  it('begins where the journal begins if the hub does not know the epoch: the edge deletes only what was acknowledged', async () => {
    const cursors = await edge.hello({
      streams: { alerts: { firstSeq: 0, lastSeq: 0 }, measurements: { firstSeq: 41, lastSeq: 50 } },
    })
    expect(cursors[1]).toMatchObject({ upTo: 40 })
  })

  it('does not let an edge take a device of another, or one outside its region', async () => {
    await edge.hello({ cameras: [camera('cam-01'), camera('cam-02', { region: '410600' })] })
    const other = await connect('edge-02', await hub.addEdge('edge-02', REGION))
    await other.hello({ cameras: [camera('cam-01'), camera('cam-03')] })
    expect(await rows('select device_id, edge_id from device order by device_id')).toEqual([
      { device_id: 'cam-01', edge_id: 'edge-01' },
      { device_id: 'cam-03', edge_id: 'edge-02' },
    ])
    await other.send('measurements', 1, [passage(1, { deviceId: 'cam-01' })])
    await other.cursor((cursor) => cursor.upTo === 1)
    expect(await rows('select edge_id, reason from set_aside')).toEqual([
      { edge_id: 'edge-02', reason: 'device cam-01 belongs to edge edge-01' },
    ])
  })

  it('forgets a device that its edge no longer describes, so that another may have it', async () => {
    await edge.hello({ cameras: [camera('cam-01')] })
    await edge.hello({ cameras: [] })
    const other = await connect('edge-02', await hub.addEdge('edge-02', REGION))
    await expect.poll(async () => (await rows('select * from device')).length).toBe(0)
    await other.hello({ cameras: [camera('cam-01')] })
    expect(await rows('select edge_id from device')).toEqual([{ edge_id: 'edge-02' }])
  })
})

describe('batches', () => {
  it('are committed in order and answered; repeats are dropped and answered', async () => {
    await edge.hello()
    await edge.send('measurements', 1, [passage(1), passage(2), passage(3)])
    await committed('measurements', 3)
    await edge.send('measurements', 2, [passage(2), passage(3), passage(4)])
    await committed('measurements', 4)
    await edge.send('measurements', 1, [passage(1)])
    await expect.poll(() => figure('ingest_repeated_total{stream="measurements"}')).toBe(3)
    expect(await passagesIn()).toBe(4)
    expect(edge.cursors.at(-1)).toMatchObject({ upTo: 4, reason: 'committed' })
  })

  it('are refused after a gap, with the cursor to go on from', async () => {
    await edge.hello()
    await edge.send('measurements', 1, [passage(1)])
    await committed('measurements', 1)
    await edge.send('measurements', 3, [passage(3)])
    expect(await edge.cursor(({ reason }) => reason === 'gap')).toMatchObject({ upTo: 1 })
    await edge.send('measurements', 2, [passage(2), passage(3)])
    await committed('measurements', 3)
    expect(await passagesIn()).toBe(3)
  })

  it('step over a hole only when the edge declares it, and the hole is kept on the books', async () => {
    await edge.hello()
    await edge.send('measurements', 6, [passage(6)], { lost: { fromSeq: 1, toSeq: 5, reason: 'disk full' } })
    await committed('measurements', 6)
    expect(await figure('ingest_lost_total{stream="measurements"}')).toBe(5)
    expect(await rows('select seq, reason from set_aside')).toEqual([
      { seq: 5, reason: 'the edge lost 1 to 5: disk full' },
    ])
  })

  it('of an epoch that no hello announced are refused until there is one', async () => {
    await edge.send('measurements', 1, [passage(1)])
    expect(await edge.cursor(({ reason }) => reason === 'epoch')).toMatchObject({ upTo: 0 })
    await edge.hello()
    await edge.send('measurements', 1, [passage(1)])
    await committed('measurements', 1)
    expect(await passagesIn()).toBe(1)
  })

  it('that follow right behind the hello, unasked, are taken', async () => {
    const hello = edge.hello()
    await edge.send('measurements', 1, [passage(1)])
    await edge.send('measurements', 2, [passage(2)])
    await hello
    await committed('measurements', 2)
  })

  it('set bad records aside, each with its reason, and take the good ones around them', async () => {
    await edge.hello()
    const good = alertRecord()
    await edge.send('alerts', 1, [
      { kind: 'alert', alertId: 'x' },
      alertRecord({ region: '410600' }),
      'nonsense',
      passage(1),
      { kind: '__proto__' },
      alertRecord({ atMs: Date.now() + 2 * 24 * 3600_000 }),
      good,
      {
        kind: 'evidence',
        evidenceId: randomUUID(),
        alertId: randomUUID(),
        atMs: 1,
        role: 'snapshot',
        mime: 'image/jpeg',
        sha256: 'a'.repeat(64),
        bytes: 1,
      },
    ])
    await committed('alerts', 8)
    expect(await rows('select alert_id from alert')).toEqual([{ alert_id: good.alertId }])
    const aside = await rows<{ seq: number; reason: string }>(
      'select seq, reason from set_aside order by seq',
    )
    expect(aside.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 8])
    expect(aside[0]!.reason).toContain('/alertId')
    expect(aside[1]!.reason).toBe(`region 410600 lies outside the edge's region ${REGION}`)
    expect(aside[3]!.reason).toContain('does not belong on the stream alerts')
    expect(aside[5]!.reason).toContain('a day ahead')
    expect(await figure('ingest_set_aside_total{stream="alerts",reason="kind"}')).toBe(2)
  })

  it('with an alert that is known already change nothing', async () => {
    await edge.hello()
    const alert = alertRecord()
    await edge.send('alerts', 1, [alert])
    await edge.send('alerts', 2, [alert])
    await committed('alerts', 2)
    expect(await rows('select alert_id from alert')).toHaveLength(1)
    expect(await rows('select alert_count from incident')).toEqual([{ alert_count: 1 }])
  })
})

describe('messages that make no sense', () => {
  it('are counted and stop nothing: no JSON, no UTF-8, no fitting envelope, too many records', async () => {
    await edge.hello()
    const topic = edgeTopics.batch('edge-01', 'measurements')
    await edge.publish(topic, '{"epoch":')
    await edge.publish(topic, Uint8Array.of(0xff, 0xfe, 0x00))
    await edge.publish(topic, { epoch: 'no', firstSeq: 0, records: {} })
    await edge.publish(topic, { epoch: edge.epoch, firstSeq: 1, records: Array(1001).fill(0) })
    await edge.publish(edgeTopics.hello('edge-01'), '[]')
    await edge.publish(edgeTopics.status('edge-01'), '"up"')
    await expect.poll(() => figure('messages_refused_total{reason="malformed"}')).toBe(6)
    await edge.send('measurements', 1, [passage(1)])
    await committed('measurements', 1)
  })

  it('include a hello from outside the region of the credential: refused, and no cursor is opened', async () => {
    const hello = edge.hello({ region: '4106' })
    hello.catch(() => {})
    await expect.poll(() => figure('messages_refused_total{reason="region"}')).toBe(1)
    await edge.send('measurements', 1, [passage(1)])
    await edge.cursor(({ reason }) => reason === 'epoch')
  })
})

describe('the broker', () => {
  it('refuses a wrong token, an unknown edge and no credential at all', async () => {
    const attempt = (username?: string, password?: string) =>
      connectAsync(`mqtt://127.0.0.1:${hub.mqttPort}`, {
        reconnectPeriod: 0,
        ...(username ? { username } : {}),
        ...(password ? { password } : {}),
      })
    await expect(attempt('edge-01', 'wrong')).rejects.toThrow(/Bad username or password/i)
    await expect(attempt('edge-99', token)).rejects.toThrow(/Bad username or password/i)
    await expect(attempt()).rejects.toThrow()
    expect(await figure('mqtt_denied_total{action="connect"}')).toBe(3)
  })

  it('closes the connection of an edge that publishes for another, and takes nothing of it', async () => {
    await hub.addEdge('edge-02', REGION)
    await edge.hello()
    const closed = new Promise<void>((resolve) => edge.mqtt.once('close', () => resolve()))
    edge.publish(edgeTopics.status('edge-02'), { state: 'online', atMs: 1 }).catch(() => {})
    await closed
    expect(await figure('mqtt_denied_total{action="publish"}')).toBe(1)
    expect(await rows(`select state from edge where edge_id = 'edge-02'`)).toEqual([{ state: 'never seen' }])
  })

  it('does not let an edge listen to another, or to everything', async () => {
    for (const filter of [edgeTopics.cursor('edge-02'), 'patrolhub/v1/edges/+/down/#', '#', '$SYS/#']) {
      await expect(edge.mqtt.subscribeAsync(filter, { qos: 1 })).rejects.toThrow()
    }
    expect(await figure('mqtt_denied_total{action="subscribe"}')).toBe(4)
    expect((await edge.hello()).length).toBe(2)
  })

  it('cuts a packet above the limit off before it is read, and the edge comes back', async () => {
    await edge.hello()
    const closed = new Promise<void>((resolve) => edge.mqtt.once('close', () => resolve()))
    const topic = edgeTopics.batch('edge-01', 'measurements')
    edge.publish(topic, 'x'.repeat(MAX_MESSAGE_BYTES + 2048)).catch(() => {})
    await closed
    expect(await figure('messages_refused_total{reason="too large"}')).toBe(1)
    const again = await connect('edge-01', token, edge.epoch)
    expect((await again.hello()).length).toBe(2)
  })

  it('takes a batch of the largest allowed size', async () => {
    await edge.hello()
    const filler = { kind: 'filler', text: 'x'.repeat(1000) }
    await edge.send('measurements', 1, Array(1000).fill(filler))
    await committed('measurements', 1000)
    expect(await rows('select count(*) as n from set_aside')).toEqual([{ n: 1000 }])
  })

  it('gives the session of an edge to the newest connection', async () => {
    await edge.hello()
    const closed = new Promise<void>((resolve) => edge.mqtt.once('close', () => resolve()))
    const newer = await connect('edge-01', token, edge.epoch)
    await closed
    await newer.hello()
    await newer.send('measurements', 1, [passage(1)])
    await newer.cursor((cursor) => cursor.upTo === 1)
    expect(await rows('select state from edge')).toEqual([{ state: 'online' }])
    expect(await figure('mqtt_connections')).toBe(1)
  })

  it('publishes the last will: the edge is offline when its connection breaks', async () => {
    const dying = await EdgeClient.connect({
      port: hub.mqttPort,
      edgeId: 'edge-01',
      token,
      mqtt: {
        will: {
          topic: edgeTopics.status('edge-01'),
          payload: Buffer.from(JSON.stringify({ state: 'offline', atMs: 1 })),
          qos: 1,
          retain: true,
        },
      },
    })
    await dying.hello()
    await expect.poll(() => rows('select state from edge')).toEqual([{ state: 'online' }])
    dying.mqtt.stream.destroy()
    await expect.poll(() => rows('select state from edge')).toEqual([{ state: 'offline' }])
    await dying.close()
  })
})
