/**
 * The broker of one machine: aedes inside the hub's process, facing the network by itself.
 *
 * aedes sends the PUBACK before it routes or stores anything, so a PUBACK is no proof of anything here: the cursor is
 * our acknowledgement. Messages are taken in `authorizePublish`, the one hook that runs before the PUBACK, which lets
 * us stop reading from an edge. Sessions are always clean and nothing is retained: both would be lost with the process,
 * and neither is needed, because an edge says hello after every connect.
 *
 * One connection an edge: the MQTT client id is replaced by the edge id, so a second connection with the credential of
 * the same edge takes over and the first is closed (MQTT 3.1.1, section 3.1.4).
 */
import { type EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { edgeMayPublish, edgeMaySubscribe, MAX_MESSAGE_BYTES } from '@patrolhub/protocol'
import { Aedes, type AuthenticateError, type Client } from 'aedes'
import type { Logger } from 'pino'
import { HubError } from '../../errors.ts'
import type { Metrics } from '../../metrics.ts'
import type { Broker, BrokerHandlers, EdgeIdentity } from '../../ports/broker.ts'
import { GuardedConnection } from './guarded-connection.ts'
import { Identities } from './identities.ts'

export interface AedesBrokerOptions {
  host: string
  port: number
  maxConnections: number
  tls: { cert: string; key: string } | undefined
  /** Until a client has said and proved who it is. */
  connectTimeoutMs?: number
  handlers: BrokerHandlers
  metrics: Metrics
  log: Logger
}

/** The largest CONNECT that is read from somebody who has not proved who they are. */
const MAX_CONNECT_BYTES = 8 * 1024
/** Room for topic and packet id around the largest payload. */
const MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + 1024
/** A client that lets this much lie unsent is cut: it gets everything again when it is back. */
const MAX_UNSENT_BYTES = 1024 * 1024
const CONNECT_TIMEOUT_MS = 10_000
const DRAIN_TIMEOUT_MS = 10_000
/** CONNACK return codes, MQTT 3.1.1 section 3.2.2.3. */
const SERVER_UNAVAILABLE = 3
const BAD_CREDENTIALS = 4

class AedesBroker implements Broker {
  readonly #options: AedesBrokerOptions
  readonly #log: Logger
  readonly #aedes: Aedes
  readonly #server: Server
  readonly #edges = new WeakMap<Client, EdgeIdentity>()
  readonly #identities: Identities
  readonly #connected = new Map<string, Client>()
  #closing: Promise<void> | undefined

  constructor(options: AedesBrokerOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'broker' })
    this.#identities = new Identities(options.handlers.identify)
    this.#aedes = new Aedes({
      connectTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxClientsIdLength: 64,
      preConnect: (_client, packet, done) => {
        // Session state lives in the hub's store, never in the broker.
        packet.clean = true
        packet.clientId = packet.username ?? ''
        done(null, true)
      },
      authenticate: (client, username, password, done) => {
        this.#authenticate(client, username ?? '', password?.toString('utf8') ?? '').then(
          () => done(null, true),
          (error: AuthenticateError) => done(error, false),
        )
      },
      authorizePublish: (client, packet, done) => {
        packet.retain = false
        this.#take(client, packet.topic, packet.payload as Uint8Array).then(() => done(null), done)
      },
      authorizeSubscribe: (client, subscription, done) => {
        const edge = this.#edges.get(client)
        if (edge && edgeMaySubscribe(edge.edgeId, subscription.topic)) return done(null, subscription)
        options.metrics.mqttDenied.inc({ action: 'subscribe' })
        this.#log.warn({ edgeId: edge?.edgeId, topic: subscription.topic }, 'subscription denied')
        // Refused in the SUBACK (section 3.9.3); the connection stays.
        done(null, null)
      },
      authorizeForward: (client, packet) => {
        if ((client.conn.writableLength ?? 0) <= MAX_UNSENT_BYTES) return packet
        options.metrics.mqttClosed.inc({ reason: 'slow' })
        this.#log.warn({ edgeId: client.id }, 'edge reads too slowly and is disconnected')
        client.conn.destroy()
        return null
      },
    })
    // Not in aedes' types: faults of its own in-memory store. Unheard, they would end the process.
    ;(this.#aedes as EventEmitter).on('error', (err) => this.#log.error({ err }, 'fault inside the broker'))
    this.#aedes.on('client', (client) => this.#registered(client))
    this.#aedes.on('clientDisconnect', (client) => this.#gone(client))
    this.#aedes.on('clientError', (client, error) => this.#failed(client, error))
    this.#aedes.on('connectionError', (client, error) => this.#failed(client, error))
    const onSocket = (socket: Socket) => this.#accept(socket)
    this.#server = options.tls
      ? createTlsServer(
          { ...options.tls, minVersion: 'TLSv1.2', handshakeTimeout: CONNECT_TIMEOUT_MS },
          onSocket,
        )
      : createServer(onSocket)
    this.#server.maxConnections = options.maxConnections
    this.#server.on('drop', () => options.metrics.mqttClosed.inc({ reason: 'too many connections' }))
    this.#server.on('tlsClientError', () => options.metrics.mqttClosed.inc({ reason: 'tls' }))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async start(): Promise<void> {
    await this.#aedes.listen()
    const { host, port } = this.#options
    this.#server.listen({ host, port })
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      await this.close()
      throw listenError(error as NodeJS.ErrnoException, host, port)
    }
    this.#log.info({ host, port: this.port, tls: this.#options.tls !== undefined }, 'MQTT broker listens')
  }

  async ping(): Promise<void> {
    if (!this.#server.listening) throw new Error('the broker does not listen')
  }

  publish(topic: string, payload: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#aedes.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, retain: false, dup: false },
      (error) => (error ? reject(error) : resolve()),
    )
    return promise
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const closed = this.#server.listening ? once(this.#server, 'close') : Promise.resolve()
      this.#server.close()
      await new Promise<void>((resolve) => this.#aedes.close(resolve))
      await closed
    })()
    return this.#closing
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress
    const connection = new GuardedConnection(socket, MAX_CONNECT_BYTES, (reason) => {
      this.#options.metrics.messagesRefused.inc({ reason: 'too large' })
      this.#log.warn({ edgeId: client.id ?? undefined, address, reason }, 'MQTT packet refused')
    })
    const client = this.#aedes.handle(connection)
  }

  async #authenticate(client: Client, edgeId: string, token: string): Promise<void> {
    let edge: EdgeIdentity | undefined
    try {
      edge = await this.#options.handlers.authenticate(edgeId, token)
    } catch (err) {
      this.#log.error({ err, edgeId }, 'the credential of an edge cannot be checked')
      throw refusal('the hub cannot check credentials now', SERVER_UNAVAILABLE)
    }
    if (!edge) {
      this.#options.metrics.mqttDenied.inc({ action: 'connect' })
      this.#log.warn({ edgeId }, 'an edge with an unknown id or a wrong token was refused')
      throw refusal('unknown edge id or wrong token', BAD_CREDENTIALS)
    }
    this.#identities.forget(edge.edgeId)
    this.#edges.set(client, edge)
    ;(client.conn as GuardedConnection).maxPacketBytes = MAX_PACKET_BYTES
    if (this.#connected.has(edge.edgeId)) {
      this.#options.metrics.mqttClosed.inc({ reason: 'taken over' })
      this.#log.warn({ edgeId }, 'a new connection takes over from the old one of the same edge')
    }
  }

  /** Resolves when the hub has room for the next message; rejects, which closes the connection, if it is not allowed. */
  async #take(client: Client | null, topic: string, payload: Uint8Array): Promise<void> {
    if (client === null) return // The hub's own messages.
    const edge = this.#edges.get(client)
    if (!edge || !edgeMayPublish(edge.edgeId, topic)) {
      this.#options.metrics.mqttDenied.inc({ action: 'publish' })
      this.#log.warn({ edgeId: edge?.edgeId, topic }, 'an edge published to a topic that is not its own')
      throw new Error(`not allowed to publish to ${topic}`)
    }
    if (await this.#isRevoked(edge.edgeId)) {
      this.#options.metrics.mqttClosed.inc({ reason: 'revoked' })
      this.#log.warn({ edgeId: edge.edgeId }, 'an edge that was revoked is disconnected')
      throw new Error('the credential was revoked')
    }
    await this.#options.handlers.message(edge, topic, payload)
  }

  /** A store that is away takes nobody's credential; the message waits for the store further on. */
  #isRevoked(edgeId: string): Promise<boolean> {
    return this.#identities.of(edgeId).then(
      (identity) => identity === undefined,
      () => false,
    )
  }

  #registered(client: Client): void {
    const edge = this.#edges.get(client)
    if (!edge) return
    this.#connected.set(edge.edgeId, client)
    this.#options.metrics.mqttConnections.set(this.#connected.size)
    this.#options.handlers.connected(edge)
  }

  #gone(client: Client): void {
    const edge = this.#edges.get(client)
    if (!edge || this.#connected.get(edge.edgeId) !== client) return
    this.#connected.delete(edge.edgeId)
    this.#options.metrics.mqttConnections.set(this.#connected.size)
    this.#options.handlers.disconnected(edge)
  }

  #failed(client: Client, error: Error): void {
    this.#options.metrics.mqttClosed.inc({ reason: 'error' })
    this.#log.info(
      { edgeId: client.id ?? undefined, reason: error.message },
      'MQTT connection ended by an error',
    )
  }
}

function refusal(message: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(message), { returnCode })
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') return error
  const why = error.code === 'EADDRINUSE' ? 'is taken' : 'may not be used'
  return new HubError('HUB_PORT', `MQTT port ${port} on ${host} ${why}; move it with PATROLHUB_MQTT_PORT`, {
    cause: error,
  })
}

/** Starts listening. Throws HUB_PORT if the port is taken. */
export async function startAedes(options: AedesBrokerOptions): Promise<Broker> {
  const broker = new AedesBroker(options)
  await broker.start()
  return broker
}
