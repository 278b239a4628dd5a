/**
 * What devices send becomes records: passages of checkpoints, readings of sensors, whichever way they came. Journalled
 * first, acknowledged to the device, then put in order and handed to the anomaly models. What cannot be used is refused
 * with field and reason, counted and kept in quarantine; it is acknowledged too, since sending it again would not make
 * it better.
 */
import { join } from 'node:path'
import type {
  AlertRecord,
  DeviceHealth,
  JournalRecord,
  PassageRecord,
  ReadingRecord,
  RecordTiming,
} from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type {
  CheckpointConfig,
  DeviceCredential,
  IntakeTiming,
  MappingConfig,
  PictureConfig,
  PlateKeys,
  QuarantineConfig,
  SensorConfig,
  SiteBrokerConfig,
  ViidConfig,
} from '../config.ts'
import { DeviceClock } from './device-clock.ts'
import type { DeviceMessage, Taken } from './device-message.ts'
import { passageReader, type ReadPassages, type ReadReadings, readingReader } from './device-reader.ts'
import type { Reading } from './device-reading.ts'
import { DeviceListener } from './listener.ts'
import type { Passage } from './motor-vehicle.ts'
import { OrderBuffer } from './order-buffer.ts'
import { type AlertPicture, PictureMemory } from './picture-memory.ts'
import { cloakPlate } from './plate.ts'
import { Quarantine } from './quarantine.ts'
import { Repeats } from './repeats.ts'
import { SilenceWatch } from './silence.ts'
import { SiteBroker } from './site-broker.ts'
import { ViidServer } from './viid/viid-server.ts'

export interface IntakeOptions {
  host: string
  port: number
  maxMessageBytes: number
  devices: readonly DeviceCredential[]
  viid?: ViidConfig
  brokers: readonly SiteBrokerConfig[]
  timing: IntakeTiming
  quarantine: QuarantineConfig
  pictures: PictureConfig
  checkpoints: readonly CheckpointConfig[]
  sensors: readonly SensorConfig[]
  mappings: readonly MappingConfig[]
  plates: PlateKeys
  dataDir: string
  /** The edge's token: what is kept in quarantine is encrypted with a key that comes from it. */
  secret: string
  /** Resolves when all are durable. */
  append: (records: JournalRecord[]) => Promise<unknown>
  /** What these passages, which have just come, raise alerts for; made durable together with them. */
  onTaken?: (checkpoint: CheckpointConfig, passages: readonly PassageRecord[]) => AlertRecord[]
  /** Called with the pictures of such an alert once it is durable. */
  keepPicture?: (picture: AlertPicture) => void
  /** Called after the records are durable, in the order of their times. */
  onPassages?: (checkpoint: CheckpointConfig, passages: readonly PassageRecord[]) => void
  onReadings?: (sensor: SensorConfig, readings: readonly ReadingRecord[]) => void
  log: Logger
}

export interface IntakeStats {
  passages: number
  readings: number
  refusedMessages: number
}

/** What is kept of each device while the edge runs. */
interface DeviceState {
  deviceId: string
  clock: DeviceClock
  taken: number
  lastAtMs: number | undefined
}

interface Checkpoint extends DeviceState {
  config: CheckpointConfig
  read: ReadPassages
  order: OrderBuffer<PassageRecord>
  /** Alerts that could not be journalled with their passages. */
  owed: JournalRecord[]
}

interface Sensor extends DeviceState {
  config: SensorConfig
  read: ReadReadings
  order: OrderBuffer<ReadingRecord>
}

const RELEASE_EVERY_MS = 100
/** Of one checkpoint, while the journal refuses. */
const MAX_OWED = 100
/** A health record is bounded; with more devices those that need somebody come first. */
const MAX_DEVICES_IN_HEALTH = 512
const RANK = { silent: 0, waiting: 2, online: 1 } as const

export class Intake {
  readonly #options: IntakeOptions
  readonly #listener: DeviceListener
  readonly #viid: ViidServer | undefined
  readonly #brokers: readonly SiteBroker[]
  readonly #quarantine: Quarantine
  readonly #silence: SilenceWatch
  readonly #pictures: PictureMemory
  readonly #repeats = new Repeats<Taken>()
  readonly #checkpoints: ReadonlyMap<string, Checkpoint>
  readonly #sensors: ReadonlyMap<string, Sensor>
  #release: NodeJS.Timeout | undefined
  #unusablePictures = 0

