/**
 * One connection to a broker of its own, kept up: after a loss it is made anew, with growing pauses. Each time with a
 * fresh client, so nothing piles up while the broker is away and nothing old is sent when it is back.
 *
 * The session is clean. A persistent one would go on collecting its share of what the edges send while this hub is
 * dead, and give it to nobody; a clean one ends with the connection, the other hubs get everything from then on, and
 * what was on its way is sent again by its edge, which deletes nothing before a cursor.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { Logger } from 'pino'

export interface MqttServer {
  url: string
  username: string
  password: string
  /** PEM of a private authority. */
  ca: string | undefined
}

export interface MqttConnectionOptions {
  server: MqttServer
  clientId: string
  topics: readonly string[]
  /** As MQTT 5, section 3.1.2.11.3: unacknowledged messages that the broker may have under way to us. */
  receiveMaximum: number
  maxPacketBytes: number
  /** The broker sends no further than `receiveMaximum` until it resolves. Never rejects. */
  onMessage(topic: string, payload: Uint8Array): Promise<void>
  log: Logger
}

const CONNECT_TIMEOUT_MS = 10_000
/** Short: until the broker has noticed that this machine is gone, it sends it its share of the batches. */
const KEEPALIVE_SECONDS = 6
const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 5000
const GOODBYE_MS = 1000
/** Publishes that wait for the broker's answer; beyond it they are refused instead of piling up. */
const MAX_UNANSWERED = 4096

export class MqttConnection {
  readonly #options: MqttConnectionOptions
  readonly #log: Logger
  readonly #stop = new AbortController()
  #client: MqttClient | undefined
  #problem = 'not connected yet'
  #unanswered = 0
  #loop: Promise<void> | undefined

  constructor(options: MqttConnectionOptions) {
    this.#options = options
    this.#log = options.log
  }

  /** Why there is no connection now; `undefined` if there is one. */
  get problem(): string | undefined {
    return this.#client ? undefined : this.#problem
  }

  /** Begins to connect; resolves with the first attempt's end, whatever it was. */
  async start(): Promise<void> {
    const first = Promise.withResolvers<void>()
    this.#loop = this.#run(() => first.resolve())
    await first.promise
  }

  /** QoS 1; resolves with the broker's answer. Rejects at once while there is no connection, or when it is lost. */
  async publish(topic: string, payload: string): Promise<void> {
    const client = this.#client
    if (!client) throw new Error(`the broker is away: ${this.#problem}`)
    if (this.#unanswered >= MAX_UNANSWERED) throw new Error('the broker does not answer')
    this.#unanswered++
    try {
      await client.publishAsync(topic, payload, { qos: 1 })
    } finally {
      this.#unanswered--
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #run(firstAttemptEnded: () => void): Promise<void> {
    const { signal } = this.#stop
    const { url } = this.#options.server
    let pauseMs = FIRST_PAUSE_MS
    let told = ''
    while (!signal.aborted) {
      const connection = await this.#connect().catch((error: Error) => {
        this.#problem = error.message
        return undefined
      })
      firstAttemptEnded()
      if (connection) {
        this.#log.info({ url }, 'connected to the MQTT broker')
        pauseMs = FIRST_PAUSE_MS
        told = ''
        this.#problem = await connection.lost
        if (!signal.aborted) this.#log.warn({ url, reason: this.#problem }, 'the MQTT broker is lost')
      } else if (this.#problem !== told && !signal.aborted) {
        // Once a cause: a broker may be away for hours.
        told = this.#problem
        this.#log.error({ url, reason: told }, 'the MQTT broker cannot be reached; trying on')
      }
      await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
    }
  }

  /** Connects and subscribes; `lost` resolves with the reason when it is gone. Throws why it cannot. */
  async #connect(): Promise<{ lost: Promise<string> }> {
    const { server, clientId, topics, receiveMaximum, maxPacketBytes } = this.#options
    const { signal } = this.#stop
    const options: IClientOptions = {
      clientId,
      username: server.username,
      password: server.password,
      protocolVersion: 5,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepalive: KEEPALIVE_SECONDS,
      properties: { receiveMaximum, maximumPacketSize: maxPacketBytes },
      ...(server.ca === undefined ? {} : { ca: server.ca }),
    }
    const client = connect(server.url, options)
    let reason = 'the broker closed the connection'
    client.on('error', (error) => {
      reason = error.message
    })
    const closed = Promise.withResolvers<string>()
    client.once('close', () => closed.resolve(reason))
    const onAbort = () => closed.resolve('this hub closes')
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    this.#acknowledgeWhenTaken(client)
    const failed = closed.promise.then((why) => Promise.reject(new Error(why)))
    try {
      await Promise.race([new Promise((resolve) => client.once('connect', resolve)), failed])
      if (topics.length > 0) {
        await Promise.race([client.subscribeAsync([...topics], { qos: 1 }), failed])
      }
    } catch (error) {
      signal.removeEventListener('abort', onAbort)
      await client.endAsync(true)
      throw error
    } finally {
      failed.catch(() => undefined)
    }
    this.#client = client
    const lost = closed.promise.then(async (why) => {
      this.#client = undefined
      signal.removeEventListener('abort', onAbort)
      await goodbye(client, signal.aborted)
      return why
    })
    return { lost }
  }

  /** mqtt.js sends the PUBACK of a message, and reads the next one, when `done` is called. */
  #acknowledgeWhenTaken(client: MqttClient): void {
    client.handleMessage = (packet, done) => {
      // While it waits it reads nothing, no answer to a ping either: that must not count as a dead broker.
      const stayUp = setInterval(() => {
        if (!client.connected) return
        client.sendPing()
        client.reschedulePing(true)
      }, KEEPALIVE_SECONDS * 500)
      void this.#options.onMessage(packet.topic, packet.payload as Uint8Array).finally(() => {
        clearInterval(stayUp)
        done()
      })
    }
  }
}

/** A DISCONNECT if there is somebody to say it to; publishes that wait for their answer are rejected. */
async function goodbye(client: MqttClient, isOurWish: boolean): Promise<void> {
  if (isOurWish && client.connected) {
    const said = client.endAsync().catch(() => undefined)
    await Promise.race([said, delay(GOODBYE_MS)])
  }
  await client.endAsync(true)
}
