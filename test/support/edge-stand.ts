/**
 * An edge as its own process with what it talks to: cameras that loop footage, a device, and a hub of which only the
 * cursor protocol and the evidence are played (edge/test/uplink/hub-double.ts), so that every record can be counted.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectAsync, type MqttClient } from 'mqtt'
import { stringify } from 'yaml'
import { type EdgeProcess, startEdge } from '../../edge/test/support/edge-process.ts'
import { emptyStore, HubDouble, type HubStore } from '../../edge/test/uplink/hub-double.ts'
import { type Footage, findFootage, prepareFootage } from '../simulator/footage.ts'
import { RtspCamera } from '../simulator/rtsp-camera.ts'

const TOKEN = 'the-token-of-the-bench'
const STARTS_IN_MS = 60_000

const EVERYWHERE = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
]

export interface EdgeStand {
  hub: HubDouble
  store: HubStore
  /** Ids of the evidence that has come. */
  uploads: ReadonlySet<string>
  cameras: readonly RtspCamera[]
  start(): EdgeProcess
  /** Resolves with the port for devices when the edge works. */
  started(edge: EdgeProcess): Promise<number>
  device(port: number): Promise<MqttClient>
  /** Ends the hub as a crash does. */
  hubAway(): Promise<void>
  hubBack(): Promise<void>
  /** Records of this kind that have arrived, repeats left out by the protocol. */
  ofKind<T>(kind: string): T[]
  close(): Promise<void>
}

export interface StandCamera {
  /** Shown once from its beginning when the edge connects, then again and again; unless set, some footage from anywhere. */
  footage?: Footage
  /** As in an edge's file. */
  rules: readonly object[]
  /** What else its entry in the edge's file says. */
  settings?: object
}

/** A person in view nearly all the time, every alert with its evidence. */
export const BUSY: StandCamera = {
  rules: [{ kind: 'intrusion', name: 'square', severity: 'minor', cooldownSeconds: 0, zone: EVERYWHERE }],
}

/** `more` is added to the edge's file. */
export async function startEdgeStand(wanted: readonly StandCamera[], more: object = {}): Promise<EdgeStand> {
  const folder = mkdtempSync(join(tmpdir(), 'patrolhub-edge-stand-'))
  const store = emptyStore()
  let hub = await HubDouble.start({ store, token: TOKEN })
  const mqttPort = hub.port
  const uploads = new Set<string>()
  const http = createServer((request, response) => {
    request.resume().on('end', () => {
      if (request.method === 'PUT') uploads.add(request.url?.split('/').at(-1) ?? '')
      response.writeHead(request.method === 'PUT' ? 204 : 404).end()
    })
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const [anyFootage] = await findFootage()
  const cameras: RtspCamera[] = []
  for (const [index, { footage }] of wanted.entries()) {
    const { clip, fps } = await prepareFootage(footage ?? anyFootage!)
    const begin = footage ? { waitsForPlayer: true } : { startSeconds: index * 7 }
    cameras.push(new RtspCamera({ clip, fps, ...begin }))
  }
  for (const camera of cameras) await camera.start()
  const config = join(folder, 'edge.yaml')
  writeFileSync(
    config,
    stringify(
      {
        edgeId: 'edge-1',
        region: '410502',
        dataDir: 'data',
        hub: {
          url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
          mqttUrl: `mqtt://127.0.0.1:${mqttPort}`,
          token: TOKEN,
        },
        detector: { workers: 1 },
        intake: { host: '127.0.0.1', port: 0, devices: [{ deviceId: 'river', password: 'river-password' }] },
        recording: { clipBeforeSeconds: 2, clipAfterSeconds: 1 },
        healthSeconds: 1,
        sensors: [
          { sensorId: 'river', name: 'River', region: '410502003', quantity: 'water_level', unit: 'm' },
        ],
        cameras: cameras.map(({ url }, index) => ({
          cameraId: `square-${index}`,
          name: `Square ${index}`,
          region: '410502003',
          sensitivity: 'public',
          url,
          rules: wanted[index]!.rules,
          ...wanted[index]!.settings,
        })),
        ...more,
      },
      // Cameras may share their rules.
      { aliasDuplicateObjects: false },
    ),
  )
  return {
    get hub() {
      return hub
    },
    store,
    uploads,
    cameras,
    start: () => startEdge(['--config', config]),
    async started(edge) {
      const endMs = performance.now() + STARTS_IN_MS
      while (performance.now() < endMs && edge.child.exitCode === null) {
        const line = edge.logged().find(({ msg }) => msg === 'edge started')
        if (line) return Number(line.intakePort)
        await delay(20)
      }
      throw new Error(`the edge does not start: ${edge.output()}`)
    },
    async device(port) {
      const device = await connectAsync(`mqtt://127.0.0.1:${port}`, {
        clientId: 'river',
        username: 'river',
        password: 'river-password',
        reconnectPeriod: 0,
      })
      device.on('error', () => undefined)
      return device
    },
    hubAway: () => hub.kill(),
    async hubBack() {
      hub = await HubDouble.start({ store, token: TOKEN, port: mqttPort })
    },
    ofKind: <T>(kind: string) =>
      [...store.records.alerts, ...store.records.measurements].filter(
        (record) => (record as { kind: string }).kind === kind,
      ) as T[],
    async close() {
      await hub.kill()
      for (const camera of cameras) await camera.close()
      http.closeAllConnections()
      http.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