  constructor(options: IntakeOptions) {
    this.#options = options
    const { checkpoints, sensors, mappings, timing, log, dataDir } = options
    const windowMs = timing.orderSeconds * 1000
    const state = (deviceId: string): DeviceState => ({
      deviceId,
      clock: new DeviceClock(timing),
      taken: 0,
      lastAtMs: undefined,
    })
    this.#checkpoints = new Map(
      checkpoints.map((config) => {
        const read = passageReader(config, mappings)
        const checkpoint = {
          ...state(config.checkpointId),
          config,
          read,
          order: new OrderBuffer<PassageRecord>(windowMs),
          owed: [],
        }
        return [config.checkpointId, checkpoint]
      }),
    )
    this.#sensors = new Map(
      sensors.map((config) => {
        const read = readingReader(config, mappings)
        const sensor = {
          ...state(config.sensorId),
          config,
          read,
          order: new OrderBuffer<ReadingRecord>(windowMs),
        }
        return [config.sensorId, sensor]
      }),
    )
    this.#pictures = new PictureMemory(options.pictures)
    this.#quarantine = new Quarantine({ ...options.quarantine, dataDir, secret: options.secret, log })
    this.#silence = new SilenceWatch({
      devices: [
        ...checkpoints.map((each) => ({
          ...each,
          deviceId: each.checkpointId,
          deviceKind: 'checkpoint' as const,
        })),
        ...sensors.map((each) => ({ ...each, deviceId: each.sensorId, deviceKind: 'sensor' as const })),
      ],
      file: join(dataDir, 'device-habits.json'),
      raise: (alert: AlertRecord) => options.append([alert]),
      log,
    })
    const onMessage = (message: DeviceMessage) =>
      this.#repeats.once(message.deviceId, message, () => this.#take(message))
    this.#listener = new DeviceListener({ ...options, onMessage })
    this.#viid = options.viid && new ViidServer({ ...options.viid, devices: options.devices, onMessage, log })
    this.#brokers = options.brokers.map(
      (broker) => new SiteBroker({ broker, kindOf: (deviceId) => this.#kindOf(deviceId), onMessage, log }),
    )
  }

  /** @throws EdgeError EDGE_PORT_IN_USE. */
  async start(): Promise<void> {
    await this.#quarantine.start()
    await this.#silence.start()
    if (this.#checkpoints.size + this.#sensors.size > 0)
      this.#release = setInterval(() => this.#releaseOrdered(performance.now()), RELEASE_EVERY_MS)
    await this.#listener.start()
    await this.#viid?.start()
    for (const broker of this.#brokers) broker.start()
  }

  get port(): number {
    return this.#listener.port
  }

  /** Port of the HTTP side of GA/T 1400; 0 without one. */
  get viidPort(): number {
    return this.#viid?.port ?? 0
  }

  /** True while a device has a connection: only then is "no vehicle" a measurement. */
  isConnected(deviceId: string): boolean {
    return (
      this.#listener.isConnected(deviceId) ||
      (this.#viid?.isConnected(deviceId) ?? false) ||
      this.#brokers.some((broker) => broker.isConnected(deviceId))
    )
  }

  stats(): IntakeStats {
    const sum = (states: Iterable<DeviceState>) => [...states].reduce((total, { taken }) => total + taken, 0)
    return {
      passages: sum(this.#checkpoints.values()),
      readings: sum(this.#sensors.values()),
      refusedMessages: this.#quarantine.total,
    }
  }

  /** Gives alerts of checkpoints the pictures of the last passage as evidence, see `PictureMemory`. */
  withPictures(records: readonly JournalRecord[]): { records: JournalRecord[]; pictures: AlertPicture[] } {
    return this.#pictures.link(records, 'last passage', performance.now())
  }

  /** Of every device that has sent anything or is missed. */
  health(): DeviceHealth[] {
    const all = [...this.#checkpoints.values(), ...this.#sensors.values()]
      .map((device) => this.#healthOf(device))
      .filter(({ state, refused }) => state !== 'waiting' || refused > 0)
    if (all.length <= MAX_DEVICES_IN_HEALTH) return all
    const byNeed = (a: DeviceHealth, b: DeviceHealth) =>
      RANK[a.state] - RANK[b.state] || b.refused - a.refused
    return all.sort(byNeed).slice(0, MAX_DEVICES_IN_HEALTH)
  }

  async close(): Promise<void> {
    await Promise.all(this.#brokers.map((broker) => broker.close()))
    await this.#viid?.close()
    await this.#listener.close()
    clearInterval(this.#release)
    // What has waited for an older one has waited long enough.
    this.#releaseOrdered(Number.POSITIVE_INFINITY)
    await this.#silence.close()
    await this.#quarantine.close()
  }

  #kindOf(deviceId: string): DeviceMessage['kind'] | undefined {
    if (this.#checkpoints.has(deviceId)) return 'passages'
    return this.#sensors.has(deviceId) ? 'readings' : undefined
  }

  #healthOf({ deviceId, clock, taken, lastAtMs }: DeviceState): DeviceHealth {
    const isSilent = this.#silence.isSilent(deviceId)
    return {
      deviceId,
      state: isSilent ? 'silent' : lastAtMs === undefined ? 'waiting' : 'online',
      taken,
      refused: this.#quarantine.refusedOf(deviceId),
      ...(lastAtMs === undefined ? {} : { lastAtMs }),
      ...(clock.offsetMs === undefined ? {} : { clockOffsetMs: Math.round(clock.offsetMs) }),
    }
  }

  async #take(message: DeviceMessage): Promise<Taken> {
    const { deviceId, kind } = message
    const checkpoint = this.#checkpoints.get(deviceId)
    const sensor = this.#sensors.get(deviceId)
    if (kind === 'passages' && checkpoint) return this.#takePassages(checkpoint, message)
    if (kind === 'readings' && sensor) return this.#takeReadings(sensor, message)
    const refusals = [{ field: '(topic)', reason: `this device is no source of ${kind}` }]
    return this.#answer(message, { ids: [], refusals })
  }

  async #takePassages(checkpoint: Checkpoint, message: DeviceMessage): Promise<Taken> {
    const arrivedAtMs = Date.now()
    const { config, clock, order, read } = checkpoint
    const { items, ids, refusals, unusablePictures } = read(message.payload)
    const records = items.map((passage) =>
      passageRecord(config, passage, clock.observe(passage.atMs, arrivedAtMs), this.#options.plates),
    )
    const nowMs = performance.now()
    for (const item of items) this.#pictures.add(checkpoint.deviceId, item, nowMs)
    const found = this.#options.onTaken?.(config, records) ?? []
    const { records: alerts, pictures } = this.#pictures.link(found, 'own passage', nowMs)
    await this.#appendPassages(checkpoint, alerts, records)
    for (const picture of pictures) this.#options.keepPicture?.(picture)
    this.#count(checkpoint, records.length, arrivedAtMs)
    this.#unusablePictures += unusablePictures
    // Traffic that is over or not yet there says nothing about the road as it is now.
    order.add(
      records.filter(({ timing }) => timing === undefined),
      performance.now(),
    )
    return this.#answer(message, { ids, refusals })
  }

  /** An alert is raised once: if it cannot be kept now, it goes with the next passages. */
  async #appendPassages(
    { owed }: Checkpoint,
    alerts: readonly JournalRecord[],
    records: readonly PassageRecord[],
  ): Promise<void> {
    if (records.length === 0) return
    const due = [...owed.splice(0), ...alerts]
    try {
      await this.#options.append([...due, ...records])
    } catch (error) {
      owed.push(...due.slice(-MAX_OWED))
      throw error
    }
  }

  async #takeReadings(sensor: Sensor, message: DeviceMessage): Promise<Taken> {
    const arrivedAtMs = Date.now()
    const { config, clock, order, read } = sensor
    const { items, refusals } = read(message.payload)
    const records = items.map((reading) => {
      const timing = reading.atMs === undefined ? undefined : clock.observe(reading.atMs, arrivedAtMs)
      return readingRecord(config, reading, timing, arrivedAtMs)
    })
    if (records.length > 0) await this.#options.append(records)
    this.#count(sensor, records.length, arrivedAtMs)
    // Late ones too: a meter that sends once an hour has a series all the same, as long as it comes in order.
    order.add(
      records.filter(({ timing }) => timing !== 'future'),
      performance.now(),
    )
    return this.#answer(message, { ids: [], refusals })
  }

  #count(device: DeviceState, taken: number, arrivedAtMs: number): void {
    if (taken === 0) return
    device.taken += taken
    device.lastAtMs = arrivedAtMs
    this.#silence.heard(device.deviceId)
  }

  #answer({ deviceId, topic, payload }: DeviceMessage, taken: Taken): Taken {
    this.#quarantine.add({ deviceId, topic, atMs: Date.now() }, taken.refusals, payload)
    return taken
  }

  #releaseOrdered(nowMs: number): void {
    const { onPassages, onReadings } = this.#options
    for (const { config, order } of this.#checkpoints.values()) {
      const passages = order.isEmpty ? [] : order.take(nowMs)
      if (passages.length > 0) onPassages?.(config, passages)
    }
    for (const { config, order } of this.#sensors.values()) {
      const readings = order.isEmpty ? [] : order.take(nowMs)
      if (readings.length > 0) onReadings?.(config, readings)
    }
    this.#pictures.forget(Math.min(nowMs, performance.now()))
  }
}

function passageRecord(
  checkpoint: CheckpointConfig,
  passage: Passage,
  timing: RecordTiming | undefined,
  keys: PlateKeys,
): PassageRecord {
  const { plate, pictures: _, ...rest } = passage
  return {
    kind: 'passage',
    deviceId: checkpoint.checkpointId,
    region: checkpoint.region,
    ...rest,
    ...(timing ? { timing } : {}),
    ...(plate ? cloakPlate(plate, keys) : {}),
  }
}

function readingRecord(
  sensor: SensorConfig,
  reading: Reading,
  timing: RecordTiming | undefined,
  arrivedAtMs: number,
): ReadingRecord {
  return {
    kind: 'reading',
    atMs: reading.atMs ?? arrivedAtMs,
    deviceId: sensor.sensorId,
    region: sensor.region,
    quantity: reading.quantity,
    value: reading.value,
    unit: reading.unit ?? (reading.quantity === sensor.quantity ? sensor.unit : ''),
    ...(timing ? { timing } : {}),
  }
}
