/** The MQTT side of a simulated device: one connection to the edge's listener, comes back by itself, never queues. */
import { connectAsync, type MqttClient } from 'mqtt'

export interface DeviceClientOptions {
  /** e.g. `mqtt://127.0.0.1:1883` */
  brokerUrl: string
  deviceId: string
  password: string
}

/** How a simulated device reaches the edge. */
export interface DeviceSender {
  readonly isConnected: boolean
  /** Messages that the edge has answered, and messages that were given up. */
  readonly sent: number
  readonly dropped: number
  start(): Promise<void>
  /** Text is sent as it is. */
  publish(topic: string, message: object | string): void
  close(): Promise<void>
}

const RECONNECT_MS = 500
const CONNECT_TIMEOUT_MS = 10_000

export class DeviceClient implements DeviceSender {
  readonly #options: DeviceClientOptions
  #client: MqttClient | undefined
  /** Messages that the edge has acknowledged. */
  sent = 0
  /** Messages made while there was no connection: a roadside station of this kind has no memory. */
  dropped = 0

  constructor(options: DeviceClientOptions) {
    this.#options = options
  }

  get isConnected(): boolean {
    return this.#client?.connected ?? false
  }

  async start(): Promise<void> {
    const { brokerUrl, deviceId, password } = this.#options
    this.#client = await connectAsync(brokerUrl, {
      clientId: `${deviceId}-simulator`,
      username: deviceId,
      password,
      reconnectPeriod: RECONNECT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      queueQoSZero: false,
    })
    // The edge may be killed and come back; mqtt.js tries again by itself.
    this.#client.on('error', () => {})
  }

  /** Publishes with QoS 1; drops and counts while there is no connection. */
  publish(topic: string, message: object | string): void {
    const client = this.#client
    if (!client?.connected) {
      this.dropped += 1
      return
    }
    const payload = typeof message === 'string' ? message : JSON.stringify(message)
    client.publish(topic, payload, { qos: 1 }, (error) => {
      if (error) this.dropped += 1
      else this.sent += 1
    })
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.endAsync(true)
  }
}
