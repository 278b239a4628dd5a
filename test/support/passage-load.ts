/**
 * The checkpoints of the passages bench, in a process of their own: real MQTT clients that publish one vehicle a message
 * with QoS 1 and keep a few in flight each, as a station with several lanes does. Every passage of a checkpoint has a
 * millisecond of its own, so that what arrived can be compared with what was acknowledged, one by one.
 *
 * The parent sends a `PassageOrder`, then `stop`; the answer to that is a `PassageReport`.
 */
import { writeFileSync } from 'node:fs'
import { deviceTopics, type MotorVehicle } from '@patrolhub/protocol'
import { connectAsync, type MqttClient } from 'mqtt'
import { localStamp } from '../simulator/checkpoint.ts'

export interface PassageOrder {
  port: number
  password: string
  checkpointIds: readonly string[]
  inFlight: number
  /** Passages a second over all checkpoints; 0: as many as are acknowledged. */
  perSecond: number
  /** Where the acknowledged instants go: for each checkpoint its number, then the instants, as 64-bit floats. */
  file: string
}

export interface PassageReport {
  acknowledged: number
  cpuSeconds: number
}

const TICK_MS = 10
const SETTLE_MS = 30_000

class Station {
  readonly acknowledged: number[] = []
  readonly #client: MqttClient
  readonly #id: string
  readonly #maxInFlight: number
  #inFlight = 0
  #lastAtMs = 0
  #serial = 0

  constructor(client: MqttClient, id: string, maxInFlight: number) {
    this.#client = client
    this.#id = id
    this.#maxInFlight = maxInFlight
    // The edge is killed now and then; mqtt.js comes back and sends again what was not acknowledged.
    client.on('error', () => undefined)
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Publishes up to `count` passages, as far as there is room in flight and no instant is taken twice. */
  publish(count: number): void {
    const nowMs = Date.now()
    for (let sent = 0; sent < count && this.#inFlight < this.#maxInFlight && this.#client.connected; sent++) {
      const atMs = Math.max(this.#lastAtMs + 1, nowMs - 500)
      if (atMs > nowMs) return
      this.#lastAtMs = atMs
      this.#inFlight += 1
      const message = JSON.stringify(this.#vehicle(atMs))
      this.#client.publish(deviceTopics.passages(this.#id), message, { qos: 1 }, (error) => {
        this.#inFlight -= 1
        if (!error) this.acknowledged.push(atMs)
      })
    }
  }

  #vehicle(atMs: number): MotorVehicle {
    this.#serial += 1
    const plate = String(this.#serial % 100_000).padStart(5, '0')
    return {
      TollgateID: this.#id,
      LaneNo: 1 + (this.#serial % 4),
      PassTime: localStamp(atMs, 480),
      PlateNo: `豫E${plate}`,
      PlateColor: '5',
      VehicleClass: 'K33',
      Speed: 40 + (this.#serial % 30),
      Direction: '3',
    }
  }
}

async function run(order: PassageOrder): Promise<() => Promise<PassageReport>> {
  const stations = await Promise.all(
    order.checkpointIds.map(async (username) => {
      const url = `mqtt://127.0.0.1:${order.port}`
      const { password } = order
      const client = await connectAsync(url, { username, password, clientId: username, reconnectPeriod: 100 })
      return { client, station: new Station(client, username, order.inFlight) }
    }),
  )
  let due = 0
  let lastMs = performance.now()
  let first = 0
  const timer = setInterval(() => {
    const nowMs = performance.now()
    due += order.perSecond === 0 ? 0 : ((nowMs - lastMs) / 1000) * order.perSecond
    lastMs = nowMs
    const each = order.perSecond === 0 ? order.inFlight : Math.ceil(due / stations.length)
    // Another one begins each time: what is left over never falls to the same one.
    first += 1
    for (let index = 0; index < stations.length; index++) {
      const { station } = stations[(first + index) % stations.length]!
      const before = station.inFlight
      station.publish(order.perSecond === 0 ? each : Math.min(each, Math.floor(due)))
      due -= station.inFlight - before
    }
    // What the edge did not take for a while is not made up for.
    due = Math.max(0, Math.min(due, order.perSecond / 2))
  }, TICK_MS)
  return async () => {
    clearInterval(timer)
    const untilMs = performance.now() + SETTLE_MS
    while (stations.some(({ station }) => station.inFlight > 0) && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await Promise.all(stations.map(({ client }) => client.endAsync(true)))
    const rows = stations.flatMap(({ station }, index) => [
      index,
      station.acknowledged.length,
      ...station.acknowledged,
    ])
    writeFileSync(order.file, Buffer.from(Float64Array.from(rows).buffer))
    const { user, system } = process.cpuUsage()
    const acknowledged = stations.reduce((sum, { station }) => sum + station.acknowledged.length, 0)
    return { acknowledged, cpuSeconds: (user + system) / 1e6 }
  }
}

/** What `passage-load` wrote: the acknowledged instants of each checkpoint, by its number. */
export function readAcknowledged(bytes: Buffer): number[][] {
  const values = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8)
  const all: number[][] = []
  for (let at = 0; at < values.length; ) {
    const [index, count] = [values[at]!, values[at + 1]!]
    all[index] = [...values.subarray(at + 2, at + 2 + count)]
    at += 2 + count
  }
  return all
}

if (process.send) {
  let stop: (() => Promise<PassageReport>) | undefined
  process.on('message', async (message: PassageOrder | 'stop') => {
    if (message === 'stop') process.send?.(await stop!())
    else {
      stop = await run(message)
      process.send?.('running')
    }
  })
}
