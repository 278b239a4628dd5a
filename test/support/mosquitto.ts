/**
 * A private Mosquitto of the Debian package on a free port and in a temporary folder, with the configuration and the
 * first users of docker/, so that what is tested is what is delivered. It can be killed and started again.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from './free-port.ts'
import { untilAnswers } from './until-answers.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** Where Debian has the plugin; the path in docker/ is that of the image. */
const PLUGIN = '/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so'

export interface Mosquitto {
  port: number
  readonly pid: number
  url: string
  /** Of the user `hub`. */
  password: string
  kill(): Promise<void>
  start(): Promise<void>
  /** Everything that it said. */
  output(): string
  close(): Promise<void>
}

/** `undefined` where it is not installed. */
export function findMosquitto(): string | undefined {
  const { stdout } = spawnSync('sh', ['-c', 'PATH=$PATH:/usr/sbin command -v mosquitto'], {
    encoding: 'utf8',
  })
  return stdout.trim() || undefined
}

export async function startMosquitto(program: string): Promise<Mosquitto> {
  const folder = mkdtempSync(join(tmpdir(), 'patrolhub-mosquitto-'))
  const port = await freePort()
  execFileSync(process.execPath, [join(ROOT, 'docker/make-secrets.mjs'), '--out', join(folder, 'secrets')])
  const users = join(folder, 'data', 'dynamic-security.json')
  mkdirSync(join(folder, 'data'))
  copyFileSync(join(folder, 'secrets', 'mosquitto_dynamic_security.json'), users)
  chmodSync(users, 0o600)
  const file = join(folder, 'mosquitto.conf')
  writeFileSync(file, configuration(folder, port))
  // Started by root it becomes this user, who has to write here.
  if (process.getuid?.() === 0) {
    const id = (flag: string) => Number(spawnSync('id', [flag, 'mosquitto'], { encoding: 'utf8' }).stdout)
    for (const path of [folder, join(folder, 'data'), users]) chownSync(path, id('-u'), id('-g'))
  }
  let child: ChildProcess
  let output = ''
  async function start(): Promise<void> {
    child = spawn(program, ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-100_000)
      })
    }
    await untilAnswers(child, port, 'mosquitto', () => output)
  }
  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  await start()
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    password: readFileSync(join(folder, 'secrets', 'mqtt_password'), 'utf8'),
    get pid() {
      return child.pid!
    },
    start,
    kill,
    output: () => output,
    async close() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The delivered one, without the TLS listener and with other places. */
function configuration(folder: string, port: number): string {
  const delivered = readFileSync(join(ROOT, 'docker/mosquitto/mosquitto.conf'), 'utf8')
  return delivered
    .replace(/^(listener 8883|certfile|keyfile|tls_version).*\n/gm, '')
    .replace('listener 1883', `listener ${port} 127.0.0.1`)
    .replace(/^plugin .*$/m, `plugin ${PLUGIN}`)
    .replaceAll('/mosquitto/data', join(folder, 'data'))
}
