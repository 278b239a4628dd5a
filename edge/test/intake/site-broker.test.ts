import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PassageRecord } from '@patrolhub/protocol'
import { connectAsync } from 'mqtt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../test/support/free-port.ts'
import { findMosquitto } from '../../../test/support/mosquitto.ts'
import { untilAnswers } from '../../../test/support/until-answers.ts'
import { Intake } from '../../src/intake/intake.ts'
import { type IntakeWorld, intakeWorld, passTime } from '../support/intake-options.ts'
import { waitFor } from '../support/wait.ts'

const program = findMosquitto()
const run = promisify(execFile)
const PATH = `${process.env.PATH}:/usr/sbin`

let world: IntakeWorld
let intake: Intake
let broker: ChildProcess
let port: number
let folder: string

/** A broker of a site: TLS with an authority of its own, a user who may only read. */
async function startBroker(): Promise<void> {
  broker = spawn(program!, ['-c', join(folder, 'mosquitto.conf')], {
    stdio: 'ignore',
    env: { ...process.env, PATH },
  })
  await untilAnswers(broker, port, 'mosquitto', () => '')
}

async function stopBroker(): Promise<void> {
  const exited = once(broker, 'exit')
  broker.kill('SIGKILL')
  await exited
}

async function publish(topic: string, message: object, more: object = {}): Promise<void> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    ...{
      username: 'maker',
      password: 'maker-word',
      reconnectPeriod: 0,
      protocol: 'mqtts',
      rejectUnauthorized: false,
    },
  })
  await client.publishAsync(topic, JSON.stringify(message), { qos: 1, ...more })
  await client.endAsync()
}

async function makeCertificate(): Promise<void> {
  const at = (name: string) => join(folder, name)
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...[
      '-subj',
      '/CN=site',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      at('key.pem'),
      '-out',
      at('ca.pem'),
    ],
  ])
}

beforeEach(async () => {
  world = intakeWorld()
  folder = join(world.dataDir, 'broker')
  mkdirSync(folder)
  port = await freePort()
  await makeCertificate()
  await run('mosquitto_passwd', ['-b', '-c', join(folder, 'users'), 'edge', 'edge-word'], {
    env: { ...process.env, PATH },
  })
  await run('mosquitto_passwd', ['-b', join(folder, 'users'), 'maker', 'maker-word'], {
    env: { ...process.env, PATH },
  })
  writeFileSync(join(folder, 'acl'), 'user maker\ntopic write site/#\nuser edge\ntopic read site/#\n')
  writeFileSync(
    join(folder, 'mosquitto.conf'),
    [
      ...[
        `listener ${port} 127.0.0.1`,
        `certfile ${folder}/ca.pem`,
        `keyfile ${folder}/key.pem`,
        'user root',
      ],
      ...[`password_file ${folder}/users`, `acl_file ${folder}/acl`, 'allow_anonymous false'],
      ...['persistence true', `persistence_location ${folder}/`, 'autosave_interval 1', ''],
    ].join('\n'),
  )
  await startBroker()
})
afterEach(async () => {
  await intake.close()
  await stopBroker()
  world.remove()
})

async function startIntake(overrides: { ca?: string } = {}): Promise<void> {
  const ca = overrides.ca ?? readFileSync(join(folder, 'ca.pem'), 'utf8')
  intake = new Intake(
    world.options({
      brokers: [
        {
          ...{
            url: `mqtts://127.0.0.1:${port}`,
            clientId: 'edge-1',
            username: 'edge',
            password: 'edge-word',
            ca,
          },
          topics: [
            { topic: 'site/lane/1', deviceId: 'gate' },
            { topic: 'site/level', deviceId: 'river' },
          ],
        },
      ],
    }),
  )
  await intake.start()
}

const lanes = () => (world.records as PassageRecord[]).map(({ lane }) => lane)
const passage = (lane: number) => ({ PassTime: passTime(), LaneNo: lane })

describe.skipIf(!program)("a site's own broker (Mosquitto, TLS)", () => {
  it('is read by topic; what came while the edge was away, or could not be journalled, comes after', async () => {
    await startIntake()
    await waitFor('it is connected', () => intake.isConnected('gate'))
    await publish('site/lane/1', passage(1))
    await publish('site/lane/2', passage(9))
    await publish('site/level', { quantity: 'water_level', value: '2.5' })
    await waitFor('both have come', () => world.records.length === 2)
    expect(world.records).toMatchObject([
      { kind: 'passage', deviceId: 'gate', lane: 1 },
      { kind: 'reading', deviceId: 'river', value: 2.5 },
    ])
    await intake.close()
    expect(intake.isConnected('gate')).toBe(false)
    world.records.length = 0
    await publish('site/lane/1', passage(2))
    world.appendFails = true
    await startIntake()
    await waitFor('it was refused once', () =>
      world.logged.some((line) => line.includes('could not be kept')),
    )
    expect(world.records).toEqual([])
    world.appendFails = false
    await waitFor('it is sent again', () => world.records.length > 0)
    expect(lanes()).toEqual([2])
  })

  it('that goes away is connected to again, and a retained message is no news', async () => {
    await publish('site/lane/1', passage(7), { retain: true })
    await startIntake()
    await waitFor('it is connected', () => intake.isConnected('gate'))
    await publish('site/lane/1', passage(1))
    await waitFor('it has come', () => world.records.length === 1)
    await stopBroker()
    await waitFor('the loss is seen', () => !intake.isConnected('gate'))
    await startBroker()
    await waitFor('it is connected again', () => intake.isConnected('gate'))
    await publish('site/lane/1', passage(3))
    await waitFor('it goes on', () => lanes().includes(3))
    expect(lanes()).toEqual([1, 3])
  })

  it('with a certificate of another authority is not believed, and the reason is in the log', async () => {
    await makeCertificate()
    await startIntake({ ca: readFileSync(join(folder, 'ca.pem'), 'utf8') })
    await waitFor('it is told', () =>
      world.logged.some((line) => line.includes('site broker cannot be reached')),
    )
    expect(intake.isConnected('gate')).toBe(false)
    expect(world.logged.join()).not.toContain('edge-word')
  })
})
