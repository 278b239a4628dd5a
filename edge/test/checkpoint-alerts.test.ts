/** What single passages raise alerts for: a real device, a real broker, and a hub that goes away. */
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AlertRecord,
  deviceTopics,
  edgeTopics,
  type JournalRecord,
  type Watched,
  type WatchListForEdge,
} from '@patrolhub/protocol'
import jpeg from 'jpeg-js'
import { connectAsync, type MqttClient } from 'mqtt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { EdgeApp } from '../src/app.ts'
import { edgeEnvironment, loadEdgeConfig } from '../src/config.ts'
import { readableLog } from './support/camera.ts'
import { waitFor } from './support/wait.ts'
import { emptyStore, HubDouble } from './uplink/hub-double.ts'

const TOKEN = 'the-token-of-edge-1'
const HASH_KEY = '0f'.repeat(32)

let folder: string
let hub: HubDouble
let http: Server
let list: WatchListForEdge
let app: EdgeApp | undefined
let gate: MqttClient | undefined
const store = emptyStore()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-watch-'))
  store.records.alerts.length = 0
  hub = await HubDouble.start({ store, token: TOKEN })
  list = { sha256: '0'.repeat(64), entries: [] }
  http = createServer((_request, response) => void response.end(JSON.stringify(list)))
  await once(http.listen(0, '127.0.0.1'), 'listening')
  await writeFile(join(folder, 'hash.key'), HASH_KEY)
  await writeFile(
    join(folder, 'edge.yaml'),
    stringify({
      edgeId: 'edge-1',
      region: '410502',
      dataDir: 'data',
      hub: {
        url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
        mqttUrl: `mqtt://127.0.0.1:${hub.port}`,
        token: TOKEN,
      },
      plates: { hashKeyFile: 'hash.key' },
      intake: { host: '127.0.0.1', port: 0, devices: [{ deviceId: 'gate', password: 'gate-password' }] },
      checkpoints: [
        {
          checkpointId: 'gate',
          name: 'East Gate',
          region: '410502003',
          lanes: 2,
          traffic: {
            speeding: { limits: [{ limitKmh: 60 }] },
            wrongWay: { lanes: [{ lane: 1, wrongDirections: ['south'] }] },
          },
        },
      ],
    }),
  )
  await startEdge()
})
afterEach(async () => {
  await gate?.endAsync(true)
  await app?.close()
  await hub.kill()
  http.closeAllConnections()
  http.close()
  await rm(folder, { recursive: true, force: true })
})

async function startEdge(): Promise<void> {
  app = new EdgeApp({
    config: loadEdgeConfig(join(folder, 'edge.yaml')),
    environment: edgeEnvironment(),
    log: readableLog().log,
    onFailure: () => undefined,
  })
  await app.start()
  gate = await connectAsync(`mqtt://127.0.0.1:${app.intakePort}`, {
    username: 'gate',
    password: 'gate-password',
  })
}

const watched = (plate: string, more: Partial<Watched> = {}): Watched => ({
  entryId: randomUUID(),
  plateHash: createHmac('sha256', Buffer.from(HASH_KEY, 'hex')).update(plate).digest('hex'),
  region: '4105',
  severity: 'critical',
  reason: 'stolen vehicle',
  instruction: 'stop it',
  beginAtMs: Date.now() - 1000,
  endAtMs: Date.now() + 3_600_000,
  ...more,
})

async function offer(entries: Watched[]): Promise<void> {
  const sha256 = createHmac('sha256', 'x').update(JSON.stringify(entries)).digest('hex')
  list = { sha256, entries }
  await waitFor('the edge is there', () => hub.hellos.length > 0)
  hub.send(edgeTopics.watchlist('edge-1'), JSON.stringify({ sha256 }))
}

/** In the time of the device, as it writes it. */
function passTime(atMs = Date.now()): string {
  return new Date(atMs + 8 * 3_600_000).toISOString().replace(/[-T:]/g, '').slice(0, 14)
}

