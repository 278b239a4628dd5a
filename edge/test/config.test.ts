import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeConfig, loadEdgeConfig, parseEdgeConfig } from '../src/config.ts'
import { EdgeError } from '../src/errors.ts'

const EXAMPLE = fileURLToPath(new URL('../edge.example.yaml', import.meta.url))
const MINIMAL = `
edgeId: e1
region: "410502"
hub: { url: "http://127.0.0.1:1", mqttUrl: "mqtt://127.0.0.1:2", token: "0123456789abcdef" }
`

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const parse = (text: string) => parseEdgeConfig(text, { file: join(folder, 'edge.yaml') })

function problemsIn(text: string): readonly string[] {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof EdgeError && error.code === 'EDGE_CONFIG') return error.details
    throw error
  }
  return []
}

describe('the configuration of an edge', () => {
  it('is shown by the example file, which is accepted', () => {
    const config = loadEdgeConfig(EXAMPLE)
    expect(config.cameras[0]?.rules[0]).toMatchObject({ kind: 'intrusion', zone: { length: 4 } })
    expect(config.intake.devices[0]).toMatchObject({ username: 'checkpoint-east-gate' })
  })

  it('fills in every default, makes paths absolute and is frozen', () => {
    const config = parse(MINIMAL)
    expect(config).toMatchObject({
      dataDir: join(folder, 'var/edge'),
      detector: { model: 'auto', modelFolders: [] },
      intake: { port: 1883, devices: [] },
      healthSeconds: 60,
      cameras: [],
    })
    expect(Object.isFrozen(config.detector)).toBe(true)
  })

  it('lists every problem at once, each with its place', () => {
    const problems = problemsIn(`
edgeId: a b
region: "410502"
detectr: {}
hub: { url: "ftp://x", mqttUrl: "mqtt://x", token: short, tokenFile: x }
intake: { devices: [{ deviceId: nobody, password: long-enough }] }
cameras:
  - { cameraId: c, name: x, region: "4106", sensitivity: open, url: "http://x",
      rules: [{ kind: loiter }, { kind: running, name: r, zone: [[0,0],[1,0],[1,1]], severity: info, minSeconds: 99,
        schedule: [{ days: [mo], from: "22:00", to: "22:00", timeZone: Mars/Base }] },
        { kind: line-crossing, name: l, severity: info, line: [[0.1, 0.1], [0.1, 0.1]] }, { kind: intrusion, name: z, zone: [[0, 2], [1, 1]], severity: big }] }
checkpoints:
  - checkpointId: k
    name: k
    region: "410502"
    lanes: 2
    traffic:
      speeding: { limits: [{ limitKmh: 60 }, { limitKmh: 40, classes: [H], lanes: [3] }] }
      wrongWay: { lanes: [{ lane: 1, wrongDirections: [a] }, { lane: 1, wrongDirections: [b] }] }
sensors: [{ sensorId: c, region: "410502", name: s, unit: m, quantity: Level }]
`)
    for (const [place, word] of [
      ['edgeId', 'pattern'],
      ['detectr', 'is detector meant'],
      ['hub/url', 'pattern'],
      ['hub/token', 'not shown'],
      ['hub', 'not both'],
      ['intake/devices/0/deviceId', 'nobody'],
      ['cameras/0/region', 'outside'],
      ['cameras/0/sensitivity', 'restricted'],
      ['cameras/0/url', 'rtsps'],
      ['cameras/0/rules/0/kind', 'intrusion'],
      ['cameras/0/rules/1/minSeconds', '99'],
      ['cameras/0/rules/1/schedule/0/days/0', 'pattern'],
      ['cameras/0/rules/1/schedule/0', 'begins and ends at 22:00'],
      ['cameras/0/rules/1/schedule/0/timeZone', 'Mars/Base'],
      ['cameras/0/rules/2/line', 'both points are the same'],
      ['cameras/0/rules/3/zone', 'at least 3'],
      ['cameras/0/rules/3/severity', 'critical'],
      ['checkpoints/0/traffic/speeding/limits/1', 'never applies'],
      ['checkpoints/0/traffic/wrongWay/lanes/1/lane', 'named twice'],
      ['checkpoints/0/traffic', 'no lane 3'],
      ['sensors/0/quantity', 'pattern'],
      ['sensors/0/sensorId', 'already the id of cameras/0'],
    ] as const) {
      expect(
        problems.some((problem) => problem.startsWith(`${place}: `) && problem.includes(word)),
        `${place} … ${word} in\n${problems.join('\n')}`,
      ).toBe(true)
    }
    expect(problems.join(), 'a secret is never shown').not.toContain('"short"')
  })

  it('shows no secret that stands at a wrong place', () => {
    const problems = problemsIn(`
edgeId: e
region: "410502"
hub: [secret-1]
intake: { devices: { deviceId: d, password: secret-2 } }
cameras:
  - { cameraId: c, name: x, region: "410502", sensitivity: public, url: "http://admin:secret-3@10.0.0.7/one" }
  - rtsp://admin:secret-4-is-so-long-that-the-address-is-cut-off-before-its-end@10.0.0.8/two
`)
    for (const place of ['hub', 'intake/devices', 'cameras/0/url', 'cameras/1'])
      expect(problems.join('\n')).toContain(`${place}: `)
    expect(problems.join('\n')).not.toContain('secret-')
  })

  it('reads secrets from files and says which file it could not read', () => {
    writeFileSync(join(folder, 'token'), 'a-token-from-a-file\n')
    writeFileSync(join(folder, 'hash.key'), `${'ab'.repeat(32)}\n`)
    writeFileSync(join(folder, 'cipher.key'), `7:${'cd'.repeat(32)}\n`)
    const text = MINIMAL.replace('token: "0123456789abcdef"', 'tokenFile: token')
    const config = parse(`${text}\nplates: { hashKeyFile: hash.key, cipherKeyFile: cipher.key }`)
    expect(config.hub.token).toBe('a-token-from-a-file')
    expect(config.plates.hashKey).toHaveLength(32)
    expect(config.plates.cipherKey).toMatchObject({ version: 7 })

    expect(problemsIn(text.replace('tokenFile: token', 'tokenFile: missing'))[0]).toMatch(
      /^hub\/tokenFile: cannot be read/,
    )
    writeFileSync(join(folder, 'hash.key'), 'too short')
    expect(problemsIn(`${MINIMAL}\nplates: { hashKeyFile: hash.key }`)[0]).toMatch(
      /^plates\/hashKeyFile: .*64/,
    )
  })

  it('refuses a file that is missing, is not YAML or holds something else', () => {
    expect(() => loadEdgeConfig(join(folder, 'none.yaml'))).toThrow(EdgeError)
    expect(problemsIn('a: [')[0]).toContain('not YAML')
    expect(problemsIn('- 1')[0]).toContain('group of settings')
  })

  it('answers arbitrary values with problems, never with another error', () => {
    const keys = [
      'edgeId',
      'region',
      'hub',
      'detector',
      'intake',
      'cameras',
      'checkpoints',
      'sensors',
      'plates',
    ]
    const settings = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue())
    fc.assert(fc.property(settings, (value) => problemsIn(JSON.stringify(value)).length > 0))
  })
})

describe('the reference of the settings', () => {
  it('has one row a setting, with a meaning, a unit where one is needed and no default for secrets', () => {
    const rows = describeConfig()
    expect(new Set(rows.map((row) => row.path)).size).toBe(rows.length)
    for (const row of rows) expect(row.description, row.path).not.toBe('')
    expect(rows.find((row) => row.path === 'cameras[].rules[intrusion].minSeconds')).toMatchObject({
      unit: 's',
      default: '0.5',
    })
    expect(rows.filter((row) => row.isSecret).map((row) => row.path)).toEqual([
      'hub.token',
      'intake.devices[].password',
    ])
  })
})
