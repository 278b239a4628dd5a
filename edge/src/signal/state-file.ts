/**
 * What has been learned of each series, on disk, so that a restarted edge goes on where it was. SQLite in WAL mode with
 * synchronous=NORMAL: whatever happens the file is whole; after a power cut it may be a saving behind.
 */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Logger } from 'pino'

/** 'PHS1', so that a file of another program is told from ours. */
const APPLICATION_ID = 0x50485331
/** Higher when the parts of a state, or what they mean, change: states of other versions are forgotten. */
const VERSION = 1

export class StateFile {
  readonly #file: DatabaseSync

  private constructor(file: DatabaseSync) {
    this.#file = file
  }

  /** Opens `signal.sqlite` in the folder. One that cannot be read is set aside as `signal.sqlite.damaged`. */
  static open(dataDir: string, log: Logger): StateFile {
    const path = join(dataDir, 'signal.sqlite')
    try {
      return new StateFile(openFile(path))
    } catch (err) {
      log.warn({ err, path }, 'what was learned of the series cannot be read; it is set aside')
      for (const suffix of ['', '-wal', '-shm'])
        if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.damaged${suffix}`)
      return new StateFile(openFile(path))
    }
  }

  /** States by series. */
  load(): Map<string, Uint8Array> {
    const rows = this.#file.prepare('SELECT series, state FROM states').all()
    return new Map(rows.map(({ series, state }) => [String(series), state as Uint8Array]))
  }

  /** All or none of them are saved. Throws what SQLite throws: the disk is full, say. */
  save(states: readonly { series: string; state: Uint8Array }[]): void {
    const insert = this.#file.prepare('INSERT OR REPLACE INTO states (series, state) VALUES (?, ?)')
    this.#file.exec('BEGIN')
    try {
      for (const { series, state } of states) insert.run(series, state)
      this.#file.exec('COMMIT')
    } catch (error) {
      if (this.#file.isTransaction) this.#file.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    if (this.#file.isOpen) this.#file.close()
  }
}

function openFile(path: string): DatabaseSync {
  const file = new DatabaseSync(path)
  try {
    file.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000')
    const owner = file.prepare('PRAGMA application_id').get()?.application_id
    const version = file.prepare('PRAGMA user_version').get()?.user_version
    if (owner !== 0 && owner !== APPLICATION_ID) throw new Error(`${path} is a file of another program`)
    if (version !== VERSION) file.exec('DROP TABLE IF EXISTS states')
    file.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${VERSION};
      CREATE TABLE IF NOT EXISTS states (series TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT`)
    return file
  } catch (error) {
    file.close()
    throw error
  }
}
