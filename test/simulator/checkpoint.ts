/**
 * A simulated electronic checkpoint: a station with lanes that sends every vehicle as a strict GA/T 1400 `MotorVehicle`
 * over MQTT or the HTTP side of the standard, and with the faults that it is told to have. Plates are made up.
 */
import { deviceTopics, type MotorVehicle } from '@patrolhub/protocol'
import { DeviceClient, type DeviceClientOptions, type DeviceSender } from './device-client.ts'
import { type PassageFaults, spoil } from './passage-faults.ts'
import { Random } from './random.ts'
import { ViidClient } from './viid-client.ts'

export interface CheckpointOptions extends Omit<DeviceClientOptions, 'deviceId'> {
  checkpointId: string
  lanes: number
  /** Vehicles a minute over all lanes at the busiest hour. */
  peakPerMinute: number
  /** Traffic of the quietest hour as a share of the busiest; 0.35 unless set. */
  quietShare?: number
  /** 20-digit device id that the station writes into its messages; its `deviceId` unless set. */
  tollgateId?: string
  /** Offset of the station's clock from UTC, minutes; Beijing unless set. */
  utcOffsetMinutes?: number
  /** How far the station's clock is ahead; 0 unless set. */
  clockAheadMs?: number
  faults?: Partial<PassageFaults>
  /** By the HTTP side of GA/T 1400 at this address, under this 20-digit id, instead of MQTT. */
  viid?: { url: string; viidDeviceId: string }
  seed?: number
}

/** `surge`: five times the traffic. `blocked`: nothing passes. `crawl`: the same vehicles at walking pace. */
export type CheckpointAnomaly = 'none' | 'surge' | 'blocked' | 'crawl'

const SURGE_FACTOR = 5
const SPEED_KMH = { normal: { mean: 57, spread: 5 }, crawl: { mean: 8, spread: 2 } } as const
/** How far the time between two vehicles strays from the mean: a signal upstream lets them pass in an even flow. */
const HEADWAY_SPREAD = 0.15
/** How often a lane looks for the next vehicle while nothing passes. */
const BLOCKED_POLL_SECONDS = 0.5

/** GA 24.4 vehicle classes with how often each comes. */
const CLASSES = [
  ...Array<string>(14).fill('K33'),
  ...Array<string>(3).fill('K31'),
  ...Array<string>(2).fill('H31'),
  'K11',
  'H11',
]
const LETTERS_AND_DIGITS = '0123456789ABCDEFGHJKLMNPQRSTUVWXYZ'
const GREEN_SHARE = 0.3
/** GA/T 1400.3 ColorType. */
const PLATE_COLOUR = { blue: '5', yellow: '6', green: '9' } as const

export class SimulatedCheckpoint {
  readonly #options: CheckpointOptions
  readonly #client: DeviceSender
  readonly #random: Random
  readonly #timers: (NodeJS.Timeout | undefined)[]
  #serial = 0
  #anomaly: CheckpointAnomaly = 'none'
  #isRunning = false

  constructor(options: CheckpointOptions) {
    this.#options = options
    const { checkpointId, password, viid } = options
    this.#client = viid
      ? new ViidClient({ ...viid, username: checkpointId, password })
      : new DeviceClient({ ...options, deviceId: checkpointId })
    this.#random = new Random(options.seed ?? 1)
    this.#timers = Array(options.lanes).fill(undefined)
  }

  get client(): DeviceSender {
    return this.#client
  }

  get anomaly(): CheckpointAnomaly {
    return this.#anomaly
  }

