/**
 * A broker of its own (Mosquitto, EMQX), shared by several hubs. Edges connect to it, each with a credential that lets
 * it reach its own topics only; that the topic names the edge truly rests on this. The hubs share the edges' batches
 * by a shared subscription (MQTT 5, section 4.8.2); states of edges are retained and every hub hears all of them.
 *
 * Two connections: what comes in waits for the stores, and on the same connection the answers to what goes out would
 * wait behind it, which the stores wait for in turn.
 *
 * A PUBACK says that a message was taken into a lane, no more. With the small receive maximum the broker holds back
 * what this hub has no room for; the edges stop by themselves, because they have few batches under way each.
 */
import { randomUUID } from 'node:crypto'
import { MAX_MESSAGE_BYTES, parseUpTopic } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Metrics } from '../../metrics.ts'
import type { Broker, BrokerHandlers, EdgeIdentity } from '../../ports/broker.ts'
import { Identities } from './identities.ts'
import { MqttConnection, type MqttServer } from './mqtt-connection.ts'

export interface MqttBrokerOptions {
  server: MqttServer
  handlers: BrokerHandlers
  metrics: Metrics
  log: Logger
}

/** Every hub of this group gets a part of what the edges send. */
const GROUP = 'patrolhub'
export const UP_TOPICS = `$share/${GROUP}/patrolhub/v1/edges/+/up/#`
export const STATUS_TOPICS = 'patrolhub/v1/edges/+/status'

/** Room for topic and properties around the largest payload. */
const MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 4096
/** Batches that the broker may have under way to this hub; what is more waits at the broker. */
const UP_RECEIVE_MAXIMUM = 64
/** States come in a crowd after a connect, one of each edge, and are small. */
const STATUS_RECEIVE_MAXIMUM = 1000
const STORE_RETRY_MS = 1000
/** An unknown edge gets a line in the log this often; everything is counted. */
const COMPLAINT_INTERVAL_MS = 10_000

class MqttBroker implements Broker {
  readonly port: number
  readonly #options: MqttBrokerOptions
  readonly #log: Logger
  readonly #identities: Identities
  readonly #up: MqttConnection
  readonly #down: MqttConnection
  #complainedAtMs = Number.NEGATIVE_INFINITY
  #isClosing = false

  constructor(options: MqttBrokerOptions) {
    const { server, handlers } = options
    this.#options = options
    this.#log = options.log.child({ component: 'broker' })
    this.#identities = new Identities(handlers.identify)
    const url = new URL(server.url)
    this.port = Number(url.port || (url.protocol === 'mqtts:' ? 8883 : 1883))
    const name = `hub-${randomUUID()}`
    const common = {
      server,
      maxPacketBytes: MAX_PACKET_BYTES,
      log: this.#log,
      onMessage: (topic: string, payload: Uint8Array) => this.#take(topic, payload),
    }
    this.#up = new MqttConnection({
      ...common,
      clientId: `${name}-up`,
      topics: [UP_TOPICS],
      receiveMaximum: UP_RECEIVE_MAXIMUM,
    })
    this.#down = new MqttConnection({
      ...common,
      clientId: `${name}-down`,
      topics: [STATUS_TOPICS],
      receiveMaximum: STATUS_RECEIVE_MAXIMUM,
      onMessage: async (topic, payload) => {
        // Not waited for: cursors leave by this connection. One write an edge each half minute needs no brake.
        void this.#take(topic, payload)
      },
    })
  }

  async start(): Promise<void> {
    await this.#down.start()
    await this.#up.start()
  }

  async ping(): Promise<void> {
    const problem = this.#up.problem ?? this.#down.problem
    if (problem !== undefined) throw new Error(`the MQTT broker is away: ${problem}`)
  }

  publish(topic: string, payload: string): Promise<void> {
    return this.#down.publish(topic, payload)
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#up.close()
    await this.#down.close()
  }

  async #take(topic: string, payload: Uint8Array): Promise<void> {
    const { metrics, handlers } = this.#options
    const edgeId = parseUpTopic(topic)?.edgeId
    if (edgeId === undefined) {
      metrics.messagesRefused.inc({ reason: 'topic' })
      return
    }
    const edge = await this.#identify(edgeId)
    if (!edge) {
      metrics.mqttDenied.inc({ action: 'publish' })
      this.#complain(edgeId, topic)
      return
    }
    await handlers.message(edge, topic, payload)
  }

  /** Waits while the store is away: an edge that cannot be looked up is not an unknown one. */
  async #identify(edgeId: string): Promise<EdgeIdentity | undefined> {
    while (!this.#isClosing) {
      try {
        return await this.#identities.of(edgeId)
      } catch (err) {
        this.#log.warn({ err, edgeId }, 'an edge cannot be looked up; trying again')
        await new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS))
      }
    }
    return undefined
  }

  #complain(edgeId: string, topic: string): void {
    const nowMs = performance.now()
    if (this.#isClosing || nowMs - this.#complainedAtMs < COMPLAINT_INTERVAL_MS) return
    this.#complainedAtMs = nowMs
    this.#log.warn({ edgeId, topic }, 'the broker let an edge in that the hub does not know, or no longer')
  }
}

/**
 * Begins to connect. A broker that is away is no reason not to start: `ping` says so, and what the edges have waits in
 * their journals.
 */
export async function startMqttBroker(options: MqttBrokerOptions): Promise<Broker> {
  const broker = new MqttBroker(options)
  await broker.start()
  return broker
}
