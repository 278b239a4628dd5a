import { createDecipheriv, createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectSocket, createServer } from 'node:net'
import {
  type AlertRecord,
  deviceTopics,
  type JournalRecord,
  type PassageRecord,
  parser,
  RECORD_SCHEMAS,
} from '@patrolhub/protocol'
import { connectAsync, type MqttClient } from 'mqtt'
import { generate } from 'mqtt-packet'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EdgeError } from '../../src/errors.ts'
import { Intake } from '../../src/intake/intake.ts'
import { type QuarantinedMessage, QuarantineFolder } from '../../src/intake/quarantine-folder.ts'
import {
  CIPHER_KEY,
  HASH_KEY,
  type IntakeWorld,
  intakeWorld,
  passTime,
  TOKEN,
} from '../support/intake-options.ts'
import { waitFor } from '../support/wait.ts'

const PASSAGE = JSON.stringify({ LaneNo: '1', PassTime: passTime(), PlateNo: '豫E12345' })

let world: IntakeWorld
let intake: Intake
let records: JournalRecord[]
let logged: string[]
let clients: MqttClient[]

beforeEach(async () => {
  world = intakeWorld()
  ;({ records, logged } = world)
  clients = []
  intake = new Intake(world.options())
  await intake.start()
})
afterEach(async () => {
  for (const client of clients) await client.endAsync(true)
  await intake.close()
  world.remove()
})

async function inQuarantine(): Promise<QuarantinedMessage[]> {
  await intake.close()
  const folder = new QuarantineFolder({ ...world, secret: TOKEN, maxMegabytes: 1, keepHours: 1 })
  const messages = await Promise.all((await folder.list()).map(({ id }) => folder.read(id)))
  return messages.map((message) => message!)
}

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

  it('encrypts equal plates to different text: no iv twice, over more than one fetch of random bytes', async () => {
    const device = await gate()
    const passages = Array.from({ length: 600 }, (_, lane) => ({ ...JSON.parse(PASSAGE), LaneNo: lane % 99 }))
    await device.publishAsync(deviceTopics.passages('gate'), JSON.stringify(passages), { qos: 1 })
    const ivs = (records as PassageRecord[]).map(({ plateCipher }) => plateCipher!.split('.')[1])
    expect(new Set(ivs).size).toBe(600)
  })

  it('drops plates when no keys are configured', async () => {
    await intake.close()
    intake = new Intake(world.options({ plates: {} }))
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
    world.appendFails = true
    const device = await gate()
    let isAcknowledged = false
    device.publish(deviceTopics.passages('gate'), PASSAGE, { qos: 1 }, (error) => {
      isAcknowledged = !error
    })
    await new Promise<void>((resolve) => device.once('close', () => resolve()))
    expect(isAcknowledged).toBe(false)
    world.appendFails = false
    await (await gate()).publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1, dup: true })
    expect(records).toHaveLength(1)
  })

  it('keeps an alert that could not be journalled for the next passages of its checkpoint', async () => {
    const alert = { kind: 'alert', alertId: 'a', deviceId: 'gate', facts: {}, evidenceIds: [] }
    let isRaised = false
    await intake.close()
    intake = new Intake(
      world.options({
        onTaken: () => {
          // A rule that has spoken is silent for a while.
          const alerts = isRaised ? [] : [alert as unknown as AlertRecord]
          isRaised = true
          return alerts
        },
      }),
    )
    await intake.start()
    world.appendFails = true
    const device = await gate()
    device.publish(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    await new Promise<void>((resolve) => device.once('close', () => resolve()))
    world.appendFails = false
    const again = await gate()
    for (let count = 0; count < 2; count += 1)
      await again.publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    expect(records.map(({ kind }) => kind)).toEqual(['alert', 'passage', 'passage'])
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
    await device.publishAsync(deviceTopics.passages('gate'), `[{"LaneNo":1},{"PassTime":"${passTime()}"}]`, {
      qos: 1,
    })
    await device.publishAsync(deviceTopics.readings('gate'), '{"quantity":"smoke","value":1}', { qos: 1 })
    await device.publishAsync(deviceTopics.passages('gate'), PASSAGE, { qos: 1 })
    expect(records).toHaveLength(2)
    expect(intake.stats()).toEqual({ passages: 2, readings: 0, refusedMessages: 3 })
    expect(intake.health()).toMatchObject([{ deviceId: 'gate', state: 'online', taken: 2, refused: 3 }])
    expect(logged.filter((line) => line.includes('messages of a device were refused'))).toHaveLength(1)
    const kept = await inQuarantine()
    const fields = kept.map(({ refusals }) => refusals.map(({ field }) => field))
    expect(fields.sort()).toEqual([['(message)'], ['(topic)'], ['PassTime']])
    const first = kept.find(({ refusals }) => refusals[0]?.field === '(message)')!
    expect(first).toMatchObject({ deviceId: 'gate', refusals: [{ reason: 'is not JSON' }] })
    expect(first.payload.toString()).toBe('no json')
  })

  it('keeps a few refused messages a minute and counts all of them', async () => {
    const device = await gate()
    for (let index = 0; index < 150; index++) {
      await device.publishAsync(deviceTopics.passages('gate'), `wrong ${index}`, { qos: 1 })
    }
    expect(intake.stats().refusedMessages).toBe(150)
    expect(await inQuarantine()).toHaveLength(20)
  })

  it('marks what comes late or from the future, and hands on to the models only what is of now, in order', async () => {
    await intake.close()
    const judged: PassageRecord[] = []
    intake = new Intake(
      world.options({
        timing: { orderSeconds: 0.2, lateSeconds: 120, futureSeconds: 30 },
        onPassages: (_checkpoint, passages) => void judged.push(...passages),
      }),
    )
    await intake.start()
    const device = await gate()
    const nowMs = Math.floor(Date.now() / 1000) * 1000
    for (const [lane, ageMs] of [
      [1, 1000],
      [2, 3000],
      [3, 600_000],
      [4, -600_000],
      [5, 2000],
    ] as const) {
      const passage = { LaneNo: lane, PassTime: passTime(nowMs - ageMs) }
      await device.publishAsync(deviceTopics.passages('gate'), JSON.stringify(passage), { qos: 1 })
    }
    expect((records as PassageRecord[]).map(({ timing }) => timing)).toEqual([
      ...[undefined, undefined, 'late', 'future', undefined],
    ])
    for (const record of records) expect(parser(RECORD_SCHEMAS.passage)(record)).toMatchObject({ ok: true })
    await waitFor('they have waited for each other', () => judged.length === 3)
    expect(judged.map(({ lane }) => lane)).toEqual([2, 5, 1])
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
    const second = new Intake(world.options({ port }))
    const error = await second.start().catch((reason: unknown) => reason)
    taken.close()
    expect(error).toBeInstanceOf(EdgeError)
    expect(error).toMatchObject({ code: 'EDGE_PORT_IN_USE', message: expect.stringContaining('intake.port') })
  })
})
