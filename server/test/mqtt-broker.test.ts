/**
 * The broker port on a real Mosquitto with the delivered configuration: who may say what, back-pressure, and what is
 * left when either side is gone.
 */
import { randomUUID } from 'node:crypto'
import { edgeTopics } from '@patrolhub/protocol'
import { connectAsync, type MqttClient } from 'mqtt'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findMosquitto, type Mosquitto, startMosquitto } from '../../test/support/mosquitto.ts'
import { dynamicSecurity } from '../src/adapters/broker/dynamic-security.ts'
import { startMqttBroker } from '../src/adapters/broker/mqtt.ts'
import { createMetrics, type Metrics } from '../src/metrics.ts'
import type { Broker, BrokerHandlers, EdgeCredentials } from '../src/ports/broker.ts'

const program = findMosquitto()
const silent = pino({ level: 'silent' })

let mosquitto: Mosquitto
let credentials: EdgeCredentials
let metrics: Metrics
const brokers: Broker[] = []
const clients: MqttClient[] = []
/** What came to the hubs, in order. */
let received: { hub: number; edgeId: string; topic: string; text: string }[]
let known: Set<string>

const server = () => ({ url: mosquitto.url, username: 'hub', password: mosquitto.password, ca: undefined })

async function hub(number = 1, more: Partial<BrokerHandlers> = {}): Promise<Broker> {
  const broker = await startMqttBroker({
    server: server(),
    metrics,
    log: silent,
    handlers: {
      authenticate: async () => undefined,
      identify: async (edgeId) => (known.has(edgeId) ? { edgeId, region: '4105' } : undefined),
      message: async ({ edgeId }, topic, payload) => {
        received.push({ hub: number, edgeId, topic, text: Buffer.from(payload).toString() })
      },
      connected: () => {},
      disconnected: () => {},
      ...more,
    },
  })
  brokers.push(broker)
  return broker
}

async function edge(edgeId: string, token: string, clientId = edgeId): Promise<MqttClient> {
  const client = await connectAsync(mosquitto.url, {
    clientId,
    username: edgeId,
    password: token,
    reconnectPeriod: 0,
    will: { topic: edgeTopics.status(edgeId), payload: 'gone' as never, qos: 1, retain: true },
  })
  client.on('error', () => {})
  clients.push(client)
  return client
}

/** A new edge that the broker lets in and the hub knows. */
async function newEdge(): Promise<{ edgeId: string; token: string }> {
  const edgeId = `edge-${randomUUID().slice(0, 8)}`
  const token = randomUUID()
  await credentials.admit(edgeId, token)
  known.add(edgeId)
  return { edgeId, token }
}

const denied = async () =>
  (await metrics.mqttDenied.get()).values.find(({ labels }) => labels.action === 'publish')?.value ?? 0

if (!program) {
  const missing = 'Mosquitto is not installed: the external broker is NOT tested (apt-get install mosquitto)'
  if (process.env.CI) it(missing, () => expect.fail(missing))
  else it.skip(missing, () => {})
}

