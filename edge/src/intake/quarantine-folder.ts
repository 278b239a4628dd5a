/** Refused messages on the disk: one encrypted file each, named so that a listing needs no key. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Refusal } from './fields.ts'

export interface QuarantinedMessage {
  deviceId: string
  /** When it came, wall clock. */
  atMs: number
  /** Topic or path that it came by. */
  topic: string
  refusals: readonly Refusal[]
  /** The beginning of the message. */
  payload: Buffer
  /** Length of the whole message. */
  bytes: number
}

export interface QuarantineEntry {
  /** Name of the file, for `show`. */
  id: string
  deviceId: string
  atMs: number
  bytes: number
}

const KEPT_BYTES = 8192
const IV_BYTES = 12
const TAG_BYTES = 16
const NAME = /^(\d{13})-([0-9a-f]{8})-([A-Za-z0-9][A-Za-z0-9_-]{0,63})$/
const HOUR_MS = 3_600_000

interface FolderOptions {
  dataDir: string
  secret: string
  maxMegabytes: number
  keepHours: number
}

export class QuarantineFolder {
  readonly #folder: string
  readonly #key: Buffer
  readonly #options: FolderOptions
  /** By device, oldest first. */
  readonly #entries = new Map<string, QuarantineEntry[]>()
  #bytes = 0

  constructor(options: FolderOptions) {
    this.#options = options
    this.#folder = join(options.dataDir, 'quarantine')
    this.#key = Buffer.from(hkdfSync('sha256', options.secret, '', 'patrolhub edge quarantine', 32))
  }

  /** Finds what is there and removes what is too old. */
  async open(nowMs: number): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    for (const entry of await this.list()) this.#add(entry)
    await this.removeBefore(nowMs - this.#options.keepHours * HOUR_MS)
  }

  /** Oldest first. */
  async list(): Promise<QuarantineEntry[]> {
    const entries: QuarantineEntry[] = []
    for (const id of await readdir(this.#folder).catch(() => [])) {
      const match = NAME.exec(id)
      if (!match) continue
      const size = (await stat(join(this.#folder, id)).catch(() => undefined))?.size
      if (size !== undefined) {
        entries.push({ id, deviceId: match[3]!, atMs: Number(match[1]), bytes: size })
      }
    }
    return entries.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  async store(message: Omit<QuarantinedMessage, 'payload' | 'bytes'>, payload: Uint8Array): Promise<void> {
    const { deviceId, atMs } = message
    const kept = Buffer.from(payload.subarray(0, KEPT_BYTES)).toString('base64')
    const text = JSON.stringify({ ...message, payload: kept, bytes: payload.length })
    const id = `${String(atMs).padStart(13, '0')}-${randomBytes(4).toString('hex')}-${deviceId}`
    const iv = randomBytes(IV_BYTES)
    // The name is part of what is authenticated: a file cannot be passed off as another device's.
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(id))
    const content = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    await writeFile(join(this.#folder, id), content, { mode: 0o600 })
    this.#add({ id, deviceId, atMs, bytes: content.length })
    await this.#makeRoom()
  }

  /** `undefined` if there is no such message, or it was kept under another token. */
  async read(id: string): Promise<QuarantinedMessage | undefined> {
    if (!NAME.test(id)) return undefined
    const content = await readFile(join(this.#folder, id)).catch(() => undefined)
    if (!content || content.length < IV_BYTES + TAG_BYTES) return undefined
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, content.subarray(0, IV_BYTES))
      decipher.setAAD(Buffer.from(id)).setAuthTag(content.subarray(-TAG_BYTES))
      const text = Buffer.concat([decipher.update(content.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()])
      const message = JSON.parse(text.toString('utf8')) as Omit<QuarantinedMessage, 'payload'> & {
        payload: string
      }
      return { ...message, payload: Buffer.from(message.payload, 'base64') }
    } catch {
      return undefined
    }
  }

  async removeBefore(atMs: number): Promise<void> {
    for (const entries of this.#entries.values()) {
      while (entries[0] && entries[0].atMs < atMs) await this.#removeOldest(entries)
    }
  }

  #add(entry: QuarantineEntry): void {
    const entries = this.#entries.get(entry.deviceId) ?? []
    this.#entries.set(entry.deviceId, entries)
    entries.push(entry)
    this.#bytes += entry.bytes
  }

  async #makeRoom(): Promise<void> {
    while (this.#bytes > this.#options.maxMegabytes * 1024 ** 2) {
      const held = (entries: QuarantineEntry[]) => entries.reduce((sum, { bytes }) => sum + bytes, 0)
      const largest = [...this.#entries.values()].sort((a, b) => held(b) - held(a))[0]
      if (!largest?.length) return
      await this.#removeOldest(largest)
    }
  }

  async #removeOldest(entries: QuarantineEntry[]): Promise<void> {
    const entry = entries.shift()!
    this.#bytes -= entry.bytes
    await rm(join(this.#folder, entry.id), { force: true })
  }
}
