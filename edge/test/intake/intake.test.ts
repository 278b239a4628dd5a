import { createDecipheriv, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectSocket, createServer } from 'node:net'
import {
  deviceTopics,
  type JournalRecord,
  type PassageRecord,
  parser,
  RECORD_SCHEMAS,
} from '@patrolhub/protocol'
import { connectAsync, type MqttClient } from 'mqtt'
import { generate } from 'mqtt-packet'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CheckpointConfig, SensorConfig } from '../../src/config.ts'
import { EdgeError } from '../../src/errors.ts'
import { Intake, type IntakeOptions } from '../../src/intake/intake.ts'
import { waitFor } from '../support/wait.ts'

const HASH_KEY = Buffer.alloc(32, 1)
const CIPHER_KEY = Buffer.alloc(32, 2)
const rule = { threshold: 0.7, severity: 'minor', cooldownSeconds: 60, warmUpValues: 20 } as const
const checkpoint: CheckpointConfig = {
  checkpointId: 'gate',
  name: 'Gate',
  region: '410502003',
  lanes: 2,
  timeZone: '+08:00',
  flowWindowSeconds: 60,
  rule,
}
const sensor: SensorConfig = {
  sensorId: 'river',
  name: 'River',
  region: '410502003',
  quantity: 'water_level',
  unit: 'm',
  resolution: 0,
  rule,
}
const PASSAGE = JSON.stringify({ LaneNo: '1', PassTime: '20261001120000', PlateNo: '豫E12345' })

let intake: Intake
let records: JournalRecord[]
let appendFails: boolean
let logged: string[]
let clients: MqttClient[]

function options(overrides: Partial<IntakeOptions> = {}): IntakeOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    maxMessageBytes: 64 * 1024,
    devices: [
      { deviceId: 'gate', username: 'gate-user', password: 'gate-password' },
      { deviceId: 'river', username: 'river', password: 'river-password' },
    ],
    checkpoints: [checkpoint],
    sensors: [sensor],
    plates: { hashKey: HASH_KEY, cipherKey: { version: 3, key: CIPHER_KEY } },
    append: async (added) => {
      if (appendFails) throw new Error('the disk is full')
      records.push(...added)
    },
    log: pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) }),
    ...overrides,
  }
}

beforeEach(async () => {
  records = []
  appendFails = false
  logged = []
  clients = []
  intake = new Intake(options())
  await intake.start()
})
afterEach(async () => {
  for (const client of clients) await client.endAsync(true)
  await intake.close()
})

async function sign(username: string, password: string): Promise<MqttClient> {
  const url = `mqtt://127.0.0.1:${intake.port}`
  const client = await connectAsync(url, { username, password, reconnectPeriod: 0 }, false)
  client.on('error', () => undefined)
  clients.push(client)
  return client
}
const gate = () => sign('gate-user', 'gate-password')
const river = () => sign('river', 'river-password')

