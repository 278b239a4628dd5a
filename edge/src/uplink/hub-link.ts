/** One MQTT connection to the hub, from connect to loss. Reconnecting is the uplink's business: a new link each time. */
import { DOWN, type EdgeStatus, edgeTopics, type Stream } from '@patrolhub/protocol'
import { connect, type MqttClient } from 'mqtt'

export interface HubLinkOptions {
  edgeId: string
  token: string
  mqttUrl: string
  /** PEM; only for `mqtts://`. */
  ca?: string
}

const OPEN_TIMEOUT_MS = 10_000
const KEEPALIVE_SECONDS = 20
const GOODBYE_MS = 1000

export class HubLink {
  readonly #edgeId: string
  readonly #client: MqttClient
  /** Resolves, with the reason, when the connection is gone. */
  readonly lost: Promise<string>

  private constructor(edgeId: string, client: MqttClient) {
    this.#edgeId = edgeId
    this.#client = client
    let reason = 'the hub closed the connection'
    // Without a listener an error would end the process; the `close` that follows carries it on.
    client.on('error', (error) => {
      reason = error.message
    })
    this.lost = new Promise((resolve) => client.once('close', () => resolve(reason)))
  }

  /**
   * Connects, subscribes to what the hub sends down, and reports the edge online. The broker reports it offline when
   * the connection is lost (last will).
   * @throws what the network or the broker says, or `AbortError`; nothing is left open.
   */
  static async open(
    options: HubLinkOptions,
    onMessage: (topic: string, payload: Buffer) => void,
    signal: AbortSignal,
  ): Promise<HubLink> {
    const { edgeId } = options
    const client = connect(options.mqttUrl, {
      // The same name each time: the broker ends a half-dead connection of this edge when the new one comes.
      clientId: edgeId,
      username: edgeId,
      password: options.token,
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 0,
      resubscribe: false,
      connectTimeout: OPEN_TIMEOUT_MS,
      keepalive: KEEPALIVE_SECONDS,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      will: { topic: edgeTopics.status(edgeId), payload: status('offline'), qos: 1, retain: true },
    })
    const link = new HubLink(edgeId, client)
    client.on('message', onMessage)
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    const timer = setTimeout(() => aborted.reject(new Error('the hub does not answer')), OPEN_TIMEOUT_MS)
    const lost = link.lost.then((reason) => Promise.reject(new Error(reason)))
    try {
      const connected = new Promise<void>((resolve) => client.once('connect', () => resolve()))
      await Promise.race([connected, lost, aborted.promise])
      const topics = DOWN.map((kind) => edgeTopics[kind](edgeId))
      const granted = await Promise.race([client.subscribeAsync(topics, { qos: 1 }), lost, aborted.promise])
      if (granted.some(({ qos }) => qos > 2)) throw new Error('the hub does not let this edge subscribe')
    } catch (error) {
      await link.drop()
      throw error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      // Whichever of these comes later has no one waiting for it.
      lost.catch(() => undefined)
      aborted.promise.catch(() => undefined)
    }
    link.reportOnline()
    return link
  }

  publishHello(payload: string): void {
    this.#publish(edgeTopics.hello(this.#edgeId), payload)
  }

  publishBatch(stream: Stream, payload: string): void {
    this.#publish(edgeTopics.batch(this.#edgeId, stream), payload)
  }

  /** Retained. Repeated now and then, since the will of an older connection may have come after the first report. */
  reportOnline(): void {
    this.#publish(edgeTopics.status(this.#edgeId), status('online'), true)
  }

  /** Ends the connection at once; the broker sends the will. */
  async drop(): Promise<void> {
    await this.#client.endAsync(true)
  }

  /** Reports the edge offline and says goodbye, or drops the connection if that takes too long. */
  async close(): Promise<void> {
    const goodbye = this.#client
      .publishAsync(edgeTopics.status(this.#edgeId), status('offline'), { qos: 1, retain: true })
      .then(() => this.#client.endAsync())
    const deadline = Promise.withResolvers<void>()
    const timer = setTimeout(deadline.resolve, GOODBYE_MS)
    // A goodbye that fails leaves the same state as none: the broker's will says offline.
    await Promise.race([goodbye.catch(() => undefined), deadline.promise])
    clearTimeout(timer)
    await this.drop()
  }

  #publish(topic: string, payload: string, retain = false): void {
    // A publish fails only with its connection; what was in it is then sent again after the next hello.
    this.#client.publish(topic, payload, { qos: 1, retain }, () => undefined)
  }
}

function status(state: EdgeStatus['state']): string {
  return JSON.stringify({ state, atMs: Date.now() } satisfies EdgeStatus)
}
