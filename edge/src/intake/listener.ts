/**
 * The MQTT listener for devices. A device signs in with its own credential and may publish to its own two topics and
 * to nothing else; it may not subscribe. A message is acknowledged only after `onMessage` has resolved, that is, when
 * what came out of it is in the journal: aedes sends the PUBACK right after `authorizePublish`, so that is where the
 * work is done. While it is going on, no more is read from that device.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { parseDeviceTopic } from '@patrolhub/protocol'
import { Aedes, type AuthenticateError, type Client } from 'aedes'
import type { Logger } from 'pino'
import type { DeviceCredential } from '../config.ts'
import { EdgeError } from '../errors.ts'
import type { DeviceMessage } from './device-message.ts'
import { PacketMeter } from './packet-meter.ts'

export interface DeviceListenerOptions {
  host: string
  port: number
  maxMessageBytes: number
  devices: readonly DeviceCredential[]
  /** A rejection ends the device's connection without an acknowledgement, so that it sends the message again. */
  onMessage: (message: DeviceMessage) => Promise<unknown>
  log: Logger
}

/** Before a device has signed in it has nothing long to say. */
const MAX_CONNECT_BYTES = 4096
/** A device that does not read its acknowledgements is cut off here. */
const MAX_UNSENT_BYTES = 256 * 1024
const MAX_CONNECTIONS_PER_DEVICE = 4

export class DeviceListener {
  readonly #options: DeviceListenerOptions
  readonly #log: Logger
  readonly #byUsername: ReadonlyMap<string, DeviceCredential>
  readonly #deviceOf = new WeakMap<Client, string>()
  readonly #connected = new Map<string, number>()
  readonly #sockets = new Map<Socket, PacketMeter>()
  #broker: Aedes | undefined
  #server: Server | undefined

  constructor(options: DeviceListenerOptions) {
    this.#options = options
    this.#log = options.log
    this.#byUsername = new Map(options.devices.map((device) => [device.username, device]))
  }

  /** @throws EdgeError EDGE_PORT_IN_USE. */
  async start(): Promise<void> {
    const broker = await Aedes.createBroker({ connectTimeout: 10_000, drainTimeout: 10_000 })
    this.#broker = broker
    broker.authenticate = (client, username, password, done) =>
      this.#authenticate(client, username, password, done)
    broker.authorizeSubscribe = (_client, _subscription, done) => done(null, null)
    broker.authorizePublish = (client, packet, done) => {
      if (!client) return done()
      // Nobody subscribes here, so nothing needs to be kept for later.
      packet.retain = false
      this.#take(client, packet.topic, packet.payload as Buffer, packet.dup).then(() => done(), done)
    }
    for (const event of ['clientError', 'connectionError'] as const) {
      broker.on(event, (client, error) => {
        this.#log.debug({ err: error, deviceId: this.#deviceOf.get(client) }, 'a device connection failed')
      })
    }
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    server.listen(this.#options.port, this.#options.host)
    try {
      await once(server, 'listening')
    } catch (error) {
      await new Promise<void>((resolve) => broker.close(resolve))
      throw listenError(error, this.#options)
    }
  }

  /** The port in use, also when the configuration asked for any. */
  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? 0
  }

  isConnected(deviceId: string): boolean {
    return (this.#connected.get(deviceId) ?? 0) > 0
  }

  async close(): Promise<void> {
    const server = this.#server
    const broker = this.#broker
    this.#server = undefined
    this.#broker = undefined
    if (!server || !broker) return
    const closed = new Promise((resolve) => server.close(resolve))
    await new Promise<void>((resolve) => broker.close(resolve))
    for (const socket of this.#sockets.keys()) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    const broker = this.#broker
    if (!broker) {
      socket.destroy()
      return
    }
    const meter = new PacketMeter(MAX_CONNECT_BYTES)
    this.#sockets.set(socket, meter)
    socket.once('close', () => this.#sockets.delete(socket))
    // aedes pulls its bytes by `read`: measured here, before they reach its parser.
    const read = socket.read.bind(socket)
    socket.read = (size?: number) => {
      const chunk: unknown = read(size)
      if (!(chunk instanceof Uint8Array) || meter.accepts(chunk)) return chunk
      this.#log.warn({ address: socket.remoteAddress }, 'a packet over the limit, the connection is cut')
      socket.destroy()
      return null
    }
    broker.handle(socket)
  }

  #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    const socket = client.conn as Socket
    const device = this.#byUsername.get(username ?? '')
    const isRight = isSame(password ?? Buffer.alloc(0), device?.password ?? '') && device !== undefined
    const connections = device ? (this.#connected.get(device.deviceId) ?? 0) : 0
    if (!isRight || connections >= MAX_CONNECTIONS_PER_DEVICE) {
      const why = isRight ? 'too many connections of this device' : 'user name or password is wrong'
      this.#log.warn(
        { username: username?.slice(0, 64), address: socket.remoteAddress, why },
        'a device was refused',
      )
      // 4: bad user name or password; 5: not authorised (MQTT 3.1.1, table 3.1).
      done(Object.assign(new Error(why), { returnCode: isRight ? 5 : 4 }), false)
      return
    }
    this.#deviceOf.set(client, device.deviceId)
    this.#count(device.deviceId, 1)
    socket.once('close', () => this.#count(device.deviceId, -1))
    const meter = this.#sockets.get(socket)
    if (meter) meter.limitBytes = this.#options.maxMessageBytes
    done(null, true)
  }

  async #take(client: Client, topic: string, payload: Buffer | string, isRepeat: boolean): Promise<void> {
    const deviceId = this.#deviceOf.get(client)
    const parsed = parseDeviceTopic(topic)
    if (!deviceId || parsed?.deviceId !== deviceId) {
      this.#log.warn(
        { deviceId, topic: topic.slice(0, 200) },
        'a device published to a topic that is not its own',
      )
      throw new Error('not a topic of this device')
    }
    const socket = client.conn as Socket
    if (socket.writableLength > MAX_UNSENT_BYTES) {
      this.#log.warn(
        { deviceId, unsentBytes: socket.writableLength },
        'a device does not read, it is cut off',
      )
      throw new Error('the device does not read')
    }
    await this.#options.onMessage({ ...parsed, topic, payload: Buffer.from(payload as Buffer), isRepeat })
  }

  #count(deviceId: string, change: 1 | -1): void {
    const before = this.#connected.get(deviceId) ?? 0
    this.#connected.set(deviceId, before + change)
    if (change > 0 && before === 0) this.#log.info({ deviceId }, 'a device has connected')
    if (change < 0 && before === 1) this.#log.info({ deviceId }, 'a device has disconnected')
  }
}

/** Compares without telling by its time where the difference is. */
function isSame(given: Buffer, expected: string): boolean {
  const digest = (value: Buffer | string) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

function listenError(error: unknown, { host, port }: { host: string; port: number }): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return error
  const why = code === 'EADDRINUSE' ? 'is taken by another program' : 'may not be opened by this user'
  return new EdgeError(
    'EDGE_PORT_IN_USE',
    `Port ${port} on ${host} ${why}; set intake.port to another one.`,
    {
      cause: error,
    },
  )
}