describe('the intake', () => {
  it('turns a passage into a valid record and hides its plate', async () => {
    await (await gate()).publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    expect(records).toHaveLength(1)
    const record = records[0] as PassageRecord
    expect(parser(RECORD_SCHEMAS.passage)(record)).toMatchObject({ ok: true })
    expect(record).toMatchObject({ kind: 'passage', deviceId: 'gate', region: '410502003', lane: 1 })
    expect(JSON.stringify(record)).not.toContain('12345')
    expect(record.plateHash).toBe(createHmac('sha256', HASH_KEY).update('豫E12345').digest('hex'))
    const [version, iv, ciphertext, tag] = record.plateCipher!.split('.')
    expect(version).toBe('3')
    const decipher = createDecipheriv('aes-256-gcm', CIPHER_KEY, Buffer.from(iv!, 'base64url'))
    decipher.setAuthTag(Buffer.from(tag!, 'base64url'))
    const clear = Buffer.concat([decipher.update(Buffer.from(ciphertext!, 'base64url')), decipher.final()])
    expect(clear.toString()).toBe('豫E12345')
  })

  it('drops plates when no keys are configured', async () => {
    await intake.close()
    intake = new Intake(options({ plates: {} }))
    await intake.start()
    await (await gate()).publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    expect(Object.keys(records[0]!)).toEqual(['kind', 'deviceId', 'region', 'atMs', 'lane'])
  })

  it('takes readings, with the unit of the configuration and the time of arrival', async () => {
    await (await river()).publishAsync(
      deviceTopics.readings('river'),
      '{"quantity":"water_level","value":"3.5"}',
      {
        qos: 1,
      },
    )
    expect(parser(RECORD_SCHEMAS.reading)(records[0])).toMatchObject({ ok: true })
    expect(records[0]).toMatchObject({ kind: 'reading', deviceId: 'river', value: 3.5, unit: 'm' })
  })

  it('acknowledges only what is durable: after a failure the device sends again', async () => {
    appendFails = true
    const device = await gate()
    let isAcknowledged = false
    device.publish(deviceTopics.passages('gate'), PASSAGE, { qos: 1 }, (error) => {
      isAcknowledged = !error
    })
    await new Promise<void>((resolve) => device.once('close', () => resolve()))
    expect(isAcknowledged).toBe(false)
    appendFails = false
    await (await gate()).publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1, dup: true })
    expect(records).toHaveLength(1)
  })

  it('takes a message that is sent again only once, and equal messages that are not marked so each', async () => {
    const device = await gate()
    await device.publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    await device.publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1, dup: true })
    expect(records).toHaveLength(1)
    await device.publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    expect(records).toHaveLength(2)
  })

  it('refuses what it cannot use with field and reason, counts it, and goes on', async () => {
    const device = await gate()
    await device.publishAsync(deviceTopics.passages('gate'), 'no json', { qos: 1 })
    await device.publishAsync(deviceTopics.passages('gate'), '[{"LaneNo":1},{"PassTime":"20261001120000"}]', {
      qos: 1,
    })
    await device.publishAsync(deviceTopics.readings('gate'), '{"quantity":"smoke","value":1}', { qos: 1 })
    await device.publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    expect(records).toHaveLength(2)
    expect(intake.stats()).toEqual({ passages: 2, readings: 0, refusedMessages: 3 })
    expect(intake.refused().map(({ field }) => field)).toEqual(['(message)', 'PassTime', '(topic)'])
    expect(intake.refused()[0]).toMatchObject({ deviceId: 'gate', reason: 'is not JSON', excerpt: 'no json' })
    expect(logged.filter((line) => line.includes('messages of a device were refused'))).toHaveLength(1)
  })

  it('keeps no more than the newest refused messages', async () => {
    const device = await gate()
    for (let index = 0; index < 150; index++) {
      await device.publishAsync(deviceTopics.passages('gate'), `wrong ${index}`, { qos: 1 })
    }
    expect(intake.stats().refusedMessages).toBe(150)
    expect(intake.refused()).toHaveLength(100)
    expect(intake.refused().at(-1)?.excerpt).toBe('wrong 149')
  })

  it('lets nobody in without the right password', async () => {
    await expect(sign('gate-user', 'river-password')).rejects.toThrow(/bad username or password/i)
    await expect(sign('nobody', '')).rejects.toThrow(/bad username or password/i)
    expect(logged.join()).not.toContain('river-password')
  })

  it('cuts a device off that publishes to the topic of another, and delivers nothing to anybody', async () => {
    const device = await gate()
    expect(intake.isConnected('gate')).toBe(true)
    const closed = new Promise<void>((resolve) => device.once('close', () => resolve()))
    device.publish(deviceTopics.readings('river'), '{"quantity":"water_level","value":9}', { qos: 1 })
    await closed
    expect(records).toEqual([])
    await waitFor('it is seen as gone', () => !intake.isConnected('gate'))

    const other = await river()
    const granted = await other.subscribeAsync('#').catch((error: Error) => error.message)
    expect(JSON.stringify(granted)).toMatch(/128|unspecified|denied/i)
  })

  it('cuts off a packet over the limit at its header, before and after the sign-in', async () => {
    const stranger = connectSocket(intake.port, '127.0.0.1')
    stranger.on('error', () => undefined)
    // A header that announces 200 MB.
    stranger.write(Buffer.from([0x10, 0x80, 0x80, 0x80, 0x64]))
    await once(stranger, 'close')

    const device = connectSocket(intake.port, '127.0.0.1')
    device.on('error', () => undefined)
    device.write(
      generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: 'x',
        keepalive: 0,
        username: 'gate-user',
        password: Buffer.from('gate-password'),
      }),
    )
    await once(device, 'data')
    const closed = once(device, 'close')
    device.write(
      generate({
        cmd: 'publish',
        topic: deviceTopics.passages('gate'),
        payload: Buffer.alloc(70_000, 'x'),
        qos: 0,
        dup: false,
        retain: false,
      }).subarray(0, 8),
    )
    await closed
    expect(logged.filter((line) => line.includes('over the limit'))).toHaveLength(2)
    await (await gate()).publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    expect(records).toHaveLength(1)
  })

  it('names the setting when its port is taken', async () => {
    const taken = createServer()
    taken.listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const second = new Intake(options({ port }))
    const error = await second.start().catch((reason: unknown) => reason)
    taken.close()
    expect(error).toBeInstanceOf(EdgeError)
    expect(error).toMatchObject({ code: 'EDGE_PORT_IN_USE', message: expect.stringContaining('intake.port') })
  })
})
