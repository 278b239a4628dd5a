/**
 * The data folder and its lock: one hub at a time. The lock is one of the operating system's (SQLite holds an exclusive
 * lock on an empty file), so it ends with its process however that ends, and no stale lock has to be recognised.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { HubError } from './errors.ts'

/** Who runs here, for people and tools; the lock decides, not this file. */
export interface RunningHub {
  pid: number
  startedAtMs: number
  httpPort?: number
  mqttPort?: number
  /** Where commands on this machine ask the hub for something, see control.ts. */
  control?: { port: number; token: string }
}

export interface DataFolder {
  readonly path: string
  /** Path of something inside. */
  file(name: string): string
  /** Tells others where this hub listens. */
  announce(hub: Pick<RunningHub, 'httpPort' | 'mqttPort' | 'control'>): void
  release(): void
}

const LOCK = 'hub.lock'
const RUNNING = 'hub.json'

/** Primary result code of SQLite: another process holds the file. */
const SQLITE_BUSY = 5

function unusable(path: string, error: unknown): HubError {
  return new HubError('HUB_DATA_DIR', `${path} cannot be used: ${(error as Error).message}`, { cause: error })
}

/** Makes the folder if need be, for its owner only. Throws HUB_DATA_DIR. */
export function makeDataFolder(path: string): void {
  try {
    // Databases, evidence and keys: nobody else's business.
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unusable(path, error)
  }
}

/** For commands that do not begin a store. Throws HUB_DATA_DIR if there is none. */
export function requireStore({ relational, dataDir }: { relational: string; dataDir: string }): void {
  if (relational !== 'sqlite' || existsSync(join(dataDir, 'hub.sqlite'))) return
  throw new HubError(
    'HUB_DATA_DIR',
    `there is no hub.sqlite in ${dataDir}: name the hub's folder with PATROLHUB_DATA_DIR`,
  )
}

/** Makes the folder if need be and locks it. Throws HUB_DATA_DIR if it cannot be used, HUB_LOCKED if a hub runs on it. */
export function lockDataFolder(path: string): DataFolder {
  makeDataFolder(path)
  let lock: DatabaseSync
  try {
    lock = new DatabaseSync(join(path, LOCK), { timeout: 0 })
  } catch (error) {
    throw unusable(path, error)
  }
  try {
    lock.exec('begin exclusive')
  } catch (error) {
    lock.close()
    // Anything but "held by another" is a fault of the folder: a disk, a permission, a file that is no lock.
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== SQLITE_BUSY) {
      throw unusable(join(path, LOCK), error)
    }
    const other = readRunningHub(path)
    const who = other ? `another hub (process ${other.pid})` : 'another hub'
    throw new HubError(
      'HUB_LOCKED',
      `${who} runs on the data folder ${path}; stop it, or name another folder with PATROLHUB_DATA_DIR`,
      { cause: error },
    )
  }
  const running: RunningHub = { pid: process.pid, startedAtMs: Date.now() }
  const write = () => {
    const file = join(path, RUNNING)
    // The mode counts for a new file only, and one may be left over.
    writeFileSync(file, '', { mode: 0o600 })
    chmodSync(file, 0o600)
    writeFileSync(file, `${JSON.stringify(running)}\n`)
  }
  try {
    write()
  } catch (error) {
    lock.close()
    throw unusable(path, error)
  }
  let isReleased = false
  return {
    path,
    file: (name) => join(path, name),
    announce(hub) {
      Object.assign(running, hub)
      write()
    },
    release() {
      if (isReleased) return
      isReleased = true
      rmSync(join(path, RUNNING), { force: true })
      lock.close()
    },
  }
}

/** True if a hub holds the folder now. Makes nothing in it. */
export function isHubRunning(path: string): boolean {
  const file = join(path, LOCK)
  if (!existsSync(file)) return false
  const lock = new DatabaseSync(file, { timeout: 0 })
  try {
    lock.exec('begin exclusive; rollback')
    return false
  } catch (error) {
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY) return true
    throw unusable(file, error)
  } finally {
    lock.close()
  }
}

/** What the running hub wrote about itself; `undefined` if it said nothing readable. */
export function readRunningHub(path: string): RunningHub | undefined {
  try {
    return JSON.parse(readFileSync(join(path, RUNNING), 'utf8')) as RunningHub
  } catch {
    return undefined
  }
}