describe.skipIf(!program)('a broker of its own', () => {
  beforeAll(async () => {
    mosquitto = await startMosquitto(program!)
    credentials = dynamicSecurity(server())
  })
  afterAll(() => mosquitto?.close())
  beforeEach(() => {
    metrics = createMetrics()
    received = []
    known = new Set()
  })
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.endAsync(true)))
    await Promise.all(brokers.splice(0).map((broker) => broker.close()))
  })

  it('brings what an edge says to one of the hubs, its state to every hub, and cursors back', async () => {
    const first = await hub(1)
    await hub(2)
    const { edgeId, token } = await newEdge()
    const client = await edge(edgeId, token)
    const heard: string[] = []
    client.on('message', (_topic, payload) => heard.push(payload.toString()))
    await client.subscribeAsync(edgeTopics.cursor(edgeId), { qos: 1 })
    for (let n = 1; n <= 20; n++) await client.publishAsync(edgeTopics.hello(edgeId), String(n), { qos: 1 })
    const hellos = () => received.filter(({ topic }) => topic === edgeTopics.hello(edgeId))
    await expect.poll(() => hellos().length).toBe(20)
    expect(new Set(hellos().map(({ text }) => text)).size).toBe(20)
    expect(new Set(hellos().map((one) => one.hub))).toEqual(new Set([1, 2]))

    await client.publishAsync(edgeTopics.status(edgeId), 'here', { qos: 1, retain: true })
    const states = () => received.filter(({ topic }) => topic === edgeTopics.status(edgeId))
    await expect
      .poll(() =>
        states()
          .map((one) => one.hub)
          .sort(),
      )
      .toEqual([1, 2])
    await first.publish(edgeTopics.cursor(edgeId), 'cursor')
    await expect.poll(() => heard).toEqual(['cursor'])

    // A hub that comes later hears where the edge stands, and of its end.
    await hub(3)
    await expect.poll(() => states().filter((one) => one.hub === 3).length).toBe(1)
    client.stream.destroy()
    await expect.poll(() => states().filter(({ text }) => text === 'gone').length).toBe(3)
  })

  it('lets an edge reach its own topics and nothing else', async () => {
    await hub()
    const one = await newEdge()
    const other = await newEdge()
    const victim = await edge(other.edgeId, other.token)
    const heard: string[] = []
    victim.on('message', (topic) => heard.push(topic))
    await victim.subscribeAsync(edgeTopics.cursor(other.edgeId), { qos: 1 })
    const client = await edge(one.edgeId, one.token)
    for (const filter of [
      '#',
      '$share/patrolhub/patrolhub/v1/edges/+/up/#',
      '$CONTROL/dynamic-security/#',
      'patrolhub/v1/edges/+/down/cursor',
      edgeTopics.cursor(other.edgeId),
      edgeTopics.hello(one.edgeId),
    ]) {
      await expect(client.subscribeAsync(filter, { qos: 1 }), filter).rejects.toThrow()
    }
    for (const topic of [
      edgeTopics.hello(other.edgeId),
      edgeTopics.cursor(other.edgeId),
      edgeTopics.status(other.edgeId),
      edgeTopics.cursor(one.edgeId),
      `patrolhub/v1/edges/${one.edgeId}/up/other`,
      '$CONTROL/dynamic-security/v1',
    ]) {
      await client.publishAsync(topic, '{"commands":[{"command":"listClients"}]}', { qos: 1 })
    }
    await client.publishAsync(edgeTopics.hello(one.edgeId), 'own', { qos: 1 })
    await expect.poll(() => received.length).toBe(1)
    expect(received[0]).toMatchObject({ edgeId: one.edgeId, text: 'own' })
    expect(heard).toEqual([])
  })

  it('lets nobody in with a wrong token, an old one, or the client id of somebody else', async () => {
    const { edgeId, token } = await newEdge()
    await expect(edge(edgeId, 'wrong')).rejects.toThrow(/authori/i)
    await expect(edge(edgeId, token, 'hub-1')).rejects.toThrow(/authori/i)
    const open = await edge(edgeId, token)
    const closed = new Promise<void>((resolve) => open.once('close', () => resolve()))
    await credentials.admit(edgeId, 'the-next-token')
    await closed
    await expect(edge(edgeId, token)).rejects.toThrow(/authori/i)
    await (await edge(edgeId, 'the-next-token')).endAsync(true)
  })

  it('ends the connection of an edge that is dismissed, whose id may be given again', async () => {
    const { edgeId, token } = await newEdge()
    const client = await edge(edgeId, token)
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
    await credentials.dismiss(edgeId)
    await closed
    await expect(edge(edgeId, token)).rejects.toThrow(/authori/i)
    // Repeats are harmless, also of what is not there.
    await credentials.dismiss(edgeId)
    await credentials.admit(edgeId, token)
    await edge(edgeId, token)
  })

  it('refuses and counts what comes from an edge that the hub does not know', async () => {
    const asked: string[] = []
    const identify = async (edgeId: string) => void asked.push(edgeId)
    await hub(1, { identify: identify as BrokerHandlers['identify'] })
    const { edgeId, token } = await newEdge()
    const client = await edge(edgeId, token)
    await client.publishAsync(edgeTopics.hello(edgeId), 'who is it', { qos: 1 })
    await expect.poll(() => asked).toContain(edgeId)
    // Edges of other tests have left their states behind.
    expect(await denied()).toBe(asked.length)
    expect(received).toEqual([])
  })

  it('says why no user could be made', async () => {
    const wrong = dynamicSecurity({ ...server(), password: 'wrong' })
    await expect(wrong.admit('edge-x', 'token')).rejects.toMatchObject({
      code: 'HUB_BROKER',
      message: expect.stringMatching(/authori/i),
    })
    const { edgeId, token } = await newEdge()
    const noAdministrator = dynamicSecurity({ ...server(), username: edgeId, password: token })
    await expect(noAdministrator.admit('edge-x', 'token')).rejects.toMatchObject({ code: 'HUB_BROKER' })
  })

  it('takes no more than it has room for, stays connected meanwhile, and goes on where it stopped', async () => {
    const room = Promise.withResolvers<void>()
    const taken: string[] = []
    const broker = await hub(1, {
      message: async (_edge, _topic, payload) => {
        taken.push(Buffer.from(payload).toString())
        await room.promise
      },
    })
    const { edgeId, token } = await newEdge()
    const client = await edge(edgeId, token)
    const topic = edgeTopics.batch(edgeId, 'measurements')
    const sent = Array.from({ length: 300 }, (_, n) => String(n))
    await Promise.all(sent.map((text) => client.publishAsync(topic, text, { qos: 1 })))
    // Longer than the broker waits for a client that is silent.
    await new Promise((resolve) => setTimeout(resolve, 10_000))
    expect(taken).toEqual(['0'])
    await broker.ping()
    room.resolve()
    await expect.poll(() => taken.length).toBe(300)
    expect(taken).toEqual(sent)
    expect(mosquitto.output()).not.toMatch(/exceeded timeout/)
  })

  it('does not collect anything for a hub that is gone', async () => {
    await hub(1)
    const second = await hub(2)
    const { edgeId, token } = await newEdge()
    const client = await edge(edgeId, token)
    await second.close()
    for (let n = 1; n <= 10; n++) await client.publishAsync(edgeTopics.hello(edgeId), String(n), { qos: 1 })
    await expect.poll(() => received.filter((one) => one.hub === 1).length).toBe(10)
  })

  it('says that the broker is away, refuses what is to be sent, and is back by itself', async () => {
    const broker = await hub()
    const { edgeId, token } = await newEdge()
    await broker.ping()
    await mosquitto.kill()
    await expect.poll(() => broker.ping().then(() => '', String)).toMatch(/the MQTT broker is away/)
    await expect(broker.publish(edgeTopics.cursor(edgeId), 'lost')).rejects.toThrow(/away|closed/i)
    await expect(credentials.dismiss(edgeId)).rejects.toMatchObject({ code: 'HUB_BROKER' })
    // A hub that starts meanwhile starts all the same.
    const late = await hub(2)
    await expect(late.ping()).rejects.toThrow(/away/)
    await mosquitto.start()
    for (const one of [broker, late])
      await expect.poll(() => one.ping().then(() => 'up', String), { timeout: 15_000 }).toBe('up')
    // Users outlive the broker's crash.
    const client = await edge(edgeId, token)
    await client.publishAsync(edgeTopics.hello(edgeId), 'again', { qos: 1 })
    await expect.poll(() => received.some(({ text }) => text === 'again')).toBe(true)
  })

  it('takes nothing larger than a message may be', async () => {
    await hub()
    const { edgeId, token } = await newEdge()
    const client = await edge(edgeId, token)
    const topic = edgeTopics.hello(edgeId)
    await client.publishAsync(topic, 'x'.repeat(1024 * 1024), { qos: 1 })
    await expect.poll(() => received.length).toBe(1)
    await client.publishAsync(topic, 'x'.repeat(1100 * 1024), { qos: 1 })
    await client.publishAsync(topic, 'small', { qos: 1 })
    await expect.poll(() => received.length).toBe(2)
    expect(received[1]!.text).toBe('small')
  })
})
