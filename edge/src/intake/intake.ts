/**
 * What devices send becomes records: passages of checkpoints, readings of sensors. Journalled first, acknowledged to
 * the device and handed to the anomaly models after. What cannot be used is refused with field and reason, counted
 * and kept in quarantine; it is acknowledged too, since sending it again would not make it better.
 */
import type { JournalRecord, PassageRecord, ReadingRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { CheckpointConfig, DeviceCredential, PlateKeys, SensorConfig } from '../config.ts'
import { parseDeviceReadings, type Reading } from './device-reading.ts'
import type { Refusal } from './fields.ts'
import { DeviceListener, type DeviceMessage } from './listener.ts'
import { type Passage, parseMotorVehicles } from './motor-vehicle.ts'
import { cloakPlate } from './plate.ts'
import { Quarantine, type QuarantinedMessage } from './quarantine.ts'
import { Repeats } from './repeats.ts'

export interface IntakeOptions {
  host: string
  port: number
  maxMessageBytes: number
  devices: readonly DeviceCredential[]
  checkpoints: readonly CheckpointConfig[]
  sensors: readonly SensorConfig[]
  plates: PlateKeys
  /** Resolves when all are durable. */
  append: (records: JournalRecord[]) => Promise<unknown>
  /** Called after the records are durable. */
  onPassages?: (checkpoint: CheckpointConfig, passages: readonly PassageRecord[]) => void
  onReadings?: (sensor: SensorConfig, readings: readonly ReadingRecord[]) => void
  log: Logger
}

export interface IntakeStats {
  passages: number
  readings: number
  refusedMessages: number
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #listener: DeviceListener
  readonly #quarantine: Quarantine
  readonly #repeats = new Repeats()
  readonly #checkpoints: ReadonlyMap<string, CheckpointConfig>
  readonly #sensors: ReadonlyMap<string, SensorConfig>
  #passages = 0
  #readings = 0

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#checkpoints = new Map(
      options.checkpoints.map((checkpoint) => [checkpoint.checkpointId, checkpoint]),
    )
    this.#sensors = new Map(options.sensors.map((sensor) => [sensor.sensorId, sensor]))
    this.#quarantine = new Quarantine(options.log)
    this.#listener = new DeviceListener({
      ...options,
      onMessage: (message) => this.#repeats.once(message.deviceId, message, () => this.#take(message)),
    })
  }

  /** @throws EdgeError EDGE_PORT_IN_USE. */
  async start(): Promise<void> {
    await this.#listener.start()
  }

  get port(): number {
    return this.#listener.port
  }

  /** True while a device has a connection: only then is "no vehicle" a measurement. */
  isConnected(deviceId: string): boolean {
    return this.#listener.isConnected(deviceId)
  }

  stats(): IntakeStats {
    return { passages: this.#passages, readings: this.#readings, refusedMessages: this.#quarantine.total }
  }

  /** The newest messages that were refused, for an engineer to look at. */
  refused(): readonly QuarantinedMessage[] {
    return this.#quarantine.messages()
  }

  async close(): Promise<void> {
    await this.#listener.close()
    this.#quarantine.close()
  }

  async #take(message: DeviceMessage): Promise<void> {
    const { deviceId, kind } = message
    const checkpoint = this.#checkpoints.get(deviceId)
    const sensor = this.#sensors.get(deviceId)
    if (kind === 'passages' && checkpoint) return this.#takePassages(checkpoint, message)
    if (kind === 'readings' && sensor) return this.#takeReadings(sensor, message)
    this.#refuse(message, [{ field: '(topic)', reason: `this device is no source of ${kind}` }])
  }

  async #takePassages(checkpoint: CheckpointConfig, message: DeviceMessage): Promise<void> {
    const { items, refusals } = parseMotorVehicles(message.payload, checkpoint.timeZone)
    this.#refuse(message, refusals)
    const records = items.map((passage) => passageRecord(checkpoint, passage, this.#options.plates))
    if (records.length === 0) return
    await this.#options.append(records)
    this.#passages += records.length
    this.#options.onPassages?.(checkpoint, records)
  }

  async #takeReadings(sensor: SensorConfig, message: DeviceMessage): Promise<void> {
    const arrivedAtMs = Date.now()
    const { items, refusals } = parseDeviceReadings(message.payload)
    this.#refuse(message, refusals)
    const records = items.map((reading) => readingRecord(sensor, reading, arrivedAtMs))
    if (records.length === 0) return
    await this.#options.append(records)
    this.#readings += records.length
    this.#options.onReadings?.(sensor, records)
  }

  #refuse({ deviceId, topic, payload }: DeviceMessage, refusals: readonly Refusal[]): void {
    for (const refusal of refusals) {
      this.#quarantine.add({ deviceId, topic, atMs: Date.now(), ...refusal }, payload)
    }
  }
}

function passageRecord(checkpoint: CheckpointConfig, passage: Passage, keys: PlateKeys): PassageRecord {
  const { plate, ...rest } = passage
  return {
    kind: 'passage',
    deviceId: checkpoint.checkpointId,
    region: checkpoint.region,
    ...rest,
    ...(plate ? cloakPlate(plate, keys) : {}),
  }
}

function readingRecord(sensor: SensorConfig, reading: Reading, arrivedAtMs: number): ReadingRecord {
  return {
    kind: 'reading',
    atMs: reading.atMs ?? arrivedAtMs,
    deviceId: sensor.sensorId,
    region: sensor.region,
    quantity: reading.quantity,
    value: reading.value,
    unit: reading.unit ?? (reading.quantity === sensor.quantity ? sensor.unit : ''),
  }
}
