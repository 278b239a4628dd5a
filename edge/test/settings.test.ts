/** Settings from the hub: a whole edge, a real broker and a hub that has them. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { edgeTopics } from '@patrolhub/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { EdgeApp } from '../src/app.ts'
import { edgeEnvironment, loadEdgeConfig } from '../src/config.ts'
import type { EdgeError } from '../src/errors.ts'
import { type HubSettings, SettingsFile } from '../src/settings/settings-file.ts'
import { realModel } from './detect/real-input.ts'
import { readableLog } from './support/camera.ts'
import { waitFor } from './support/wait.ts'
import { emptyStore, HubDouble } from './uplink/hub-double.ts'

const TOKEN = 'the-token-of-edge-1'

let folder: string
let hub: HubDouble
let http: Server
let offered: HubSettings | undefined
let asked = 0
let apps: EdgeApp[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-settings-'))
  hub = await HubDouble.start({ store: emptyStore(), token: TOKEN })
  offered = undefined
  asked = 0
  apps = []
  http = createServer((request, response) => {
    asked += 1
    // The first try fails, as it does on a bad line.
    if (request.url !== '/api/edge/settings' || asked === 1) response.writeHead(503).end()
    else response.end(JSON.stringify(offered))
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
})
afterEach(async () => {
  await Promise.all(apps.map((app) => app.close()))
  await hub.kill()
  http.closeAllConnections()
  http.close()
  await rm(folder, { recursive: true, force: true })
})

const camera = (cameraId: string) => ({
  cameraId,
  name: `Camera ${cameraId}`,
  region: '410502003',
  sensitivity: 'public',
  url: 'rtsp://viewer:a-secret@127.0.0.1:1/none',
})

const path = () => join(folder, 'edge.yaml')
const configWith = (settings: HubSettings | undefined) => loadEdgeConfig(path(), settings?.document)

async function writeFileOf(more: object = {}): Promise<void> {
  const { port } = http.address() as AddressInfo
  const own = {
    edgeId: 'edge-1',
    region: '410502',
    dataDir: 'data',
    hub: { url: `http://127.0.0.1:${port}`, mqttUrl: `mqtt://127.0.0.1:${hub.port}`, token: TOKEN },
    intake: { host: '127.0.0.1', port: 0 },
    sensors: [{ sensorId: 'river', name: 'River', region: '410502003', quantity: 'level', unit: 'm' }],
    ...more,
  }
  await writeFile(path(), stringify(own))
}

async function startEdge(trialMs: number) {
  const file = await SettingsFile.open(join(folder, 'data'))
  const { log, text } = readableLog()
  const failures: EdgeError[] = []
  const app = new EdgeApp({
    config: configWith(file.applied),
    environment: edgeEnvironment(),
    settings: { file, configWith, trialMs },
    log,
    onFailure: (error) => failures.push(error),
  })
  apps.push(app)
  await app.start()
  await waitFor('a hello', () => hub.hellos.length > 0)
  return { app, text, failures }
}

function offer(version: number, document: string): void {
  offered = { version, document }
  hub.send(edgeTopics.settings('edge-1'), JSON.stringify({ version }))
}

const reported = () => hub.hellos.at(-1)?.settings
const reportOf = (version: number, state: string) =>
  waitFor(`${version} ${state}`, () => reported()?.version === version && reported()?.state === state, {
    seen: () => JSON.stringify(reported()),
  })

describe("the hub's settings", () => {
  it('are applied, told, kept over a restart, and changed again', async () => {
    await writeFileOf()
    const { app } = await startEdge(50)
    expect(reported()).toBeUndefined()
    offer(1, 'sensors: [{ sensorId: river, name: River at the bridge }]')
    await reportOf(1, 'applied')
    expect(hub.hellos.at(-1)!.sensors).toMatchObject([{ name: 'River at the bridge', unit: 'm' }])
    await app.close()
    hub.hellos.length = 0
    await startEdge(50)
    expect(hub.hellos[0]).toMatchObject({
      settings: { version: 1, state: 'applied', problems: [] },
      sensors: [{ name: 'River at the bridge' }],
    })
    offer(2, '')
    await reportOf(2, 'applied')
    expect(hub.hellos.at(-1)!.sensors).toMatchObject([{ name: 'River' }])
  })

  it('that do not fit are refused with every problem and its place, and nothing changes', async () => {
    await writeFileOf()
    await startEdge(50)
    offer(
      1,
      'sensors: [{ sensorId: river, unit: 7 }]\nhub: { token: another-token-of-an-edge }\ndataDir: /tmp',
    )
    await reportOf(1, 'refused')
    expect(reported()!.problems).toEqual([
      "(hub) hub: is set in the edge's own file only",
      "(hub) dataDir: is set in the edge's own file only",
      expect.stringMatching(/^sensors\/0\/unit: must be string, is 7 \(unit of the readings\)/),
    ])
    offer(2, '{')
    await reportOf(2, 'refused')
    expect(reported()!.problems[0]).toContain('is not YAML')
    expect(hub.hellos.at(-1)!.sensors).toMatchObject([{ name: 'River' }])
  })

  it('that do not start are taken back', async () => {
    await realModel('centernet')
    await writeFileOf({ cameras: [camera('cam-a')] })
    const { failures } = await startEdge(50)
    offer(1, 'detector: { model: no-such-model }\nsensors: [{ sensorId: river, name: Other }]')
    await reportOf(1, 'refused')
    expect(reported()!.problems[0]).toContain('no-such-model')
    expect(hub.hellos.at(-1)).toMatchObject({
      cameras: [{ cameraId: 'cam-a' }],
      sensors: [{ name: 'River' }],
      detector: { id: expect.any(String) },
    })
    expect(failures).toEqual([])
  })

  it('touch only what they change, and never carry a secret of the file away', async () => {
    await realModel('centernet')
    await writeFileOf({ cameras: [camera('cam-a'), camera('cam-b')] })
    const { app, text } = await startEdge(50)
    const { intakePort } = app
    const rule = '{ kind: covered, name: camera, severity: major }'
    offer(1, `healthSeconds: 30\ncameras: [{ cameraId: cam-b, rules: [${rule}] }]`)
    await reportOf(1, 'applied')
    expect(text()).toMatch(/"touched":\["cam-b"\]/)
    expect(app.intakePort).toBe(intakePort)
    expect(JSON.stringify(hub.hellos)).not.toContain('a-secret')
  })

  it('that were being tried when the edge ended are not tried again', async () => {
    await writeFileOf()
    const file = await SettingsFile.open(join(folder, 'data'))
    await file.keep({ version: 3, document: 'healthSeconds: 30' })
    await file.try({ version: 4, document: 'healthSeconds: 31' })
    await startEdge(50)
    expect(reported()).toEqual({
      version: 4,
      state: 'refused',
      problems: ['the edge ended while it tried them'],
    })
    expect((await SettingsFile.open(join(folder, 'data'))).applied?.version).toBe(3)
    // Offered again, as a hub does that has not heard: told again, not tried.
    const hellos = hub.hellos.length
    offer(4, 'healthSeconds: 31')
    await waitFor('another hello', () => hub.hellos.length > hellos)
    expect(asked).toBe(0)
  })
})

describe('a file that is read again', () => {
  it('touches nothing if it is the same, and is refused where a restart is needed', async () => {
    await writeFileOf()
    const { app } = await startEdge(50)
    expect(await app.apply(configWith(undefined))).toEqual([])
    await writeFileOf({ edgeId: 'edge-2' })
    const other = configWith(undefined)
    await expect(app.apply(other)).rejects.toMatchObject({ code: 'EDGE_RESTART_NEEDED' })
  })

  it('takes a new key of plates without a restart', async () => {
    const key = join(folder, 'plate-key')
    const plates = { cipherKeyFile: key }
    await writeFile(key, `1:${'a1'.repeat(32)}`)
    await writeFileOf({ plates })
    const { app } = await startEdge(50)
    await writeFile(key, `2:${'b2'.repeat(32)}\n`)
    expect(await app.apply(configWith(undefined))).toEqual(['devices'])
    await writeFile(key, 'no key')
    expect(() => configWith(undefined)).toThrow(expect.objectContaining({ code: 'EDGE_CONFIG' }))
  })
})
