import { deviceTopics, MotorVehicle, type PassageRecord, parser, RECORD_SCHEMAS } from '@patrolhub/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeviceMessage } from '../../edge/src/intake/device-message.ts'
import { parseDeviceReadings } from '../../edge/src/intake/device-reading.ts'
import { Intake } from '../../edge/src/intake/intake.ts'
import { DeviceListener } from '../../edge/src/intake/listener.ts'
import { parseMotorVehicles } from '../../edge/src/intake/motor-vehicle.ts'
import { intakeWorld, VIID_ID } from '../../edge/test/support/intake-options.ts'
import { dailyShare, localStamp, SimulatedCheckpoint } from './checkpoint.ts'
import { Random } from './random.ts'
import { SimulatedSensor } from './sensor.ts'

const log = pino({ level: 'silent' })
const messages: DeviceMessage[] = []
const closers: (() => Promise<void>)[] = []
let brokerUrl: string

beforeEach(async () => {
  messages.length = 0
  const listener = new DeviceListener({
    host: '127.0.0.1',
    port: 0,
    maxMessageBytes: 262_144,
    devices: ['gate', 'river'].map((deviceId) => ({ deviceId, username: deviceId, password: 'secret-word' })),
    onMessage: async (message) => void messages.push(message),
    log,
  })
  await listener.start()
  closers.push(() => listener.close())
  brokerUrl = `mqtt://127.0.0.1:${listener.port}`
})

afterEach(async () => {
  for (let close = closers.pop(); close; close = closers.pop()) await close()
})

async function startCheckpoint(): Promise<SimulatedCheckpoint> {
  const checkpoint = new SimulatedCheckpoint({
    brokerUrl,
    checkpointId: 'gate',
    password: 'secret-word',
    lanes: 2,
    peakPerMinute: 6000,
  })
  closers.unshift(() => checkpoint.close())
  await checkpoint.start()
  return checkpoint
}

describe('the simulated checkpoint with faults, at a whole intake', () => {
  it.each(['mqtt', 'viid'] as const)('loses nothing that can be used, and goes on (%s)', async (way) => {
    const world = intakeWorld()
    const credential = { deviceId: 'gate', username: 'gate', password: 'secret-word', viidDeviceId: VIID_ID }
    const viid = {
      ...{ host: '127.0.0.1', port: 0, serverId: VIID_ID, maxBodyBytes: 100_000, keepaliveSeconds: 90 },
      isDigestAlways: false,
    }
    const intake = new Intake(world.options({ devices: [credential], viid }))
    await intake.start()
    const checkpoint = new SimulatedCheckpoint({
      ...{ checkpointId: 'gate', password: 'secret-word', lanes: 2, peakPerMinute: 12_000 },
      brokerUrl: `mqtt://127.0.0.1:${intake.port}`,
      faults: { numbersAsText: 0.5, noPlate: 0.3, partPlate: 0.3, oddColour: 0.3, noTime: 0.1, noJson: 0.1 },
      ...(way === 'viid'
        ? { viid: { url: `http://127.0.0.1:${intake.viidPort}`, viidDeviceId: VIID_ID } }
        : {}),
    })
    await checkpoint.start()
    await expect.poll(() => world.records.length, { timeout: 10_000 }).toBeGreaterThan(100)
    await checkpoint.close()
    await intake.close()
    world.remove()
    const { passages, refusedMessages } = intake.stats()
    expect(passages).toBe(world.records.length)
    expect(refusedMessages).toBeGreaterThan(0)
    expect(passages + refusedMessages).toBeGreaterThanOrEqual(checkpoint.client.sent)
    const parse = parser(RECORD_SCHEMAS.passage)
    for (const record of world.records) expect(parse(record)).toMatchObject({ ok: true })
    const passageRecords = world.records as PassageRecord[]
    expect(passageRecords.some(({ plateHash }) => plateHash === undefined)).toBe(true)
    expect(passageRecords.some(({ plateColour }) => plateColour === 'unknown')).toBe(true)
  })
})