async function pass(PlateNo: string, atMs?: number, more: object = {}): Promise<void> {
  const vehicle = { LaneNo: 2, PassTime: passTime(atMs), Speed: '55', PlateNo, ...more }
  await gate!.publishAsync(deviceTopics.passages('gate'), JSON.stringify(vehicle), { qos: 1 })
}

const alertsOf = (wanted: string) =>
  (store.records.alerts as AlertRecord[]).filter(({ kind, rule }) => kind === 'alert' && rule === wanted)
const hits = () => alertsOf('watch-list')

describe('a plate that is looked for', () => {
  it('raises an alert at once, once, without the plate in it', async () => {
    await offer([
      watched('豫E12345'),
      watched('豫E99999', { region: '410503' }),
      watched('豫E77777', { endAtMs: Date.now() - 1 }),
    ])
    // The list may still be on its way.
    await waitFor('a hit', async () => {
      await pass('豫E·12345')
      return hits().length > 0
    })
    await pass('豫E12345')
    for (const other of ['豫E99999', '豫E77777', '豫E11111', '无车牌']) await pass(other)
    await pass('豫E12345', Date.now() - 3_600_000)
    await waitFor('all passages', () => store.records.measurements.length >= 7)
    expect(hits()).toHaveLength(1)
    expect(hits()[0]).toMatchObject({
      deviceId: 'gate',
      severity: 'critical',
      reason: 'A vehicle on the watch list passed East Gate in lane 2: stolen vehicle; stop it.',
      facts: { lane: 2, why: 'stolen vehicle', instruction: 'stop it' },
    })
    const text = JSON.stringify(store.records)
    expect(text).not.toContain('12345')
    expect(JSON.stringify(hits())).not.toContain(list.entries[0]!.plateHash)
  })

  it('is looked for while the hub is away, and after a restart without it', async () => {
    await offer([watched('豫E12345')])
    await waitFor('the list is in force', async () => {
      await pass('豫E12345')
      return hits().length === 1
    })
    const { port } = hub
    await hub.kill()
    await gate!.endAsync(true)
    await app!.close()
    await startEdge()
    await pass('豫E12345')
    hub = await HubDouble.start({ store, token: TOKEN, port })
    await waitFor('the hit of the time without a hub', () => hits().length === 2)
    expect(hits()[1]!.atMs).toBeLessThanOrEqual(Date.now())
  })
})

describe('traffic', () => {
  it('raises alerts with the picture of the vehicle that they are about, also while the hub is away', async () => {
    const { port } = hub
    await hub.kill()
    const pictureOf = (grey: number) =>
      jpeg.encode({ width: 16, height: 16, data: Buffer.alloc(16 * 16 * 4, grey) }, 70).data
    const withPicture = (grey: number) => ({
      SubImageList: {
        SubImageInfoObject: [{ FileFormat: 'Jpeg', Data: pictureOf(grey).toString('base64') }],
      },
    })
    const atMs = Date.now()
    await pass('豫E11111', atMs, { Speed: '62', ...withPicture(10) })
    await pass('豫E22222', atMs, { Speed: '81.5', LaneNo: 1, Direction: 'north', ...withPicture(90) })
    await pass('豫E33333', atMs + 1000, { LaneNo: 1, Direction: 'south' })
    hub = await HubDouble.start({ store, token: TOKEN, port })
    await waitFor('both alerts', () => alertsOf('speeding').length + alertsOf('wrong-way').length === 2)
    expect(alertsOf('speeding')).toMatchObject([
      { deviceId: 'gate', severity: 'minor', facts: { lane: 1, speedKmh: 81.5, limitKmh: 60 } },
    ])
    expect(alertsOf('wrong-way')).toMatchObject([{ facts: { lane: 1, direction: 'south' }, evidenceIds: [] }])
    const announced = () =>
      (store.records.alerts as JournalRecord[]).filter(({ kind }) => kind === 'evidence')
    await waitFor('the picture', () => announced().length > 0)
    expect(announced()).toMatchObject([
      {
        alertId: alertsOf('speeding')[0]!.alertId,
        sha256: createHash('sha256').update(pictureOf(90)).digest('hex'),
      },
    ])
  })
})
