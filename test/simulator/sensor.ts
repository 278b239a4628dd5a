/** A simulated telemetry sensor: publishes one reading at a time over MQTT, with a slow swing and a little noise. */
import { type DeviceReading, deviceTopics } from '@patrolhub/protocol'
import { DeviceClient, type DeviceClientOptions } from './device-client.ts'
import { Random } from './random.ts'

export interface SensorOptions extends Omit<DeviceClientOptions, 'deviceId'> {
  sensorId: string
  quantity: string
  unit: string
  /** Middle, slow swing around it and noise (standard deviation), in the unit. */
  mean: number
  swing: number
  noise: number
  /** Time of one swing. */
  periodSeconds?: number
  /** Time between readings. */
  everyMs?: number
  seed?: number
}

/** `spike`: far above at once. `rise`: climbs steadily. `stuck`: the same value for ever. `silent`: nothing is sent. */
export type SensorAnomaly = 'none' | 'spike' | 'rise' | 'stuck' | 'silent'

const SPIKE_NOISES = 40
const RISE_NOISES_PER_SECOND = 4

export class SimulatedSensor {
  readonly #options: SensorOptions
  readonly #client: DeviceClient
  readonly #random: Random
  #timer: NodeJS.Timeout | undefined
  #beganMs = 0
  #anomaly: SensorAnomaly = 'none'
  #anomalyMs = 0
  #last = Number.NaN

  constructor(options: SensorOptions) {
    this.#options = options
    this.#client = new DeviceClient({ ...options, deviceId: options.sensorId })
    this.#random = new Random(options.seed ?? 1)
  }

  get client(): DeviceClient {
    return this.#client
  }

  get anomaly(): SensorAnomaly {
    return this.#anomaly
  }

  set anomaly(anomaly: SensorAnomaly) {
    this.#anomaly = anomaly
    this.#anomalyMs = performance.now()
  }

  async start(): Promise<void> {
    await this.#client.start()
    this.#beganMs = performance.now()
    this.#timer = setInterval(() => this.#read(), this.#options.everyMs ?? 1000)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#client.close()
  }

  #read(): void {
    if (this.#anomaly === 'silent') return
    const { sensorId, quantity, unit } = this.#options
    if (this.#anomaly !== 'stuck' || Number.isNaN(this.#last)) this.#last = this.#value(performance.now())
    const reading: DeviceReading = { atMs: Date.now(), quantity, value: this.#last, unit }
    this.#client.publish(deviceTopics.readings(sensorId), reading)
  }

  #value(nowMs: number): number {
    const { mean, swing, noise, periodSeconds = 600 } = this.#options
    const phase = ((nowMs - this.#beganMs) / 1000 / periodSeconds) * 2 * Math.PI
    const usual = this.#random.normal(mean + swing * Math.sin(phase), noise)
    const anomalySeconds = (nowMs - this.#anomalyMs) / 1000
    const extra =
      this.#anomaly === 'spike'
        ? SPIKE_NOISES * noise
        : this.#anomaly === 'rise'
          ? RISE_NOISES_PER_SECOND * noise * anomalySeconds
          : 0
    return Math.round((usual + extra) * 1000) / 1000
  }
}
