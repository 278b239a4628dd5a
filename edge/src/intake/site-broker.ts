/**
 * Takes messages from a site's own broker: one topic for each device, QoS 1, a session that the broker keeps. A message
 * is acknowledged only after `onMessage` has resolved, that is, when what came out of it is in the journal; if that fails
 * the connection is given up, and the broker sends the message again after the next one. Connections are tried again
 * with growing pauses. A topic that nobody is configured for is never subscribed to.
 */
import { connect, type MqttClient } from 'mqtt'
import type { IPublishPacket } from 'mqtt-packet'
import type { Logger } from 'pino'
import { Backoff } from '../backoff.ts'
import type { SiteBrokerConfig } from '../config.ts'
import { redact } from '../redact.ts'
import type { DeviceMessage } from './device-message.ts'

export interface SiteBrokerOptions {
  broker: SiteBrokerConfig
  /** `undefined` for a device that is not configured. */
  kindOf: (deviceId: string) => DeviceMessage['kind'] | undefined
  onMessage: (message: DeviceMessage) => Promise<unknown>
  log: Logger
  retryMinMs?: number
  retryMaxMs?: number
}

const CONNECT_MS = 10_000
const KEEPALIVE_SECONDS = 30

export class SiteBroker {
  readonly #options: SiteBrokerOptions
  readonly #log: Logger
  readonly #devices: ReadonlyMap<string, string>
  readonly #stop = new AbortController()
  #client: MqttClient | undefined
  #loop: Promise<void> | undefined

  constructor(options: SiteBrokerOptions) {
    this.#options = options
    this.#log = options.log.child({ broker: redact(options.broker.url) })
    this.#devices = new Map(options.broker.topics.map(({ topic, deviceId }) => [topic, deviceId]))
  }

  /** Begins to connect; returns at once. */
  start(): void {
    this.#loop ??= this.#run(this.#stop.signal)
  }

  /** True while the broker is there and one of its topics is this device's. */
  isConnected(deviceId: string): boolean {
    return this.#client !== undefined && [...this.#devices.values()].includes(deviceId)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#client?.endAsync().catch(() => undefined)
    await this.#loop
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { retryMinMs = 500, retryMaxMs = 60_000 } = this.#options
    const backoff = new Backoff({ minMs: retryMinMs, maxMs: retryMaxMs })
    let lastProblem = ''
    while (!signal.aborted) {
      try {
        const client = await this.#connect(signal)
        this.#client = client
        this.#log.info({ topics: this.#devices.size }, 'a site broker is connected')
        lastProblem = ''
        backoff.reset()
        if (client.connected) await new Promise<void>((resolve) => client.once('close', () => resolve()))
        this.#client = undefined
        await client.endAsync(true).catch(() => undefined)
        if (!signal.aborted) this.#log.warn('the connection to a site broker has ended')
      } catch (error) {
        const problem = redact((error as Error).message)
        if (!signal.aborted && problem !== lastProblem) {
          this.#log.warn({ why: problem }, 'a site broker cannot be reached, trying again')
        }
        lastProblem = problem
      }
      await backoff.wait(signal)
    }
  }

  /** A connection whose topics are granted. Rejects with what the network or the broker says; nothing is left open. */
  async #connect(signal: AbortSignal): Promise<MqttClient> {
    const { url, clientId, username, password, ca } = this.#options.broker
    const client = connect(url, {
      clientId,
      clean: false,
      protocolVersion: 4,
      reconnectPeriod: 0,
      resubscribe: false,
      connectTimeout: CONNECT_MS,
      keepalive: KEEPALIVE_SECONDS,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(ca === undefined ? {} : { ca }),
    })
    // Before anything can come: what the broker has kept follows its CONNACK at once.
    client.handleMessage = (packet, done) => this.#handle(client, packet, done)
    const failed = Promise.withResolvers<never>()
    client.on('error', failed.reject)
    client.once('close', () => failed.reject(new Error('the connection was closed')))
    const onAbort = () => failed.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(() => failed.reject(new Error('the broker does not answer')), CONNECT_MS)
    failed.promise.catch(() => undefined)
    try {
      const connected = new Promise<void>((resolve) => client.once('connect', () => resolve()))
      await Promise.race([connected, failed.promise])
      const topics = [...this.#devices.keys()]
      const granted = await Promise.race([client.subscribeAsync(topics, { qos: 1 }), failed.promise])
      const refused = granted.filter(({ qos }) => qos > 2).map(({ topic }) => topic)
      if (refused.length > 0) throw new Error(`the broker does not grant ${refused.slice(0, 5).join(', ')}`)
      return client
    } catch (error) {
      await client.endAsync(true).catch(() => undefined)
      throw error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }

  #handle(client: MqttClient, packet: IPublishPacket, done: (error?: Error) => void): void {
    const deviceId = this.#devices.get(packet.topic)
    const kind = deviceId === undefined ? undefined : this.#options.kindOf(deviceId)
    // Retained: what the broker has on file since some time and tells after every subscription anew.
    if (deviceId === undefined || kind === undefined || packet.retain) {
      done()
      return
    }
    const payload = Buffer.from(packet.payload)
    const message = { deviceId, kind, topic: packet.topic, payload, isRepeat: packet.dup }
    this.#options.onMessage(message).then(
      () => done(),
      (err: unknown) => {
        this.#log.error({ err, deviceId }, 'a message could not be kept, the broker will send it again')
        // Without an acknowledgement, and without the next message.
        client.stream.destroy()
      },
    )
  }
}
