/** The files for container engines: valid, with a health check a service, and without a secret in any of them. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseEdgeConfig } from '../../edge/src/config.ts'
import { describeSettings, loadConfig } from '../../server/src/config.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'patrolhub-compose-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Service {
  image?: string
  build?: { target: string }
  environment?: Record<string, string>
  entrypoint?: string[]
  command?: unknown
  healthcheck?: { test: string[] }
  volumes?: string[]
  secrets?: string[]
  profiles?: string[]
  depends_on?: Record<string, { condition: string }>
}
interface Compose {
  services: Record<string, Service>
  secrets: Record<string, { file: string }>
  volumes: Record<string, unknown>
}

const read = (name: string) => readFileSync(join(ROOT, name), 'utf8')
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const makeSecrets = (...args: string[]) =>
  spawnSync(
    process.execPath,
    [join(ROOT, 'docker/make-secrets.mjs'), '--out', join(folder, 'secrets'), ...args],
    {
      encoding: 'utf8',
    },
  )

describe('the compose files', () => {
  it.each(['docker-compose.yml', 'docker-compose.one.yml'])('%s fits the schema', (file) => {
    const found = spawnSync('docker-compose', ['version'], { encoding: 'utf8' })
    if (found.error && !process.env.CI) return
    const checked = spawnSync('docker-compose', ['-f', file, '--profile', 'edge', 'config', '-q'], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(checked.stderr).toBe('')
    expect(checked.status).toBe(0)
  })

  it('have two hubs and every engine that more than one machine needs, each with a health check', () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      ['camera', 'edge', 'hub-1', 'hub-2', 'influxdb', 'mosquitto', 'postgres', 'proxy', 'redis'].sort(),
    )
    for (const [name, service] of services) {
      expect(service.healthcheck?.test.length, name).toBeGreaterThan(1)
      for (const other of Object.keys(service.depends_on ?? {})) {
        expect(service.depends_on![other]!.condition, `${name} needs ${other}`).toBe('service_healthy')
        expect(compose.services[other], `${name} needs ${other}`).toBeDefined()
      }
    }
  })

  it('have no password in them: every one comes from a file', () => {
    for (const [name, { environment = {} }] of services) {
      for (const [variable, value] of Object.entries(environment)) {
        if (!/PASSWORD|TOKEN|SECRET|KEY|URL/.test(variable)) continue
        if (variable.endsWith('_FILE'))
          expect(value, `${name} ${variable}`).toMatch(/^\/run\/secrets\/[a-z_]+$/)
        else expect(value, `${name} ${variable}`).toMatch(/^(mqtt|http):\/\/[a-z]+:\d+$/)
      }
    }
    const named = new Set(services.flatMap(([, { secrets = [] }]) => secrets))
    expect([...named].sort()).toEqual(Object.keys(compose.secrets).sort())
    // What reads /run/secrets/X has been given X.
    for (const [name, service] of services) {
      for (const [, secret] of JSON.stringify(service).matchAll(/\/run\/secrets\/([a-z_]+)/g)) {
        expect(service.secrets, name).toContain(secret)
      }
    }
  })

  it('name volumes and files that are there', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source] = volume.split(':')
        if (source!.startsWith('.')) expect(existsSync(join(ROOT, source!)), `${name}: ${source}`).toBe(true)
        else expect(Object.keys(compose.volumes), name).toContain(source)
      }
    }
    const targets = [...read('Dockerfile').matchAll(/^FROM \S+ AS (\S+)$/gm)].map((match) => match[1])
    for (const [name, { build }] of services) if (build) expect(targets, name).toContain(build.target)
  })

  it('give the hubs settings that the hub takes', () => {
    makeSecrets()
    const settings = new Set(describeSettings().map(({ variable }) => variable))
    for (const name of ['hub-1', 'hub-2']) {
      const { environment } = compose.services[name]!
      const env = Object.fromEntries(
        Object.entries(environment!)
          .filter(([, value]) => !value.startsWith('${'))
          .map(([variable, value]) => [
            variable,
            value.replace(/^\/run\/secrets\/(.*)$/, (_, secret: string) =>
              compose.secrets[secret]!.file.replace('./docker/secrets', join(folder, 'secrets')),
            ),
          ]),
      )
      for (const variable of Object.keys(environment!)) {
        expect(settings.has(variable) || settings.has(variable.replace(/_FILE$/, '')), variable).toBe(true)
      }
      const config = loadConfig({ env })
      expect(config).toMatchObject({ broker: 'mqtt', relational: 'postgres', timeseries: 'influxdb' })
      expect(config.mqttPassword).toMatch(/^[\w-]{43}$/)
      expect(config.postgresUrl).toContain('@postgres:5432/patrolhub')
    }
  })
})

describe('the secrets', () => {
  it('are made once, all different, and never overwritten', () => {
    rmSync(join(folder, 'secrets'), { recursive: true, force: true })
    const made = makeSecrets('--self-signed', 'hub.example.org')
    expect(made.stderr).toBe('')
    const files = Object.values(compose.secrets).map(({ file }) => file.replace('./docker/', `${folder}/`))
    for (const file of files) expect(existsSync(file), file).toBe(true)
    expect(statSync(join(folder, 'secrets')).mode & 0o077).toBe(0)
    const secretIn = (name: string) => readFileSync(join(folder, 'secrets', name), 'utf8')
    const contents = () => readdirSync(join(folder, 'secrets')).map(secretIn)
    const before = contents()
    // The edge encrypts plates with the key that the hubs' ring begins with.
    expect(secretIn('plate_key')).toBe(secretIn('plate_keys'))
    expect(new Set(before).size).toBe(before.length - 1)
    const again = makeSecrets()
    expect(again.status).toBe(1)
    expect(again.stderr).toContain('postgres_password')
    expect(contents()).toEqual(before)
  })

  it('are kept out of git and out of the images', () => {
    for (const file of ['docker/secrets/postgres_password', 'docker/tls/key.pem']) {
      expect(spawnSync('git', ['check-ignore', '-q', file], { cwd: ROOT }).status, file).toBe(0)
    }
    expect(read('.dockerignore')).toMatch(/^docker\/secrets$/m)
    expect(read('.dockerignore')).toMatch(/^docker\/tls$/m)
  })
})

describe('what the containers read', () => {
  it('is an edge file that the edge takes', () => {
    const text = read('docker/edge.yaml')
      .replace('/run/secrets/edge_token', join(folder, 'secrets/mqtt_password'))
      .replace('/run/secrets/tls_cert', join(folder, 'tls/cert.pem'))
      .replace('/run/secrets/plate_hash_key', join(folder, 'secrets/plate_hash_key'))
      .replace('/run/secrets/plate_key', join(folder, 'secrets/plate_key'))
    const config = parseEdgeConfig(text, { file: join(ROOT, 'docker/edge.yaml') })
    expect(config).toMatchObject({ edgeId: 'edge-01', intake: { port: 1885 } })
    expect(config.plates).toMatchObject({ hashKey: expect.any(Buffer), cipherKey: { version: 1 } })
  })

  it('is a configuration of nginx that nginx takes', () => {
    const file = join(folder, 'nginx.conf')
    const text = read('docker/nginx/nginx.conf')
      .replaceAll(/hub-\d:8440/g, '127.0.0.1:1')
      .replace('/run/secrets/tls_cert', join(folder, 'tls/cert.pem'))
      .replace('/run/secrets/tls_key', join(folder, 'tls/key.pem'))
      .replaceAll('/tmp/nginx', join(folder, 'nginx'))
    execFileSync('sh', ['-c', 'cat > "$0"', file], { input: text })
    const nginx = spawnSync('/usr/sbin/nginx', ['-t', '-q', '-e', 'stderr', '-c', file], { encoding: 'utf8' })
    if (nginx.error && !process.env.CI) return
    expect(nginx.stderr).toBe('')
    expect(nginx.status).toBe(0)
  })
})
