/**
 * Makes the secrets of docker-compose.yml, each in a file of its own. Once: it refuses to overwrite, because every one
 * of them is also inside a volume afterwards. Runs on Node 20 or newer with nothing installed:
 *
 *   node docker/make-secrets.mjs [--out FOLDER] [--self-signed NAME]
 *   docker run --rm -v "$PWD/docker:/docker" node:24-bookworm-slim node /docker/make-secrets.mjs
 *
 * `--self-signed` also makes a certificate for that host name (and for the services of the compose file) with openssl,
 * to try it out: browsers warn of it, and every edge needs it as its `caFile`.
 */
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, pbkdf2Sync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(import.meta.dirname, 'secrets') },
    'self-signed': { type: 'string' },
  },
})

/** 32 random bytes that need no escaping in an address or a configuration file. */
const secret = () => randomBytes(32).toString('base64url')

const allow = (acltype, topic) => ({ acltype, topic, allow: true })

/** Users and rights of Mosquitto's dynamic-security plugin: at first only the hub, which makes those of the edges. */
function dynamicSecurity(hubPassword) {
  const salt = randomBytes(12)
  const iterations = 20_000
  const edges = 'patrolhub/v1/edges'
  return {
    defaultACLAccess: {
      publishClientSend: false,
      publishClientReceive: false,
      subscribe: false,
      unsubscribe: true,
    },
    clients: [
      {
        username: 'hub',
        textName: 'every hub',
        password: pbkdf2Sync(hubPassword, salt, iterations, 64, 'sha512').toString('base64'),
        salt: salt.toString('base64'),
        iterations,
        roles: [{ rolename: 'hub' }],
      },
    ],
    groups: [],
    roles: [
      {
        rolename: 'hub',
        acls: [
          allow('publishClientSend', `${edges}/+/down/#`),
          allow('publishClientReceive', `${edges}/#`),
          // Mosquitto compares a shared subscription with the literal rules as a whole.
          allow('subscribeLiteral', `$share/patrolhub/${edges}/+/up/#`),
          allow('subscribePattern', `${edges}/#`),
          allow('publishClientSend', '$CONTROL/dynamic-security/#'),
          allow('publishClientReceive', '$CONTROL/dynamic-security/#'),
          allow('subscribePattern', '$CONTROL/dynamic-security/#'),
        ],
      },
    ],
  }
}

function filesOf() {
  const mqtt = secret()
  const postgres = secret()
  const redis = secret()
  const plateKey = `1:${randomBytes(32).toString('hex')}`
  return {
    mqtt_password: mqtt,
    'mosquitto_dynamic_security.json': JSON.stringify(dynamicSecurity(mqtt), null, 2),
    postgres_password: postgres,
    postgres_url: `postgres://patrolhub:${postgres}@postgres:5432/patrolhub`,
    redis_password: redis,
    redis_url: `redis://:${redis}@redis:6379`,
    influx_password: secret(),
    influx_token: secret(),
    metrics_token: secret(),
    // Of what the hubs keep encrypted; all of them need the same.
    secrets_key: randomBytes(32).toString('base64'),
    // Signs what is exported: one fingerprint for all of them.
    export_key: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
    // Seals the record of who did what; all of them need the same.
    seal_key: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
    // Of plates: the first is the same on every edge, the second is version 1 of a ring that grows (`plates rotate`); an
    // edge gets one line of it.
    plate_hash_key: randomBytes(32).toString('hex'),
    plate_keys: plateKey,
    plate_key: plateKey,
    // Stays empty until `edge add` prints one; compose wants the file to be there.
    edge_token: '',
  }
}

/** Ends the process with what openssl says if it cannot. */
function selfSign(folder, host) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const names = [host, 'proxy', 'mosquitto', 'localhost'].map((name) => `DNS:${name}`).join(',')
  const made = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '365'],
      ...['-subj', `/CN=${host}`, '-addext', `subjectAltName=${names},IP:127.0.0.1`],
      ...['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')],
    ],
    { encoding: 'utf8' },
  )
  if (made.status === 0) return
  process.stderr.write(`no certificate: ${made.error?.message ?? made.stderr}\n`)
  process.exit(1)
}

const tls = join(values.out, '..', 'tls')
const files = Object.entries(filesOf())
const there = files.filter(([name]) => existsSync(join(values.out, name))).map(([name]) => name)
if (values['self-signed'] !== undefined && existsSync(join(tls, 'key.pem'))) there.push('../tls/key.pem')
if (there.length > 0) {
  process.stderr.write(
    `${values.out} holds ${there.join(', ')} already, and what was started with them knows no others: nothing was made\n`,
  )
  process.exit(1)
}
// Everybody's in the container, whoever that is there; the folder keeps others on this machine out.
mkdirSync(values.out, { recursive: true, mode: 0o700 })
for (const [name, content] of files)
  writeFileSync(join(values.out, name), content, { mode: 0o644, flag: 'wx' })
if (values['self-signed'] !== undefined) selfSign(tls, values['self-signed'])
process.stdout.write(
  `${files.length} secrets are in ${values.out}; keep a copy where only you can reach it\n`,
)
