/** What the broker does with clients that mean no good, or cannot keep up: nobody else notices. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { edgeTopics } from '@patrolhub/protocol'
import { connectAsync } from 'mqtt'
import { generate } from 'mqtt-packet'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startAedes } from '../src/adapters/broker/aedes.ts'
import { createMetrics, type Metrics } from '../src/metrics.ts'
import type { Broker } from '../src/ports/broker.ts'
import { silent } from './support/hub.ts'

let broker: Broker
let metrics: Metrics
let received: { edgeId: string; bytes: number }[]
let hold: Promise<void>
const sockets: Socket[] = []

beforeEach(async () => {
  metrics = createMetrics()
  received = []
  hold = Promise.resolve()
  broker = await startAedes({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 5,
    tls: undefined,
    metrics,
    log: silent,
    handlers: {
      authenticate: async (edgeId, token) => (token === 'good' ? { edgeId, region: '4105' } : undefined),
      identify: async (edgeId) => ({ edgeId, region: '4105' }),
      message: (edge, _topic, payload) => {
        received.push({ edgeId: edge.edgeId, bytes: payload.byteLength })
        return hold
      },
      connected: () => {},
      disconnected: () => {},
    },
  })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await broker.close()
})

const client = (edgeId: string) =>
  connectAsync(`mqtt://127.0.0.1:${broker.port}`, { username: edgeId, password: 'good', reconnectPeriod: 0 })

function raw(): Socket {
  const socket = connect(broker.port, '127.0.0.1')
  socket.on('error', () => {})
  sockets.push(socket)
  return socket
}

const connectPacket = (edgeId: string) =>
  generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: '',
    clean: true,
    keepalive: 0,
    username: edgeId,
    password: Buffer.from('good'),
  })

async function closedBy(reason: string): Promise<number> {
  const { values } = await metrics.mqttClosed.get()
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0
}

describe('the embedded broker', () => {
  it('cuts an edge that does not read, while the others hear everything', async () => {
    const frozen = raw()
    frozen.write(connectPacket('frozen'))
    await once(frozen, 'data')
    frozen.write(
      generate({
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [{ topic: edgeTopics.relay('frozen'), qos: 1 }],
      }),
    )
    await once(frozen, 'data')
    frozen.pause()

    const healthy = await client('healthy')
    let heard = 0
    healthy.on('message', () => heard++)
    await healthy.subscribeAsync(edgeTopics.relay('healthy'), { qos: 1 })
    const payload = 'x'.repeat(32 * 1024)
    let sent = 0
    while ((await closedBy('slow')) === 0 && sent < 2000) {
      await Promise.all([
        broker.publish(edgeTopics.relay('frozen'), payload),
        broker.publish(edgeTopics.relay('healthy'), payload),
      ])
      sent++
    }
    expect(await closedBy('slow')).toBe(1)
    await expect.poll(() => heard).toBe(sent)
    expect((await metrics.mqttConnections.get()).values[0]?.value).toBe(1)
    await healthy.endAsync(true)
  })

  it('reads no further from an edge that is told to wait, and goes on where it stopped', async () => {
    const busy = await client('busy')
    const wait = Promise.withResolvers<void>()
    hold = wait.promise
    const topic = edgeTopics.batch('busy', 'measurements')
    const published = Array.from({ length: 200 }, () =>
      busy.publishAsync(topic, 'x'.repeat(60_000), { qos: 1 }),
    )
    await expect.poll(() => received.length).toBeGreaterThan(0)
    const other = await client('other')
    const late = other.publishAsync(edgeTopics.status('other'), '{}', { qos: 1 })
    await expect.poll(() => received.some(({ edgeId }) => edgeId === 'other')).toBe(true)
    expect(received.filter(({ edgeId }) => edgeId === 'busy').length).toBeLessThan(20)
    hold = Promise.resolve()
    wait.resolve()
    await Promise.all([...published, late])
    expect(received.filter(({ edgeId }) => edgeId === 'busy')).toHaveLength(200)
    await Promise.all([busy.endAsync(true), other.endAsync(true)])
  })

  it('closes more connections than it takes, and takes new ones once there is room', async () => {
    const waiting = Array.from({ length: 5 }, () => raw())
    await Promise.all(waiting.map((socket) => once(socket, 'connect')))
    const tooMany = raw()
    await once(tooMany, 'close')
    expect(await closedBy('too many connections')).toBe(1)
    waiting[0]!.destroy()
    await expect
      .poll(async () => {
        const edge = await client('edge').catch(() => undefined)
        await edge?.endAsync(true)
        return edge !== undefined
      })
      .toBe(true)
  })

  it('takes no large CONNECT, no nonsense and no other protocol, and lives on', async () => {
    const attempts = [
      generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clientId: 'x',
        clean: true,
        keepalive: 0,
        username: 'edge',
        password: Buffer.alloc(20_000, 'x'),
      }),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x30, 0x03, 0x00, 0x01, 0x61]),
      Buffer.alloc(4096, 0xff),
    ]
    for (const bytes of attempts) {
      const socket = raw()
      socket.write(bytes)
      await once(socket, 'close')
    }
    const edge = await client('edge')
    await edge.publishAsync(edgeTopics.status('edge'), '{}', { qos: 1 })
    expect(received).toHaveLength(1)
    await edge.endAsync(true)
  })

  it('says which port is taken and what moves it', async () => {
    const { port } = broker
    await expect(
      startAedes({
        host: '127.0.0.1',
        port,
        maxConnections: 1,
        tls: undefined,
        metrics,
        log: silent,
        handlers: {
          authenticate: async () => undefined,
          identify: async () => undefined,
          message: async () => {},
          connected: () => {},
          disconnected: () => {},
        },
      }),
    ).rejects.toMatchObject({ code: 'HUB_PORT', message: expect.stringContaining('PATROLHUB_MQTT_PORT') })
  })
})
