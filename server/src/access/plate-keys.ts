/**
 * The keys with which edges encrypt plates, by version, and what stands under them. The greatest version is the current
 * one: what the hub encrypts anew gets it. Pure but for the random iv.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

const IV_BYTES = 12
const TAG_BYTES = 16
const LINE = /^(?:(\d{1,6}):)?([0-9a-f]{64})$/i
const HASH_KEY = /^[0-9a-f]{64}$/i

/** `why` names what stands in the way: a key that the ring lacks, or a text that nobody's key opens. */
export type OpenedPlate =
  | { ok: true; plate: string; version: number }
  | { ok: false; why: 'no-key' | 'broken'; version: number }

/**
 * Keys by version, one a line or with commas between: `version:` and 64 hexadecimal digits, or the digits alone for
 * version 1, as in an edge's file. `problems` name each key that does not fit by its place and never repeat it.
 */
export function readPlateKeys(text: string): { keys: Map<number, Buffer>; problems: string[] } {
  const keys = new Map<number, Buffer>()
  const versionOf = new Map<string, number>()
  const problems: string[] = []
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  for (const [index, line] of lines.entries()) {
    const place = `key ${index + 1}`
    const match = LINE.exec(line)
    if (!match) {
      problems.push(`${place}: expected \`version:\` and 64 hexadecimal digits (openssl rand -hex 32)`)
      continue
    }
    const version = Number(match[1] ?? 1)
    const digits = match[2]!.toLowerCase()
    const same = versionOf.get(digits)
    if (version < 1) problems.push(`${place}: versions begin at 1`)
    else if (keys.has(version)) problems.push(`${place}: there is a version ${version} already`)
    else if (same !== undefined) problems.push(`${place}: version ${version} has the key of version ${same}`)
    keys.set(version, Buffer.from(digits, 'hex'))
    versionOf.set(digits, version)
  }
  if (lines.length === 0) problems.push('holds no key')
  return { keys, problems }
}

/** What is wrong with the key of the hashes; `undefined` if nothing is. */
export function hashKeyProblem(text: string): string | undefined {
  return HASH_KEY.test(text) ? undefined : 'expected 64 hexadecimal digits (openssl rand -hex 32)'
}

/** HMAC-SHA-256 in hexadecimal of a plate as `readPlate` writes it; the same as the edges make. */
export function hashPlate(text: string, hashKey: string): string {
  return createHmac('sha256', Buffer.from(hashKey, 'hex')).update(text).digest('hex')
}

/** Version of the key that a ciphertext was made with, from its first part. */
export function versionOf(cipher: string): number {
  return Number.parseInt(cipher, 10)
}

export class PlateKeyRing {
  readonly #keys: ReadonlyMap<number, KeyObject>
  /** Of what is encrypted from now on; 0 for a ring without keys, which opens nothing. */
  readonly current: number

  /** `text`: as `readPlateKeys` takes it, checked when the configuration was loaded. */
  constructor(text: string | undefined) {
    const { keys } = readPlateKeys(text ?? '')
    this.#keys = new Map([...keys].map(([version, key]) => [version, createSecretKey(key)]))
    this.current = Math.max(0, ...keys.keys())
  }

  /** Ascending. */
  get versions(): number[] {
    return [...this.#keys.keys()].sort((a, b) => a - b)
  }

  has(version: number): boolean {
    return this.#keys.has(version)
  }

  /** `cipher`: `version.iv.ciphertext.tag`, the last three base64url, AES-256-GCM. Never throws. */
  open(cipher: string): OpenedPlate {
    const version = versionOf(cipher)
    const key = this.#keys.get(version)
    if (!key) return { ok: false, why: Number.isNaN(version) ? 'broken' : 'no-key', version: version || 0 }
    const [iv, text, tag] = cipher
      .split('.')
      .slice(1)
      .map((part) => Buffer.from(part, 'base64url'))
    const isWhole = iv?.length === IV_BYTES && text !== undefined && tag?.length === TAG_BYTES
    if (!isWhole) return { ok: false, why: 'broken', version }
    const decipher = createDecipheriv('aes-256-gcm', key, iv)
    decipher.setAuthTag(tag)
    try {
      const plate = decipher.update(text, undefined, 'utf8') + decipher.final('utf8')
      return { ok: true, plate, version }
    } catch {
      return { ok: false, why: 'broken', version }
    }
  }

  /** Under the current key, a fresh iv each time. Throws for a ring without keys. */
  seal(plate: string): string {
    const key = this.#keys.get(this.current)
    if (!key) throw new Error('the ring of plate keys is empty')
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    const text = Buffer.concat([cipher.update(plate, 'utf8'), cipher.final()])
    const parts = [iv, text, cipher.getAuthTag()].map((part) => part.toString('base64url'))
    return [this.current, ...parts].join('.')
  }
}
