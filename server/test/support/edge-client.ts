/** An edge as the hub sees it: a real MQTT client that says hello, sends batches and collects what it is told. */
import { randomUUID } from 'node:crypto'
import {
  type AlertRecord,
  type Cursor,
  edgeTopics,
  type Hello,
  type PassageRecord,
} from '@patrolhub/protocol'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'

export const REGION = '410502003'

export interface EdgeClientOptions {
  port: number
  edgeId: string
  token: string
  epoch?: string
  mqtt?: Partial<IClientOptions>
}

export class EdgeClient {
  readonly mqtt: MqttClient
  readonly edgeId: string
  readonly epoch: string
  readonly cursors: Cursor[] = []
  readonly #listeners = new Set<() => void>()

  private constructor(mqtt: MqttClient, edgeId: string, epoch: string) {
    this.mqtt = mqtt
    this.edgeId = edgeId
    this.epoch = epoch
    // A connection that the hub cuts is what some tests are about.
    mqtt.on('error', () => {})
    mqtt.on('message', (topic, payload) => {
      if (topic !== edgeTopics.cursor(edgeId)) return
      this.cursors.push(JSON.parse(payload.toString()) as Cursor)
      for (const listener of this.#listeners) listener()
    })
  }

  static async connect(options: EdgeClientOptions): Promise<EdgeClient> {
    const { port, edgeId, token, epoch = randomUUID() } = options
    const mqtt = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      username: edgeId,
      password: token,
      reconnectPeriod: 0,
      ...options.mqtt,
    })
    const client = new EdgeClient(mqtt, edgeId, epoch)
    await mqtt.subscribeAsync(edgeTopics.cursor(edgeId), { qos: 1 })
    return client
  }

  /** The first cursor, of those that came or will come, that fits. */
  async cursor(fits: (cursor: Cursor) => boolean, deadlineMs = 15_000): Promise<Cursor> {
    const { promise, resolve, reject } = Promise.withResolvers<Cursor>()
    const look = () => {
      const found = this.cursors.find(fits)
      if (found) resolve(found)
    }
    const timer = setTimeout(
      () => reject(new Error(`no such cursor came; these did: ${JSON.stringify(this.cursors)}`)),
      deadlineMs,
    )
    this.#listeners.add(look)
    look()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#listeners.delete(look)
    }
  }

  async hello(more: Partial<Hello> = {}): Promise<Cursor[]> {
    const before = this.cursors.length
    const hello: Hello = {
      epoch: this.epoch,
      software: 'test 1.0',
      region: REGION,
      atMs: Date.now(),
      streams: { alerts: { firstSeq: 0, lastSeq: 0 }, measurements: { firstSeq: 0, lastSeq: 0 } },
      cameras: [],
      checkpoints: [],
      sensors: [],
      ...more,
    }
    await this.publish(edgeTopics.hello(this.edgeId), hello)
    const answered = (stream: string) =>
      this.cursor((cursor) => {
        const index = this.cursors.indexOf(cursor)
        return index >= before && cursor.reason === 'hello' && cursor.stream === stream
      })
    return Promise.all([answered('alerts'), answered('measurements')])
  }

  async send(
    stream: 'alerts' | 'measurements',
    firstSeq: number,
    records: readonly unknown[],
    more: Record<string, unknown> = {},
  ): Promise<void> {
    await this.publish(edgeTopics.batch(this.edgeId, stream), {
      epoch: this.epoch,
      firstSeq,
      records,
      ...more,
    })
  }

  async publish(topic: string, payload: unknown): Promise<void> {
    const text =
      typeof payload === 'string' || payload instanceof Uint8Array ? payload : JSON.stringify(payload)
    await this.mqtt.publishAsync(topic, text as string, { qos: 1 })
  }

  async close(): Promise<void> {
    await this.mqtt.endAsync(true)
  }
}

export function passage(index: number, more: Partial<PassageRecord> = {}): PassageRecord {
  return {
    kind: 'passage',
    atMs: Date.UTC(2026, 10, 22) + index,
    deviceId: 'cp-01',
    region: REGION,
    lane: 1,
    speedKmh: 40,
    vehicleClass: 'K31',
    ...more,
  }
}

export function alertRecord(more: Partial<AlertRecord> = {}): AlertRecord {
  return {
    kind: 'alert',
    alertId: randomUUID(),
    atMs: Date.now(),
    deviceId: 'cam-01',
    deviceKind: 'camera',
    region: REGION,
    rule: 'intrusion',
    ruleName: 'Gate',
    severity: 'major',
    score: 0.9,
    reason: 'a person stands in Gate',
    facts: { className: 'person' },
    objects: [],
    trackPath: [],
    evidenceIds: [],
    ...more,
  }
}

export const camera = (cameraId: string, more: Partial<Hello['cameras'][number]> = {}) => ({
  cameraId,
  name: `Camera ${cameraId}`,
  region: REGION,
  sensitivity: 'public' as const,
  ...more,
})
