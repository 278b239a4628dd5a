/**
 * Evidence on its way into the hub: `incoming/<uuid>` from people, `incoming/<edgeId>.<sha256>.part` from edges. What
 * an edge had sent when its line broke stays for a day, so that the next try goes on from there. Nothing here is
 * believed before the hash of the whole is right, so a part that a crash has damaged only costs a new try.
 */
import { createHash, type Hash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { HubError } from '../errors.ts'

/** A sender that is silent for longer than this is given up. */
const IDLE_MS = 30_000
const HEAD_BYTES = 16
/** Nobody is still sending a file that has not grown for this long. */
const ABANDONED_MS = 10 * IDLE_MS
const KEEP_PARTS_MS = 24 * 3_600_000
/** Less is sent anew as quickly as it is asked for. */
const WORTH_KEEPING_BYTES = 256 * 1024
/** An edge sends one at a time; a second is what it had begun before. */
const PARTS_PER_EDGE = 2
const PART = '.part'

/** Bytes that have arrived and are safe on the disk but not in their place yet. */
export interface Received {
  path: string
  sha256: string
  bytes: number
  /** The first bytes, to tell the kind of content by. */
  head: Buffer
}

/** What an edge sends, by the hash that it announced. */
export interface PartOf {
  edgeId: string
  sha256: string
}

export class Incoming {
  readonly #folder: string
  /** Senders that write a part at this hub now, by path. */
  readonly #sending = new Map<string, { body: Readable; ended: Promise<unknown> }>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async start(): Promise<void> {
    await mkdir(this.#folder, { recursive: true })
    await this.removeAbandoned()
  }

  /** Removes what a crash left half written and parts that nobody came back for; not what another hub may be writing. */
  async removeAbandoned(): Promise<void> {
    for (const { path, name, atMs } of await this.#files()) {
      if (Date.now() - atMs > (name.endsWith(PART) ? KEEP_PARTS_MS : ABANDONED_MS)) {
        await rm(path, { force: true })
      }
    }
  }

  /** Bytes that are here of this content. A sender that was still connected is cut: its edge would not ask otherwise. */
  async receivedBytes(part: PartOf): Promise<number> {
    const path = this.#pathOf(part)
    await this.#cut(path)
    return sizeOf(path)
  }

  /** Writes what comes to a file of its own and syncs it. Throws HUB_EVIDENCE_TOO_LARGE and leaves nothing behind then. */
  async receive(body: Readable, maxBytes: number): Promise<Received> {
    const path = join(this.#folder, randomUUID())
    const file = await open(path, 'wx+', 0o600)
    try {
      return await write({ path, file, body, maxBytes, hash: createHash('sha256'), bytes: 0 })
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  }

  /**
   * The same for an edge, from `offset` on; 0 begins anew. Throws HUB_EVIDENCE_OFFSET if not exactly the bytes before
   * it are here. What has come stays if the sender goes away.
   */
  async receivePart(body: Readable, maxBytes: number, part: PartOf, offset: number): Promise<Received> {
    const path = this.#pathOf(part)
    // Looked up again after each wait: of two that come at once, the later has the part for itself.
    while (this.#sending.has(path)) await this.#cut(path)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#sending.set(path, { body, ended: promise })
    try {
      const here = await sizeOf(path)
      if (offset > 0 && here !== offset) {
        throw new HubError('HUB_EVIDENCE_OFFSET', `${here} bytes of ${part.sha256} are here, not ${offset}`)
      }
      const hash = createHash('sha256')
      if (offset > 0) await pipeInto(hash, path)
      const file = await open(path, offset > 0 ? 'r+' : 'w+', 0o600)
      return await write({ path, file, body, maxBytes, hash, bytes: offset })
    } catch (error) {
      await this.#leave(path, part, error)
      throw error
    } finally {
      this.#sending.delete(path)
      resolve()
    }
  }

  async discard(received: Received): Promise<void> {
    await rm(received.path, { force: true })
  }

  /** What a line that broke has brought is kept; what was refused is not, unless only the offset was wrong. */
  async #leave(path: string, { edgeId }: PartOf, error: unknown): Promise<void> {
    const isRefused = error instanceof HubError
    if (isRefused && error.code === 'HUB_EVIDENCE_OFFSET') return
    if (isRefused || (await sizeOf(path)) < WORTH_KEEPING_BYTES) await rm(path, { force: true })
    else await this.#trimPartsOf(edgeId)
  }

  async #cut(path: string): Promise<void> {
    const sending = this.#sending.get(path)
    sending?.body.destroy(new Error('the edge has begun again'))
    await sending?.ended
  }

  async #trimPartsOf(edgeId: string): Promise<void> {
    const parts = (await this.#files())
      .filter(({ name, path }) => name.startsWith(`${edgeId}.`) && !this.#sending.has(path))
      .sort((a, b) => b.atMs - a.atMs)
    for (const { path } of parts.slice(PARTS_PER_EDGE)) await rm(path, { force: true })
  }

  async #files(): Promise<{ name: string; path: string; atMs: number }[]> {
    const files = (await readdir(this.#folder)).map(async (name) => {
      const path = join(this.#folder, name)
      const found = await stat(path).catch(() => undefined)
      return found ? [{ name, path, atMs: found.mtimeMs }] : []
    })
    return (await Promise.all(files)).flat()
  }

  /** Edge ids hold no dot and no slash. */
  #pathOf({ edgeId, sha256 }: PartOf): string {
    return join(this.#folder, `${edgeId}.${sha256}${PART}`)
  }
}

interface Write {
  path: string
  file: FileHandle
  body: Readable
  maxBytes: number
  /** Of the bytes that are in the file already, as `bytes` is their number. */
  hash: Hash
  bytes: number
}

/** Closes the file, whatever happens. */
async function write({ path, file, body, maxBytes, hash, ...start }: Write): Promise<Received> {
  let { bytes } = start
  const idle = setTimeout(() => body.destroy(new Error('the sender went silent')), IDLE_MS)
  try {
    if (bytes + declaredBytes(body) > maxBytes) throw tooLarge(maxBytes)
    // Not destroyed when refused: the answer still has to go out on the same socket.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      const part = chunk as Buffer
      idle.refresh()
      if (bytes + part.length > maxBytes) throw tooLarge(maxBytes)
      hash.update(part)
      await writeAll(file, part, bytes)
      bytes += part.length
    }
    await file.sync()
    const head = Buffer.alloc(HEAD_BYTES)
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0)
    return { path, sha256: hash.digest('hex'), bytes, head: head.subarray(0, bytesRead) }
  } finally {
    clearTimeout(idle)
    await file.close()
  }
}

function tooLarge(maxBytes: number): HubError {
  return new HubError('HUB_EVIDENCE_TOO_LARGE', `more than ${maxBytes} bytes are not taken`)
}

/** What a request says that it will send; 0 if it does not say. */
function declaredBytes(body: Readable): number {
  return body instanceof IncomingMessage ? Number(body.headers['content-length'] ?? 0) : 0
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}

async function pipeInto(hash: Hash, path: string): Promise<void> {
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0
}