describe('the simulated checkpoint', () => {
  it('is understood by the edge: each vehicle strict GA/T 1400, with its time, lane and plate', async () => {
    const checkpoint = await startCheckpoint()
    await expect.poll(() => messages.length, { timeout: 10_000 }).toBeGreaterThan(20)
    const parse = parser(MotorVehicle)
    for (const { topic, payload } of messages) {
      expect(topic).toBe(deviceTopics.passages('gate'))
      const strict = parse(JSON.parse(payload.toString()))
      expect(strict.ok ? [] : strict.problems).toEqual([])
      const { items, refusals } = parseMotorVehicles(payload, '+08:00')
      expect(refusals).toEqual([])
      expect(Math.abs(items[0]!.atMs - Date.now())).toBeLessThan(15_000)
      expect(items[0]!.plate).toBeDefined()
    }
    const lanes = new Set(messages.map(({ payload }) => JSON.parse(payload.toString()).LaneNo))
    expect(lanes).toEqual(new Set([1, 2]))
    await expect.poll(() => checkpoint.client.sent).toBeGreaterThan(20)
  })

  it('lets nothing pass while it is blocked, and crawl at walking pace', async () => {
    const checkpoint = await startCheckpoint()
    await expect.poll(() => messages.length, { timeout: 10_000 }).toBeGreaterThan(0)
    checkpoint.anomaly = 'crawl'
    const speeds = Array.from({ length: 50 }, () => checkpoint.vehicle(1, Date.now()).Speed!)
    expect(Math.max(...speeds)).toBeLessThan(20)
    checkpoint.anomaly = 'blocked'
    // What was on its way has arrived once two looks at the blocked lane have gone by.
    const before = await stableCount()
    expect(await stableCount()).toBe(before)
  })

  it('says the same with the same seed', () => {
    const make = () =>
      new SimulatedCheckpoint({
        ...{ brokerUrl, checkpointId: 'gate', password: 'secret-word', lanes: 2, peakPerMinute: 60 },
        seed: 9,
      })
    expect(make().vehicle(1, 1_760_000_000_000)).toEqual(make().vehicle(1, 1_760_000_000_000))
  })

  it('has peaks in the morning and in the evening and is never quite empty', () => {
    expect(dailyShare(8)).toBeCloseTo(1)
    expect(dailyShare(18)).toBeCloseTo(1)
    expect(dailyShare(3)).toBeLessThan(0.5)
    expect(Math.min(...Array.from({ length: 24 }, (_, hour) => dailyShare(hour)))).toBeGreaterThan(0.3)
  })

  it('writes the time of its own clock', () => {
    expect(localStamp(Date.UTC(2026, 0, 1, 17, 5, 6, 7), 480)).toBe('20260102010506007')
  })
})

/** Resolves with the number of messages once it has not changed for 700 ms, longer than a blocked lane looks away. */
async function stableCount(): Promise<number> {
  for (let last = -1; last !== messages.length; ) {
    last = messages.length
    await new Promise((wake) => setTimeout(wake, 700))
  }
  return messages.length
}

describe('the simulated sensor', () => {
  it('sends readings that the edge understands, and something else when told to', async () => {
    const sensor = new SimulatedSensor({
      ...{ brokerUrl, sensorId: 'river', password: 'secret-word', quantity: 'water_level', unit: 'm' },
      ...{ mean: 2, swing: 0, noise: 0.01, everyMs: 20 },
    })
    closers.unshift(() => sensor.close())
    await sensor.start()
    const values = () =>
      messages.flatMap(({ payload }) => parseDeviceReadings(payload).items.map((reading) => reading.value))
    await expect.poll(() => messages.length, { timeout: 10_000 }).toBeGreaterThan(10)
    for (const value of values()) expect(Math.abs(value - 2)).toBeLessThan(0.1)

    sensor.anomaly = 'spike'
    await expect.poll(() => values().at(-1)).toBeGreaterThan(2.3)
    sensor.anomaly = 'stuck'
    const from = messages.length + 1
    await expect.poll(() => messages.length).toBeGreaterThan(from + 5)
    expect(new Set(values().slice(from)).size).toBe(1)
    sensor.anomaly = 'silent'
    const before = await stableCount()
    expect(await stableCount()).toBe(before)
  })
})

describe('repeatable randomness', () => {
  it('is bell-shaped around the mean that was asked for', () => {
    const random = new Random(3)
    const values = Array.from({ length: 5000 }, () => random.normal(10, 2))
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    expect(mean).toBeCloseTo(10, 0)
    expect(Math.sqrt(variance)).toBeGreaterThan(1.8)
    expect(Math.sqrt(variance)).toBeLessThan(2.2)
  })
})
