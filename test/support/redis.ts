/** A private Redis of the Debian package on a free port, with a password and nothing on the disk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { freePort } from './free-port.ts'
import { untilAnswers } from './until-answers.ts'

export interface RedisServer {
  url: string
  readonly pid: number
  kill(): Promise<void>
  start(): Promise<void>
}

export async function startRedis(): Promise<RedisServer> {
  const port = await freePort()
  const password = randomUUID()
  let child: ChildProcess
  async function start(): Promise<void> {
    const settings = {
      port,
      bind: '127.0.0.1',
      requirepass: password,
      save: '',
      appendonly: 'no',
      dir: tmpdir(),
    }
    child = spawn('redis-server', ['-'], { stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin!.end(
      Object.entries(settings)
        .map(([name, value]) => `${name} ${value === '' ? '""' : value}\n`)
        .join(''),
    )
    await untilAnswers(child, port, 'redis-server')
  }
  await start()
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    get pid() {
      return child.pid!
    },
    start,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}
