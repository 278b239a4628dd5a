/**
 * Attacks over MQTT on a whole hub with its own broker: speaking for another edge by ways around the check of topics,
 * before one has proved who one is, slowly, or in JSON that is a trap. What an edge may reach otherwise and floods:
 * ingest.test.ts, broker-load.test.ts, mqtt-broker.test.ts.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { edgeTopics, type Hello } from '@patrolhub/protocol'
import { connectAsync } from 'mqtt'
import { generate, type IConnectPacket } from 'mqtt-packet'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startAedes } from '../src/adapters/broker/aedes.ts'
import { openRelational } from '../src/adapters/relational/open.ts'
import { createMetrics } from '../src/metrics.ts'
import type { Relational } from '../src/ports/relational.ts'
import { camera, EdgeClient, passage, REGION } from './support/edge-client.ts'
import { silent, startTestHub, type TestHub } from './support/hub.ts'

let hub: TestHub
let store: Relational
const tokens = { mine: '', theirs: '' }
let me: EdgeClient
const sockets: Socket[] = []

beforeAll(async () => {
  hub = await startTestHub()
  store = await openRelational(hub.config, silent)
  tokens.mine = await hub.addEdge('mine', REGION)
  tokens.theirs = await hub.addEdge('theirs', REGION)
  me = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'mine', token: tokens.mine })
  await me.hello({ cameras: [camera('my-camera')] })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  expect((await me.hello({ cameras: [camera('my-camera')] })).length, 'others are served on').toBe(2)
})
afterAll(async () => {
  await me.close()
  await store.close()
  await hub.close()
})

function raw(port = hub.mqttPort): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  // Unread, an answer would keep the end of the line from being seen.
  socket.resume()
  sockets.push(socket)
  return socket
}
const connecting = (edgeId: string, password: string, more: Partial<IConnectPacket> = {}) =>
  generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: '',
    clean: true,
    keepalive: 0,
    username: edgeId,
    password: Buffer.from(password),
    ...more,
  })
const publishing = (topic: string, payload: string | Buffer, more: object = {}) =>
  generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false, ...more } as never)
const helloOf = (cameraId: string): Hello => ({
  epoch: randomUUID(),
  software: 'forged',
  region: REGION,
  atMs: Date.now(),
  streams: { alerts: { firstSeq: 0, lastSeq: 0 }, measurements: { firstSeq: 0, lastSeq: 0 } },
  cameras: [camera(cameraId)],
  checkpoints: [],
  sensors: [],
})
const stateOf = async (edgeId: string) =>
  (
    await store.read
      .selectFrom('edge')
      .select('state')
      .where('edge_id', '=', edgeId)
      .executeTakeFirstOrThrow()
  ).state
const knows = async (deviceId: string) =>
  (await store.read.selectFrom('device').select('device_id').where('device_id', '=', deviceId).execute())
    .length > 0

describe('an edge', () => {
  it.each([
    ['state', () => edgeTopics.status('theirs'), '{"state":"online","atMs":1}'],
    ['hello', () => edgeTopics.hello('theirs'), JSON.stringify(helloOf('willed-camera'))],
    ['cursor', () => edgeTopics.cursor('theirs'), '{}'],
  ])('does not leave a last will that speaks for another: its %s', async (_what, topic, payload) => {
    const listener = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'theirs', token: tokens.theirs })
    const before = await stateOf('theirs')
    const socket = raw()
    const will = { topic: topic(), payload: Buffer.from(payload), qos: 1 as const, retain: true }
    socket.write(connecting('mine', tokens.mine, { will }))
    await once(socket, 'data')
    socket.destroy()
    // Its own end is told after the will would have been.
    await expect.poll(() => stateOf('mine')).toBe('offline')
    expect(await stateOf('theirs')).toBe(before)
    expect(await knows('willed-camera')).toBe(false)
    expect(listener.cursors).toEqual([])
    await listener.close()
    me = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'mine', token: tokens.mine })
  })

  it('says nothing before it has proved who it is, nor with a wrong token', async () => {
    for (const password of ['wrong', '', tokens.mine, `${tokens.theirs}\0`]) {
      const socket = raw()
      const said = publishing(edgeTopics.hello('theirs'), JSON.stringify(helloOf('early-camera')))
      socket.write(Buffer.concat([connecting('theirs', password), said, said]))
      await once(socket, 'close')
    }
    const unasked = raw()
    unasked.write(publishing(edgeTopics.hello('mine'), JSON.stringify(helloOf('early-camera'))))
    await once(unasked, 'close')
    expect(await knows('early-camera')).toBe(false)
  })

  it('does not become another by a second CONNECT, by its client id, or by its name', async () => {
    const twice = raw()
    twice.write(connecting('mine', tokens.mine))
    await once(twice, 'data')
    twice.write(connecting('theirs', 'guessed'))
    twice.write(publishing(edgeTopics.hello('theirs'), JSON.stringify(helloOf('second-camera'))))
    await once(twice, 'close')
    const named = raw()
    named.write(connecting('mine', tokens.mine, { clientId: 'theirs' }))
    await once(named, 'data')
    named.write(publishing(edgeTopics.hello('theirs'), JSON.stringify(helloOf('second-camera'))))
    await once(named, 'close')
    for (const name of ['theirs/../mine', 'mine\0theirs', 'THEIRS', '+', '#', 'theirs%00', "x' or '1'='1"]) {
      const socket = raw()
      socket.write(connecting(name, tokens.mine))
      await once(socket, 'close')
    }
    expect(await knows('second-camera')).toBe(false)
    me = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'mine', token: tokens.mine })
  })

  it('publishes to no name that only looks like one of its own', async () => {
    const topics = [
      edgeTopics.cursor('mine'),
      edgeTopics.relay('mine'),
      'patrolhub/v1/edges/mine/../theirs/up/hello',
      'patrolhub/v1/edges/mine/up/hello/',
      '/patrolhub/v1/edges/mine/up/hello',
      'patrolhub/v1/edges/mine/up/hello\0',
      'patrolhub/v1/edges/MINE/up/hello',
      '$SYS/broker',
      `$share/x/${edgeTopics.hello('mine')}`,
      'a'.repeat(60_000),
    ]
    for (const topic of topics) {
      const socket = raw()
      socket.write(connecting('theirs', tokens.theirs))
      await once(socket, 'data')
      socket.write(publishing(topic, JSON.stringify(helloOf('other-name'))))
      await once(socket, 'close')
    }
    expect(await knows('other-name')).toBe(false)
  })

  it('listens to nothing by sharing, by the levels of a name, or by what somebody left behind', async () => {
    await me.publish(edgeTopics.status('mine'), JSON.stringify({ state: 'online', atMs: 1 }))
    const options = { username: 'theirs', password: tokens.theirs, reconnectPeriod: 0 }
    const other = await connectAsync(`mqtt://127.0.0.1:${hub.mqttPort}`, options)
    const heard: string[] = []
    other.on('message', (topic) => heard.push(topic))
    const filters = [
      `$share/group/${edgeTopics.cursor('mine')}`,
      'patrolhub/v1/edges/+/status',
      'patrolhub/+/edges/mine/down/cursor',
      'patrolhub/v1/edges/theirs/#',
      'patrolhub/v1/edges/theirs/down/../../mine/down/#',
      '+/+/+/+/+/+',
      '$SYS/broker/clients/+',
      edgeTopics.status('mine'),
      edgeTopics.hello('mine'),
    ]
    for (const filter of filters)
      await expect(other.subscribeAsync(filter, { qos: 1 }), filter).rejects.toThrow()
    await me.mqtt.publishAsync(edgeTopics.status('mine'), '{"state":"online","atMs":1}', {
      qos: 1,
      retain: true,
    })
    await me.hello({ cameras: [camera('my-camera')] })
    expect(heard).toEqual([])
    await other.endAsync(true)
  })

  it('is told what is wrong with JSON that is a trap; its next batch is taken', async () => {
    const { epoch } = me
    let seq = 1
    const traps = [
      { kind: '__proto__' },
      JSON.parse('{"__proto__":{"isAdmin":true},"kind":"passage"}'),
      { kind: 'constructor' },
      { ...passage(1), constructor: { prototype: { isAdmin: true } } },
    ]
    await me.send('measurements', seq, traps)
    seq += traps.length
    await me.cursor((cursor) => cursor.stream === 'measurements' && cursor.upTo === traps.length)
    const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth)
    const records = [
      deep('[', ']', 200_000),
      `{"kind":${deep('[', ']', 200_000)}}`,
      `{"kind":"passage","lane":${deep('{"a":', '}', 50_000).replace('}', '1}')}}`,
    ]
    for (const record of records) {
      await me.publish(
        edgeTopics.batch('mine', 'measurements'),
        `{"epoch":"${epoch}","firstSeq":${seq},"records":[${record}]}`,
      )
      await me.cursor((cursor) => cursor.stream === 'measurements' && cursor.upTo === seq)
      seq += 1
    }
    await me.publish(edgeTopics.hello('mine'), `{"epoch":${deep('[', ']', 300_000)}}`)
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    const aside = await store.read.selectFrom('set_aside').select('reason').execute()
    expect(aside).toHaveLength(seq - 1)
  })
})

describe('somebody who connects to the broker and does not say who they are', () => {
  it('is closed after a while: silent, drop by drop, or after half a CONNECT', async () => {
    const metrics = createMetrics()
    const broker = await startAedes({
      host: '127.0.0.1',
      port: 0,
      maxConnections: 10,
      tls: undefined,
      connectTimeoutMs: 200,
      metrics,
      log: silent,
      handlers: {
        authenticate: async (edgeId) => ({ edgeId, region: REGION }),
        identify: async (edgeId) => ({ edgeId, region: REGION }),
        message: async () => undefined,
        connected: () => undefined,
        disconnected: () => undefined,
      },
    })
    const packet = connecting('edge', 'x'.repeat(2000))
    const silentOne = raw(broker.port)
    const half = raw(broker.port)
    half.write(packet.subarray(0, 100))
    const dripping = raw(broker.port)
    let at = 0
    const drip = setInterval(() => dripping.write(packet.subarray(at, ++at)), 20)
    try {
      await Promise.all([silentOne, half, dripping].map((socket) => once(socket, 'close')))
    } finally {
      clearInterval(drip)
    }
    await broker.close()
  })
})
