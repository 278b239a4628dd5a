import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { describeSettings, loadConfig } from '../src/config.ts'
import { HubError } from '../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'patrolhub-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

function yaml(text: string): string {
  const file = join(folder, `${Math.random()}.yaml`)
  writeFileSync(file, text)
  return file
}

function problemsOf(env: Record<string, string>, file?: string): readonly string[] {
  try {
    loadConfig({ env, file })
  } catch (error) {
    expect(error).toBeInstanceOf(HubError)
    expect((error as HubError).code).toBe('HUB_CONFIG')
    return (error as HubError).details
  }
  return []
}

describe('the configuration of the hub', () => {
  it('has a default for everything that needs one, and cannot be changed afterwards', () => {
    const config = loadConfig({ env: { HOME: '/x', PATROLHUB_TLS_CERT_FILE: '' } })
    expect(config).toMatchObject({ httpPort: 8440, mqttPort: 1884, rootScope: '4105', timeseries: 'duckdb' })
    expect(config.tlsCertFile).toBeUndefined()
    expect(() => {
      ;(config as { httpPort: number }).httpPort = 1
    }).toThrow()
  })

  it('prefers the environment to the file and the file to the default', () => {
    const file = yaml('httpPort: 9000\nmqttPort: 9001\ntrustProxy: true\n')
    const config = loadConfig({ env: { PATROLHUB_HTTP_PORT: '9100' }, file })
    expect(config).toMatchObject({ httpPort: 9100, mqttPort: 9001, trustProxy: true, sessionHours: 12 })
  })

  it('lists every problem at once, with its place and what was meant', () => {
    const file = yaml('htpPort: 1\nmqttPort: high\n')
    const problems = problemsOf(
      {
        PATROLHUB_LOG_LEVL: 'info',
        PATROLHUB_HTTP_PORT: '70000',
        PATROLHUB_ROOT_SCOPE: '41',
        PATROLHUB_TRUST_PROXY: 'yes',
        PATROLHUB_TIMESERIES: 'influxdb',
        PATROLHUB_TLS_CERT_FILE: '/nowhere/cert.pem',
      },
      file,
    )
    const told = (start: string) => problems.find((problem) => problem.startsWith(start))
    expect(told('PATROLHUB_LOG_LEVL')).toContain('did you mean PATROLHUB_LOG_LEVEL?')
    expect(told('htpPort in')).toContain('did you mean httpPort?')
    expect(told('mqttPort in')).toContain('"high"')
    expect(told('PATROLHUB_HTTP_PORT')).toContain('0 to 65535')
    expect(told('PATROLHUB_ROOT_SCOPE')).toBeDefined()
    expect(told('PATROLHUB_TRUST_PROXY')).toContain('true, false')
    expect(told('PATROLHUB_INFLUX_URL')).toContain('PATROLHUB_TIMESERIES is influxdb')
    expect(told('PATROLHUB_INFLUX_TOKEN')).toBeDefined()
    expect(told('PATROLHUB_TLS_CERT_FILE and PATROLHUB_TLS_KEY_FILE')).toBeDefined()
    expect(told('PATROLHUB_TLS_CERT_FILE: ')).toContain('ENOENT')
    expect(problems).toHaveLength(10)
  })

  it('takes every secret from a file, and says what is wrong with the file', () => {
    const file = join(folder, 'influx-token')
    writeFileSync(file, 'open-sesame\n')
    const empty = join(folder, 'empty')
    writeFileSync(empty, '\n')
    const influx = { PATROLHUB_TIMESERIES: 'influxdb', PATROLHUB_INFLUX_URL: 'http://influxdb:8086' }
    const config = loadConfig({ env: { ...influx, PATROLHUB_INFLUX_TOKEN_FILE: file } })
    expect(config.influxToken).toBe('open-sesame')
    const needed = 'PATROLHUB_INFLUX_TOKEN: needed because PATROLHUB_TIMESERIES is influxdb'
    expect(problemsOf({ ...influx, PATROLHUB_INFLUX_TOKEN_FILE: '/nowhere' })).toEqual([
      expect.stringMatching(/^PATROLHUB_INFLUX_TOKEN_FILE: ENOENT/),
      needed,
    ])
    expect(problemsOf({ ...influx, PATROLHUB_INFLUX_TOKEN_FILE: empty })).toEqual([
      `PATROLHUB_INFLUX_TOKEN_FILE: ${empty} is empty`,
      needed,
    ])
    expect(problemsOf({ ...influx, PATROLHUB_INFLUX_TOKEN: 'x', PATROLHUB_INFLUX_TOKEN_FILE: file })).toEqual(
      ['PATROLHUB_INFLUX_TOKEN and PATROLHUB_INFLUX_TOKEN_FILE: give one of them'],
    )
    // Not a secret: there is no such convention for it.
    expect(problemsOf({ PATROLHUB_HTTP_PORT_FILE: file })).toHaveLength(1)
  })

  it('asks for what another broker needs, and takes no credential in its address', () => {
    expect(problemsOf({ PATROLHUB_BROKER: 'mqtt' })).toEqual([
      'PATROLHUB_MQTT_URL: needed because PATROLHUB_BROKER is mqtt',
      'PATROLHUB_MQTT_PASSWORD: needed because PATROLHUB_BROKER is mqtt',
    ])
    const broker = { PATROLHUB_BROKER: 'mqtt', PATROLHUB_MQTT_PASSWORD: 'p' }
    for (const url of ['http://broker', 'mqtt://hub:open-sesame@broker', 'broker:1883']) {
      expect(problemsOf({ ...broker, PATROLHUB_MQTT_URL: url })).toEqual([
        'PATROLHUB_MQTT_URL: expected mqtt://host:port or mqtts://host:port, without user and password',
      ])
    }
    expect(problemsOf({ ...broker, PATROLHUB_MQTT_URL: 'mqtts://broker:8883' })).toEqual([])
  })

  it('asks for the address of PostgreSQL if that is the engine, and never repeats it', () => {
    const postgres = { PATROLHUB_RELATIONAL: 'postgres' }
    expect(problemsOf(postgres)).toEqual([
      'PATROLHUB_POSTGRES_URL: needed because PATROLHUB_RELATIONAL is postgres',
    ])
    for (const wrong of ['mysql://hub:open-sesame@db/hub', 'postgres://hub:open-sesame@db', 'open-sesame']) {
      const problems = problemsOf({ ...postgres, PATROLHUB_POSTGRES_URL: wrong })
      expect(problems).toEqual([
        expect.stringContaining('expected postgres://user:password@host:port/database'),
      ])
      expect(problems.join()).not.toContain('open-sesame')
    }
    const url = 'postgresql://hub:secret@db:5432/hub?sslmode=require'
    const config = loadConfig({ env: { ...postgres, PATROLHUB_POSTGRES_URL: url } })
    expect(config).toMatchObject({ relational: 'postgres', postgresUrl: url })
  })

  it('never repeats a secret in a problem', () => {
    const secret = 's'.repeat(2000)
    const problems = problemsOf({ PATROLHUB_INFLUX_TOKEN: secret })
    expect(problems).toHaveLength(1)
    expect(problems.join()).not.toContain('sss')
  })

  it('leaves the variables of other processes alone', () => {
    const env = { PATROLHUB_MODELS: 'x', PATROLHUB_ASSETS: 'x', PATROLHUB_CACHE: 'x', PATROLHUB_DEMO_A: 'x' }
    expect(problemsOf(env)).toEqual([])
  })

  it('says what is wrong with the file itself', () => {
    expect(problemsOf({}, '/nowhere.yaml')).toEqual([expect.stringContaining('ENOENT')])
    expect(problemsOf({}, yaml('a: [1'))).toEqual([expect.stringContaining('.yaml')])
    expect(problemsOf({}, yaml('- 1'))).toEqual([expect.stringContaining('must hold settings')])
    expect(problemsOf({}, yaml('# nothing\n'))).toEqual([])
  })

  it('describes every setting', () => {
    for (const setting of describeSettings()) {
      expect(setting.description, setting.name).toMatch(/\.$/)
      expect(setting.variable).toMatch(/^PATROLHUB_[A-Z_]+$/)
    }
  })
})
