import { once } from 'node:events'
import { createServer } from 'node:net'
import type { JournalRecord, PassageRecord } from '@patrolhub/protocol'
import jpeg from 'jpeg-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { authorize as authorizeAs } from '../../../test/simulator/viid-client.ts'
import { Intake } from '../../src/intake/intake.ts'
import { type IntakeWorld, intakeWorld, passTime, VIID_ID } from '../support/intake-options.ts'

const VIID = {
  port: 0,
  host: '127.0.0.1',
  serverId: '41050000005030000001',
  maxBodyBytes: 1024 * 1024,
  keepaliveSeconds: 90,
  isDigestAlways: false,
}
const REGISTER = '/VIID/System/Register'
const VEHICLES = '/VIID/MotorVehicles'

let world: IntakeWorld
let intake: Intake
let url: string
let records: JournalRecord[]

async function start(overrides: Partial<typeof VIID> = {}): Promise<void> {
  intake = new Intake(world.options({ viid: { ...VIID, ...overrides } }))
  await intake.start()
  url = `http://127.0.0.1:${intake.viidPort}`
}

beforeEach(async () => {
  world = intakeWorld()
  ;({ records } = world)
  await start()
})
afterEach(async () => {
  await intake.close()
  world.remove()
})

interface Answer {
  status: number
  challenges: string
  body: Record<string, never> & {
    ResponseStatusObject?: { StatusCode: number; StatusString: string; Id: string }
    ResponseStatusListObject?: {
      ResponseStatusObject: { StatusCode: number; StatusString: string; Id: string }[]
    }
  }
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/VIID+JSON;charset=utf-8', ...headers },
  })
  const challenges = response.headers.get('www-authenticate') ?? ''
  return { status: response.status, challenges, body: await response.json() }
}

/** As the simulated device does it, with what a test wants otherwise. */
function authorize(
  challenges: string,
  path: string,
  options: Partial<Parameters<typeof authorizeAs>[1]> = {},
): string {
  return authorizeAs(challenges, { username: 'gate-user', password: 'gate-password', ...options, path })
}

const registerBody = { RegisterObject: { DeviceID: VIID_ID } }
const asDevice = { 'user-identify': VIID_ID }

async function register(options?: Parameters<typeof authorize>[2]): Promise<Answer> {
  const { challenges } = await post(REGISTER, registerBody, asDevice)
  return post(REGISTER, registerBody, {
    ...asDevice,
    authorization: authorize(challenges, REGISTER, options),
  })
}

const vehicle = (more: object = {}) => ({
  MotorVehicleID: `${VIID_ID}02202601010000000000102000001`,
  PassTime: passTime(),
  LaneNo: 1,
  PlateNo: '豫E12345',
  ...more,
})
const vehicles = (...objects: object[]) => ({ MotorVehicleListObject: { MotorVehicleObject: objects } })
const picture = (size = 16) =>
  jpeg.encode({ width: size, height: size, data: Buffer.alloc(size * size * 4, 120) }, 70).data

