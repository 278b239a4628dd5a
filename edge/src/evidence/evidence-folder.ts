/**
 * Evidence on the edge's disk until the hub has it. `content/<sha256>` holds bytes, `pending/<evidenceId>.json` says
 * what they are and how far they have come; a note that the hub will never take goes to `refused/`. Every write is to
 * a temporary name, synced, renamed, and the folder synced: after a crash or power cut a file is there whole or not
 * at all. Contents that no note names are removed when the folder is opened. What the hub refused is kept for a person
 * to look at, the newest first, up to a number, a size and an age.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { EvidenceRecord, jsonParser } from '@patrolhub/protocol'
import { Type } from 'typebox'
import { writeDurably } from '../durable-file.ts'

const Note = Type.Object({ record: EvidenceRecord, isAnnounced: Type.Boolean() })
const parseNote = jsonParser(Note)

export interface RefusedLimits {
  notes: number
  bytes: number
  ageMs: number
}

const DEFAULT_REFUSED: RefusedLimits = { notes: 500, bytes: 512 * 1024 ** 2, ageMs: 30 * 24 * 3_600_000 }

export interface EvidenceNote {
  record: EvidenceRecord
  /** True once the journal holds the record. */
  isAnnounced: boolean
}

export class EvidenceFolder {
  readonly #content: string
  readonly #pending: string
  readonly #refused: string
  /** How many pending notes name a content. */
  readonly #references = new Map<string, number>()
  readonly #limits: RefusedLimits
  #bytes = 0
  /** Content is written and removed one at a time: what has just come again is not taken for what has just become spare. */
  #work: Promise<unknown> = Promise.resolve()

  constructor(dataDir: string, refused: Partial<RefusedLimits> = {}) {
    this.#limits = { ...DEFAULT_REFUSED, ...refused }
    const folder = join(dataDir, 'evidence')
    this.#content = join(folder, 'content')
    this.#pending = join(folder, 'pending')
    this.#refused = join(folder, 'refused')
  }

  /** Bytes of pending content on disk. */
  get bytes(): number {
    return this.#bytes
  }

  /** Makes the folders and gives the notes that are pending, oldest first, with the names of unreadable ones. */
  async open(): Promise<{ notes: EvidenceNote[]; unreadable: string[] }> {
    for (const folder of [this.#content, this.#pending, this.#refused])
      await mkdir(folder, { recursive: true })
    const notes: EvidenceNote[] = []
    const unreadable: string[] = []
    for (const name of await readdir(this.#pending)) {
      const path = join(this.#pending, name)
      if (!name.endsWith('.json')) {
        await unlink(path)
        continue
      }
      const parsed = parseNote(await readFile(path, 'utf8'))
      if (parsed.ok) {
        notes.push(parsed.value)
        await this.#refer(parsed.value.record.sha256)
      } else {
        unreadable.push(name)
        await rename(path, join(this.#refused, name))
      }
    }
    const refused = await this.#trimRefused()
    for (const name of await readdir(this.#content)) {
      if (!this.#references.has(name) && !refused.has(name)) await unlink(join(this.#content, name))
    }
    notes.sort((a, b) => a.record.atMs - b.record.atMs)
    return { notes, unreadable }
  }

  /** Stores new evidence durably: the bytes, then every note that names them, given their SHA-256. Gives the notes. */
  store<N extends EvidenceNote>(
    bytes: Buffer,
    notesOf: (sha256: string) => readonly N[],
  ): Promise<readonly N[]> {
    return this.#serially(async () => {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      await writeDurably(this.#content, sha256, bytes)
      const notes = notesOf(sha256)
      for (const note of notes) {
        await this.storeState(note)
        await this.#refer(sha256)
      }
      return notes
    })
  }

  /** Writes how far evidence has come. */
  async storeState(note: EvidenceNote): Promise<void> {
    await writeDurably(this.#pending, `${note.record.evidenceId}.json`, Buffer.from(JSON.stringify(note)))
  }

  /** `undefined` if it is gone. */
  async readContent(sha256: string): Promise<Buffer | undefined> {
    try {
      return await readFile(join(this.#content, sha256))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /** Forgets evidence that the hub has; its content goes when no other note names it. */
  remove({ evidenceId, sha256 }: EvidenceRecord): Promise<void> {
    return this.#serially(async () => {
      await rm(join(this.#pending, `${evidenceId}.json`), { force: true })
      if (await this.#release(sha256)) await rm(join(this.#content, sha256), { force: true })
    })
  }

  /** Sets evidence aside that the hub will never take; its content stays for a person to look at. */
  setAside({ evidenceId, sha256 }: EvidenceRecord): Promise<void> {
    return this.#serially(async () => {
      const name = `${evidenceId}.json`
      await rename(join(this.#pending, name), join(this.#refused, name))
      await this.#release(sha256)
      await this.#trimRefused()
    })
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => undefined)
    return done
  }

  async #refer(sha256: string): Promise<void> {
    const count = this.#references.get(sha256) ?? 0
    this.#references.set(sha256, count + 1)
    if (count === 0) this.#bytes += await sizeOf(join(this.#content, sha256))
  }

  async #release(sha256: string): Promise<boolean> {
    const count = (this.#references.get(sha256) ?? 1) - 1
    if (count > 0) {
      this.#references.set(sha256, count)
      return false
    }
    this.#references.delete(sha256)
    this.#bytes -= await sizeOf(join(this.#content, sha256))
    return true
  }

  /** Removes what was refused long ago or is too much; gives the contents that refused notes still name. */
  async #trimRefused(): Promise<Set<string>> {
    const kept = new Set<string>()
    const spare = new Set<string>()
    let notes = 0
    let bytes = 0
    for (const { name, changedAtMs } of await newestFirst(this.#refused)) {
      const path = join(this.#refused, name)
      const parsed = parseNote(await readFile(path, 'utf8'))
      const sha256 = parsed.ok ? parsed.value.record.sha256 : ''
      const size = sha256 === '' || kept.has(sha256) ? 0 : await sizeOf(join(this.#content, sha256))
      const isTooMuch = notes >= this.#limits.notes || bytes + size > this.#limits.bytes
      if (isTooMuch || Date.now() - changedAtMs > this.#limits.ageMs) {
        await rm(path, { force: true })
        spare.add(sha256)
        continue
      }
      notes += 1
      bytes += size
      kept.add(sha256)
    }
    for (const sha256 of spare) {
      if (sha256 === '' || kept.has(sha256) || this.#references.has(sha256)) continue
      await rm(join(this.#content, sha256), { force: true })
    }
    return kept
  }
}

/** Files of a folder with the time of their last change; those that are gone by now are left out. */
async function newestFirst(folder: string): Promise<{ name: string; changedAtMs: number }[]> {
  const files = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const found = await stat(join(folder, name)).catch(() => undefined)
      return found ? [{ name, changedAtMs: found.ctimeMs }] : []
    }),
  )
  return files.flat().sort((a, b) => b.changedAtMs - a.changedAtMs)
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0
}
