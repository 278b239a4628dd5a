/**
 * A private PostgreSQL of the Debian package on a free port and in a temporary folder. Its own order of text is a
 * language's (ICU, English), which sorts ':' before digits: what relies on the order of codes fails here unless the
 * hub asks for it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chownSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from './free-port.ts'

const DEBIAN = '/usr/lib/postgresql'
/** Folder of the newest `initdb` and `postgres`; Debian keeps them off the PATH. */
export async function findPostgres(): Promise<string | undefined> {
  const versions = await readdir(DEBIAN).catch(() => [])
  const newestFirst = versions.map(Number).sort((a, b) => b - a)
  const folders = newestFirst.map((version) => join(DEBIAN, String(version), 'bin'))
  return folders.find((folder) => spawnSync(join(folder, 'postgres'), ['--version']).status === 0)
}

export interface PostgresServer {
  readonly pid: number
  /** Of a new, empty database. */
  freshDatabase(): Promise<string>
  /** Runs a statement as the server's administrator. */
  administer(statement: string): Promise<Record<string, unknown>[]>
  /** Stops it as a shutdown of the machine would, and starts it again on the same port. */
  restart(): Promise<void>
  /** Kills it as a crash would, and starts it again on the same port. */
  crash(): Promise<void>
  close(): Promise<void>
}

/** PostgreSQL refuses to run as root: then as nobody. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout)
  return { uid: id('-u'), gid: id('-g') }
}

export async function startPostgres(programs: string): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-postgres-'))
  const user = unprivileged()
  const password = randomUUID()
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password)
  if (user) for (const path of [folder, passwordFile]) chownSync(path, user.uid, user.gid)
  const data = join(folder, 'data')
  const made = spawnSync(
    join(programs, 'initdb'),
    [
      ...['-D', data, '-U', 'admin', '-A', 'scram-sha-256', '--pwfile', passwordFile, '--no-sync'],
      ...['--encoding', 'UTF8', '--locale', 'C', '--locale-provider', 'icu', '--icu-locale', 'en-US'],
    ],
    { ...user, cwd: folder, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? ''}${made.stderr}`)

  const port = await freePort()
  const urlOf = (database: string) => `postgres://admin:${password}@127.0.0.1:${port}/${database}`
  let child: ChildProcess
  async function start(): Promise<void> {
    let said = ''
    child = spawn(
      join(programs, 'postgres'),
      // Only processes are killed here, never the machine: fsync would only wear the disk.
      ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder, '-c', 'fsync=off'],
      { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000)
    })
    const deadline = Date.now() + 30_000
    while (!(await answers(urlOf('postgres')))) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error(`postgres did not start: ${said}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  async function stop(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    // "Fast": ends every session and writes everything.
    child.kill('SIGINT')
    await exited
  }
  await start()
  return {
    get pid() {
      return child.pid!
    },
    async freshDatabase() {
      const name = `hub_${randomUUID().replaceAll('-', '')}`
      await query(urlOf('postgres'), `create database ${name}`)
      return urlOf(name)
    },
    administer: (statement) => query(urlOf('postgres'), statement),
    async restart() {
      await stop()
      await start()
    },
    async crash() {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      // Its sessions notice by themselves that they are orphans; until then it refuses to start.
      for (let attempt = 1; ; attempt++) {
        try {
          return await start()
        } catch (error) {
          if (attempt === 20) throw error
          await new Promise((resolve) => setTimeout(resolve, 200))
        }
      }
    },
    async close() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

async function answers(url: string): Promise<boolean> {
  return query(url, 'select 1').then(
    () => true,
    () => false,
  )
}