describe('the HTTP side of GA/T 1400', () => {
  it.each(['MD5', 'SHA-256'] as const)(
    'registers a device by its digest (%s) and takes its passages',
    async (algorithm) => {
      const asked = await post(REGISTER, registerBody)
      expect(asked.status).toBe(401)
      expect(asked.challenges).toMatch(/algorithm=SHA-256.*algorithm=MD5/)
      expect(intake.isConnected('gate')).toBe(false)
      const registered = await register({ algorithm })
      expect(registered).toMatchObject({
        status: 200,
        body: { ResponseStatusObject: { StatusCode: 0, Id: VIID_ID, RequestURL: REGISTER } },
      })
      expect(intake.isConnected('gate')).toBe(true)
      expect(
        (await post('/VIID/System/Keepalive', { KeepaliveObject: { DeviceID: VIID_ID } }, asDevice)).status,
      ).toBe(200)
      const answer = await post(
        VEHICLES,
        vehicles(vehicle(), vehicle({ LaneNo: 'x', MotorVehicleID: 'b' })),
        asDevice,
      )
      expect(answer.status).toBe(200)
      expect(answer.body.ResponseStatusListObject?.ResponseStatusObject).toMatchObject([
        { StatusCode: 0, StatusString: 'OK', Id: vehicle().MotorVehicleID },
        { StatusCode: 8, StatusString: 'LaneNo x is not a lane from 0 to 99', Id: 'b' },
      ])
      expect(records).toMatchObject([{ kind: 'passage', deviceId: 'gate', lane: 1 }])
      expect((records[0] as PassageRecord).plateHash).toMatch(/^[0-9a-f]{64}$/)
    },
  )

  it('asks for a new registration after UnRegister, and answers those who never registered with 401', async () => {
    expect((await post(VEHICLES, vehicles(vehicle()))).status).toBe(401)
    expect((await post(VEHICLES, vehicles(vehicle()), asDevice)).status).toBe(401)
    await register()
    const { challenges } = await post(
      '/VIID/System/UnRegister',
      { UnRegisterObject: { DeviceID: VIID_ID } },
      asDevice,
    )
    expect(
      (await post(VEHICLES, vehicles(vehicle()), asDevice)).status,
      'without a digest it stays registered',
    ).toBe(200)
    const authorization = authorize(challenges, '/VIID/System/UnRegister')
    expect((await post('/VIID/System/UnRegister', {}, { ...asDevice, authorization })).status).toBe(200)
    const refused = await post(VEHICLES, vehicles(vehicle({ LaneNo: 2 })), asDevice)
    expect(refused).toMatchObject({ status: 401, body: { ResponseStatusObject: { StatusCode: 4 } } })
    expect(records).toHaveLength(1)
  })

  it('lets nobody in with a wrong password, another DeviceID, or a digest that was used before', async () => {
    expect((await register({ password: 'river-password' })).status).toBe(401)
    expect(
      (await register({ username: 'river', password: 'river-password' })).status,
      'not of GA/T 1400',
    ).toBe(401)
    const { challenges } = await post(REGISTER, registerBody)
    const authorization = authorize(challenges, REGISTER)
    const other = { RegisterObject: { DeviceID: '41050200001190000002' } }
    expect((await post(REGISTER, other, { authorization })).status).toBe(403)
    const replayed = await post(REGISTER, registerBody, { authorization })
    expect(replayed.status).toBe(401)
    expect(replayed.challenges).toContain('stale=true')
    const next = authorize(challenges, REGISTER, { nc: '00000002' })
    expect((await post(REGISTER, registerBody, { authorization: next })).status).toBe(200)
    expect(world.logged.join()).not.toMatch(/(gate|river)-password/)
  })

  it('with isDigestAlways takes nothing on the address alone', async () => {
    await intake.close()
    await start({ isDigestAlways: true })
    await register()
    const asked = await post(VEHICLES, vehicles(vehicle()), asDevice)
    expect(asked.status).toBe(401)
    const authorization = authorize(asked.challenges, VEHICLES)
    expect((await post(VEHICLES, vehicles(vehicle()), { ...asDevice, authorization })).status).toBe(200)
  })

  it('takes a body that is posted again only once, and answers as it did before', async () => {
    await register()
    const body = vehicles(vehicle(), vehicle({ PassTime: 'soon' }))
    const first = await post(VEHICLES, body, asDevice)
    const second = await post(VEHICLES, body, asDevice)
    expect(records).toHaveLength(1)
    expect(second.body.ResponseStatusListObject?.ResponseStatusObject.map((each) => each.StatusCode)).toEqual(
      [0, 8],
    )
    expect(first.status).toBe(second.status)
  })

  it('answers 500 when the journal cannot take it, so that the device keeps it, and takes it then', async () => {
    await register()
    world.appendFails = true
    const refused = await post(VEHICLES, vehicles(vehicle()), asDevice)
    expect(refused).toMatchObject({ status: 500, body: { ResponseStatusObject: { StatusCode: 1 } } })
    world.appendFails = false
    expect((await post(VEHICLES, vehicles(vehicle()), asDevice)).status).toBe(200)
    expect(records).toHaveLength(1)
  })

  it('says what is wrong with a request: no JSON, too large, unknown', async () => {
    await register()
    const noJson = await post(VEHICLES, '<xml/>', asDevice)
    expect(noJson.status).toBe(400)
    expect(noJson.body.ResponseStatusListObject?.ResponseStatusObject).toMatchObject([
      { StatusCode: 7, StatusString: '(message) is not JSON' },
    ])
    expect((await post(VEHICLES, 'x'.repeat(VIID.maxBodyBytes + 1), asDevice)).status).toBe(413)
    expect((await post(REGISTER, 'x'.repeat(20_000))).status).toBe(413)
    expect((await post('/VIID/Faces', {}, asDevice)).status).toBe(404)
    expect((await post(VEHICLES, vehicles(vehicle()), asDevice)).status, 'and goes on').toBe(200)
  })

  it('refuses a passage of another station', async () => {
    await intake.close()
    const [checkpoint] = world.options().checkpoints
    intake = new Intake(
      world.options({ viid: VIID, checkpoints: [{ ...checkpoint!, tollgateId: '41050200001210000001' }] }),
    )
    await intake.start()
    url = `http://127.0.0.1:${intake.viidPort}`
    await register()
    const answer = await post(
      VEHICLES,
      vehicles(
        vehicle({ TollgateID: '41050200001210000001' }),
        vehicle({ TollgateID: '41050200001210000009' }),
      ),
      asDevice,
    )
    expect(answer.body.ResponseStatusListObject?.ResponseStatusObject.map((each) => each.StatusCode)).toEqual(
      [0, 8],
    )
  })

  it('tells the time', async () => {
    const { SystemTimeObject } = (await (await fetch(`${url}/VIID/System/Time`)).json()) as {
      SystemTimeObject: { VIIDServerID: string; LocalTime: string }
    }
    expect(SystemTimeObject).toMatchObject({ VIIDServerID: VIID.serverId, TimeMode: '1' })
    expect(Number(passTime()) - Number(SystemTimeObject.LocalTime)).toBeLessThanOrEqual(100)
  })

  it('keeps pictures in memory for an alert of the checkpoint, and nothing that is no JPEG', async () => {
    await register()
    const sub = (...data: (string | Buffer)[]) => ({
      SubImageList: {
        SubImageInfoObject: data.map((each, index) => ({
          ImageID: String(index),
          Type: '14',
          FileFormat: 'Jpeg',
          Data: Buffer.from(each).toString('base64'),
        })),
      },
    })
    const whole = picture()
    await post(VEHICLES, vehicles(vehicle(sub(whole, 'no picture', whole.subarray(0, 200)))), asDevice)
    expect(JSON.stringify(records)).not.toContain(whole.toString('base64').slice(0, 40))
    const alert = {
      kind: 'alert',
      alertId: 'a',
      deviceId: 'gate',
      deviceKind: 'checkpoint',
      evidenceIds: [],
    } as unknown as JournalRecord
    const other = { ...alert, deviceId: 'elsewhere' } as JournalRecord
    const linked = intake.withPictures([alert, other])
    expect(linked.pictures).toHaveLength(1)
    expect(linked.pictures[0]!.jpeg.equals(whole)).toBe(true)
    expect(linked.records[0]).toMatchObject({ evidenceIds: [linked.pictures[0]!.evidenceId] })
    expect(linked.records[1]).toEqual(other)
  })

  it('names the setting when its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const second = new Intake(world.options({ viid: { ...VIID, port } }))
    await expect(second.start()).rejects.toThrow(/intake\.viid\.port/)
    await second.close()
    taken.close()
  })
})