  /** Takes effect at once: the vehicles that were to come next are replaced. */
  set anomaly(anomaly: CheckpointAnomaly) {
    this.#anomaly = anomaly
    if (this.#isRunning) this.#scheduleAll()
  }

  async start(): Promise<void> {
    await this.#client.start()
    this.#isRunning = true
    this.#scheduleAll()
  }

  #scheduleAll(): void {
    for (let lane = 0; lane < this.#options.lanes; lane += 1) this.#schedule(lane, this.#random.next())
  }

  async close(): Promise<void> {
    this.#isRunning = false
    for (const timer of this.#timers) clearTimeout(timer)
    await this.#client.close()
  }

  /** @param share of the mean time between two vehicles; 1 unless it is the first */
  #schedule(lane: number, share = 1): void {
    clearTimeout(this.#timers[lane])
    const perMinute =
      (this.#options.peakPerMinute / this.#options.lanes) *
      dailyShare(this.#localHour(), this.#options.quietShare) *
      (this.anomaly === 'surge' ? SURGE_FACTOR : 1)
    const spread = this.#random.between(1 - HEADWAY_SPREAD, 1 + HEADWAY_SPREAD)
    const seconds = this.anomaly === 'blocked' ? BLOCKED_POLL_SECONDS : (60 / perMinute) * spread * share
    this.#timers[lane] = setTimeout(() => {
      if (this.anomaly !== 'blocked') this.#pass(lane + 1)
      this.#schedule(lane)
    }, seconds * 1000)
  }

  #pass(lane: number): void {
    const { checkpointId, clockAheadMs = 0, faults = {} } = this.#options
    const vehicle = this.vehicle(lane, Date.now() + clockAheadMs)
    this.#client.publish(deviceTopics.passages(checkpointId), spoil(vehicle, faults, this.#random))
  }

  /** The message for one vehicle that crosses a lane at an instant. */
  vehicle(lane: number, atMs: number): MotorVehicle {
    const random = this.#random
    const { mean, spread } = this.anomaly === 'crawl' ? SPEED_KMH.crawl : SPEED_KMH.normal
    const passTime = localStamp(atMs, this.#offsetMinutes())
    const vehicleClass = random.pick(CLASSES)
    const { plate, colour } = madeUpPlate(random, vehicleClass)
    const tollgate = this.#options.tollgateId ?? this.#options.checkpointId
    this.#serial = (this.#serial + 1) % 100_000
    const serial = String(this.#serial).padStart(5, '0')
    return {
      // GA/T 1400.1: device id, type 02, time, serial, and again type and serial of the object.
      MotorVehicleID: `${tollgate.padStart(20, '0').slice(-20)}02${passTime.slice(0, 14)}${serial}02${serial}`,
      TollgateID: tollgate,
      LaneNo: lane,
      PassTime: passTime,
      PlateNo: plate,
      PlateColor: colour,
      VehicleClass: vehicleClass,
      Speed: Math.round(Math.max(1, random.normal(mean, spread)) * 10) / 10,
      Direction: lane % 2 === 1 ? '3' : '4',
    }
  }

  #offsetMinutes(): number {
    return this.#options.utcOffsetMinutes ?? 480
  }

  #localHour(): number {
    return (((Date.now() / 3_600_000 + this.#offsetMinutes() / 60) % 24) + 24) % 24
  }
}

/**
 * Traffic of an hour as a share of the busiest, `quiet`..1: quiet at night, peaks at 8 and at 18 o'clock. Even at night
 * enough passes that a demonstration shows something.
 */
export function dailyShare(hour: number, quiet = 0.35): number {
  const peak = (at: number, width: number) => Math.exp(-(((hour - at) / width) ** 2))
  return Math.min(1, quiet + (1 - quiet) * Math.max(peak(8, 1.8), peak(18, 2.2), 0.7 * peak(13, 5)))
}

function madeUpPlate(random: Random, vehicleClass: string): { plate: string; colour: string } {
  const characters = (count: number) =>
    Array.from({ length: count }, () => random.pick([...LETTERS_AND_DIGITS])).join('')
  if (vehicleClass.startsWith('H1') || vehicleClass.startsWith('K1')) {
    return { plate: `豫E${characters(5)}`, colour: PLATE_COLOUR.yellow }
  }
  return random.next() < GREEN_SHARE
    ? { plate: `豫ED${characters(5)}`, colour: PLATE_COLOUR.green }
    : { plate: `豫E${characters(5)}`, colour: PLATE_COLOUR.blue }
}

/** yyyyMMddHHmmssSSS of an instant on a clock with this offset. */
export function localStamp(atMs: number, utcOffsetMinutes: number): string {
  return new Date(atMs + utcOffsetMinutes * 60_000).toISOString().replace(/\D/g, '')
}
