/** An intake with one checkpoint and one sensor, whose journal is a list. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JournalRecord } from '@patrolhub/protocol'
import { pino } from 'pino'
import type { TrafficConfig } from '../../src/config/traffic-schema.ts'
import type { CheckpointConfig, SensorConfig } from '../../src/config.ts'
import type { IntakeOptions } from '../../src/intake/intake.ts'

export const HASH_KEY = Buffer.alloc(32, 1)
export const CIPHER_KEY = Buffer.alloc(32, 2)
export const TOKEN = 'token-of-the-edge'

/** What a checkpoint's file has unless it says something else. */
export const TRAFFIC: TrafficConfig = {
  queue: { isOn: true, share: 0.4, minSeconds: 60, severity: 'minor' },
  blockedLane: { isOn: true, minSeconds: 180, severity: 'minor' },
}

const common = {
  region: '410502003',
  rule: { threshold: 0.7, severity: 'minor', cooldownSeconds: 60, warmUpValues: 20 },
  silence: { isOn: true, minSeconds: 600, severity: 'minor' },
} as const

export const CHECKPOINT: CheckpointConfig = {
  ...common,
  checkpointId: 'gate',
  name: 'Gate',
  lanes: 2,
  timeZone: '+08:00',
  flowWindowSeconds: 60,
  traffic: TRAFFIC,
}
export const SENSOR: SensorConfig = {
  ...common,
  sensorId: 'river',
  name: 'River',
  quantity: 'water_level',
  unit: 'm',
  resolution: 0,
}
/** 20-digit DeviceID of the checkpoint `gate`. */
export const VIID_ID = '41050200001190000001'

/** What an intake has done to the world around it. */
export interface IntakeWorld {
  dataDir: string
  records: JournalRecord[]
  logged: string[]
  /** While true, the journal refuses. */
  appendFails: boolean
  options: (overrides?: Partial<IntakeOptions>) => IntakeOptions
  remove: () => void
}

export function intakeWorld(): IntakeWorld {
  const dataDir = mkdtempSync(join(tmpdir(), 'patrolhub-intake-'))
  const world: IntakeWorld = {
    dataDir,
    records: [],
    logged: [],
    appendFails: false,
    remove: () => rmSync(dataDir, { recursive: true, force: true }),
    options: (overrides = {}) => ({
      host: '127.0.0.1',
      port: 0,
      maxMessageBytes: 64 * 1024,
      devices: [
        { deviceId: 'gate', username: 'gate-user', password: 'gate-password', viidDeviceId: VIID_ID },
        { deviceId: 'river', username: 'river', password: 'river-password' },
      ],
      brokers: [],
      timing: { orderSeconds: 0, lateSeconds: 120, futureSeconds: 30 },
      quarantine: { maxMegabytes: 1, keepHours: 72 },
      pictures: { isOn: true, maxMegabytes: 8, keepSeconds: 60 },
      checkpoints: [CHECKPOINT],
      sensors: [SENSOR],
      mappings: [],
      plates: { hashKey: HASH_KEY, cipherKey: { version: 3, key: CIPHER_KEY } },
      dataDir,
      secret: TOKEN,
      append: async (added) => {
        if (world.appendFails) throw new Error('the disk is full')
        world.records.push(...added)
      },
      log: pino({ level: 'debug' }, { write: (line: string) => void world.logged.push(line) }),
      ...overrides,
    }),
  }
  return world
}

/** `PassTime` in Beijing. */
export function passTime(atMs = Date.now()): string {
  return new Date(atMs + 8 * 3_600_000).toISOString().replace(/\D/g, '').slice(0, 14)
}
