/**
 * Evidence files by content: `<folder>/<first two digits>/<sha256>`. A file is written beside its place, synced and
 * renamed, so what stands under a hash is whole or not there; it is hashed again whenever it is read.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { HubError } from '../errors.ts'
import { Incoming, type Received } from './incoming.ts'

export class EvidenceFiles {
  readonly incoming: Incoming
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    this.incoming = new Incoming(join(folder, 'incoming'))
  }

  /** Makes the folders. */
  async start(): Promise<void> {
    await this.incoming.start()
  }

  /** Moves it to its place, over whatever stands there: it has the same content, and these bytes are known good. */
  async keep(received: Received): Promise<void> {
    const folder = join(this.#folder, received.sha256.slice(0, 2))
    await mkdir(folder, { recursive: true })
    await rename(received.path, join(folder, received.sha256))
    await syncFolder(folder)
    await syncFolder(this.#folder)
  }

  /** True if something stands under this hash; it is checked when it is read. */
  async has(sha256: string): Promise<boolean> {
    return (await writtenAtMs(this.#place(sha256))) !== undefined
  }

  /** The hashes of all files in their places, a folder at a time. */
  async *names(): AsyncGenerator<string[]> {
    for (const folder of await readdir(this.#folder)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue
      yield (await readdir(join(this.#folder, folder))).filter((name) => /^[0-9a-f]{64}$/.test(name))
    }
  }

  /** Removes a file that was written before this time; answers whether it did. */
  async removeOlder(sha256: string, beforeMs: number): Promise<boolean> {
    const path = this.#place(sha256)
    const atMs = await writtenAtMs(path)
    if (atMs === undefined || atMs >= beforeMs) return false
    await rm(path, { force: true })
    return true
  }

  #place(sha256: string): string {
    return join(this.#folder, sha256.slice(0, 2), sha256)
  }

  /**
   * A stream of the content from `start` to `end` (both included), after the whole file has been checked. Throws
   * HUB_EVIDENCE_DAMAGED if it is missing or has other bytes. The caller reads the stream or destroys it.
   */
  async read(sha256: string, bytes: number, range?: { start: number; end: number }): Promise<Readable> {
    const path = this.#place(sha256)
    const found = await describe(path)
    if (!found || found.sha256 !== sha256 || found.bytes !== bytes) {
      const what = found ? `has ${found.bytes} bytes and hash ${found.sha256}` : 'is missing'
      throw new HubError('HUB_EVIDENCE_DAMAGED', `the file of ${sha256} ${what}`)
    }
    return createReadStream(path, range ?? {})
  }
}

async function writtenAtMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function describe(path: string): Promise<{ sha256: string; bytes: number } | undefined> {
  try {
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 }))
      hash.update(chunk as Buffer)
    return { sha256: hash.digest('hex'), bytes: (await stat(path)).size }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A rename is only safe from a power loss once its folder is synced. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
