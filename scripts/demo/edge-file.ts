/** Writes the configuration of the demo's edge, as an engineer would by hand, and the secrets that it names. */
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { DemoCamera } from './cameras.ts'
import { CHECKPOINTS, FLOW_WINDOW_SECONDS, SENSORS, WARM_UP_VALUES } from './devices.ts'
import { COUNTY } from './scenes.ts'

export const EDGE_ID = 'edge-demo'

export interface EdgeFileOptions {
  folder: string
  hubUrl: string
  hubMqttUrl: string
  devicePort: number
  cameras: readonly DemoCamera[]
  passwords: ReadonlyMap<string, string>
}

export const tokenFile = (folder: string) => join(folder, 'edge-token')

const PLATE_HASH_KEY = 'plate-hash-key'
const PLATE_CIPHER_KEY = 'plate-cipher-key'

/** Settings of the hub that name the keys of plates, which the edge has too: made once and kept with the data. */
export function makePlateKeys(folder: string): Record<string, string> {
  const keyFile = (name: string) => {
    const file = join(folder, name)
    if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 })
    return file
  }
  return {
    PATROLHUB_PLATE_HASH_KEY_FILE: keyFile(PLATE_HASH_KEY),
    PATROLHUB_PLATE_KEYS_FILE: keyFile(PLATE_CIPHER_KEY),
  }
}

/** Path of the file. */
export function writeEdgeFile(options: EdgeFileOptions): string {
  const { folder } = options
  const rule = { severity: 'major', threshold: 0.6, warmUpValues: WARM_UP_VALUES, cooldownSeconds: 60 }
  const settings = {
    edgeId: EDGE_ID,
    name: 'Demo edge',
    region: COUNTY,
    dataDir: 'edge',
    hub: { url: options.hubUrl, mqttUrl: options.hubMqttUrl, tokenFile: tokenFile(folder) },
    intake: {
      host: '127.0.0.1',
      port: options.devicePort,
      devices: [...options.passwords].map(([deviceId, password]) => ({ deviceId, password })),
    },
    plates: { hashKeyFile: PLATE_HASH_KEY, cipherKeyFile: PLATE_CIPHER_KEY },
    healthSeconds: 2,
    cameras: options.cameras.map(({ cameraId, scene, camera }) => ({
      cameraId,
      name: scene.name,
      region: scene.region,
      latitude: scene.latitude,
      longitude: scene.longitude,
      sensitivity: scene.sensitivity,
      url: camera.url,
      rules: scene.rules.map((each) => ({ kind: 'intrusion', ...each })),
    })),
    checkpoints: CHECKPOINTS.map(({ checkpointId, name, region, latitude, longitude, lanes }) => ({
      ...{ checkpointId, name, region, latitude, longitude, lanes },
      flowWindowSeconds: FLOW_WINDOW_SECONDS,
      // Hardly anybody of the simulated traffic is so fast.
      traffic: { speeding: { limits: [{ limitKmh: 60 }], cooldownSeconds: 300 } },
      rule,
    })),
    sensors: SENSORS.map(({ sensorId, name, region, latitude, longitude, quantity, unit }) => ({
      ...{ sensorId, name, region, latitude, longitude, quantity, unit },
      rule,
    })),
  }
  const file = join(folder, 'edge.yaml')
  const head = '# Written by `npm run demo`; docs/ref/config.md explains every setting.\n'
  writeFileSync(file, head + stringify(settings), { mode: 0o600 })
  return file
}
