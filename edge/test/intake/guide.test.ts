/** Runs the examples of docs/guide/devices.md with the real clients: mosquitto_pub and curl. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { PassageRecord, ReadingRecord } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { loadEdgeConfig } from '../../src/config.ts'
import { Intake } from '../../src/intake/intake.ts'
import { type IntakeWorld, intakeWorld } from '../support/intake-options.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const GUIDE = readFileSync(join(ROOT, 'docs/guide/devices.md'), 'utf8')
const run = promisify(execFile)

function blocks(language: string): string[] {
  return [...GUIDE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text!)
}

let world: IntakeWorld
let intake: Intake
let file: string

beforeAll(async () => {
  world = intakeWorld()
  file = join(world.dataDir, 'edge.yaml')
  writeFileSync(file, blocks('yaml')[0]!.replace('dataDir: var/edge-wenfeng-01', `dataDir: ${world.dataDir}`))
  const { intake: settings, checkpoints, sensors, mappings } = loadEdgeConfig(file)
  const local = { host: '127.0.0.1', port: 0 }
  intake = new Intake(
    world.options({
      ...settings,
      ...local,
      viid: { ...settings.viid!, ...local },
      checkpoints,
      sensors,
      mappings,
    }),
  )
  await intake.start()
})
afterAll(async () => {
  await intake.close()
  world.remove()
})

/** A block of the guide, against this intake and this checkout. */
async function example(index: number): Promise<string> {
  const script = blocks('sh')
    [index]!.replaceAll('-p 1883', `-p ${intake.port}`)
    .replaceAll(':8120', `:${intake.viidPort}`)
    .replaceAll('npm run edge --', `'${process.execPath}' edge/src/main.ts`)
    .replaceAll('edge.yaml', file)
  const env = { ...process.env, EDGE: '127.0.0.1', no_proxy: '127.0.0.1' }
  return (await run('bash', ['-ec', script], { cwd: ROOT, env })).stdout
}

describe('the guide for devices', () => {
  it('brings a passage and a reading by mosquitto_pub', async () => {
    await example(0)
    const [passage, reading] = world.records as [PassageRecord, ReadingRecord]
    expect(passage).toMatchObject({ kind: 'passage', deviceId: 'east-gate', lane: 1, speedKmh: 52 })
    expect(passage.timing, 'its time is now').toBeUndefined()
    expect(passage.plateHash).toMatch(/^[0-9a-f]{64}$/)
    expect(reading).toMatchObject({ kind: 'reading', deviceId: 'river-03', value: 3.25, unit: 'm' })
  })

  it('registers and brings a passage by curl --digest', async () => {
    const answers = await example(1)
    expect(answers).toContain('"StatusString":"OK"')
    expect(answers).toContain('"SystemTimeObject"')
    const passage = world.records.at(-1) as PassageRecord
    expect(passage).toMatchObject({ kind: 'passage', deviceId: 'east-gate', lane: 2 })
    expect(passage.plateHash, '无车牌 is no plate').toBeUndefined()
  })

  it('sets limits and directions', () => {
    const block = blocks('yaml').find((text) => text.includes('speeding'))!
    const { checkpoints } = parse(block) as { checkpoints: unknown[] }
    writeFileSync(
      `${file}.limits`,
      stringify({ ...parse(readFileSync(file, 'utf8')), checkpoints, intake: {}, mappings: [] }),
    )
    const [checkpoint] = loadEdgeConfig(`${file}.limits`).checkpoints
    expect(checkpoint!.traffic.speeding!.limits.map(({ limitKmh }) => limitKmh)).toEqual([60, 80, 60])
    expect(checkpoint!.traffic.wrongWay!.lanes).toEqual([{ lane: 1, wrongDirections: ['2'] }])
  })

  it('shows what a mapping makes of a message, and what was refused', async () => {
    expect(await example(2)).toBe(blocks('text')[0])
    expect(await example(3)).toBe('')
  })

  it('shows a broker of a site that the configuration takes', () => {
    const text = readFileSync(file, 'utf8').replace(/^intake:\n/m, blocks('yaml')[1]!)
    const withBroker = join(world.dataDir, 'with-broker.yaml')
    writeFileSync(withBroker, text)
    writeFileSync(join(world.dataDir, 'site-broker.password'), 'word')
    writeFileSync(join(world.dataDir, 'site-ca.pem'), 'pem')
    expect(loadEdgeConfig(withBroker).intake.brokers).toMatchObject([{ password: 'word', ca: 'pem' }])
  })
})
