/**
 * Plates. A plate leaves this file only as a keyed hash (the same plate gives the same hash on every edge with the same
 * key, so that it can be counted and searched) and as ciphertext (for those who may read it). Without keys it is dropped.
 */
import { createCipheriv, createHmac, createSecretKey, type KeyObject, randomFillSync } from 'node:crypto'
import type { Plate } from '@patrolhub/protocol'
import type { PlateKeys } from '../config.ts'

export interface CloakedPlate {
  plateHash?: string
  plateCipher?: string
}

/** Keys as OpenSSL wants them: making one anew for each plate is most of what a plate costs (25 of 30 µs). */
const preparedKeys = new WeakMap<Buffer, KeyObject>()

function prepared(key: Buffer): KeyObject {
  const known = preparedKeys.get(key) ?? createSecretKey(key)
  preparedKeys.set(key, known)
  return known
}

const IV_BYTES = 12
/** Random bytes that no iv has used yet: fetched for many at a time. */
const ivPool = Buffer.alloc(IV_BYTES * 256)
let ivsUsedBytes = ivPool.length

function freshIv(): Buffer {
  if (ivsUsedBytes === ivPool.length) {
    randomFillSync(ivPool)
    ivsUsedBytes = 0
  }
  const iv = Buffer.from(ivPool.subarray(ivsUsedBytes, ivsUsedBytes + IV_BYTES))
  ivsUsedBytes += IV_BYTES
  return iv
}

/** HMAC-SHA-256 in hexadecimal; AES-256-GCM as `keyVersion.iv.ciphertext.tag`, base64url, a fresh 96-bit iv each time. */
export function cloakPlate(plate: Plate, keys: PlateKeys): CloakedPlate {
  const cloaked: CloakedPlate = {}
  if (keys.hashKey && plate.isComplete) {
    cloaked.plateHash = createHmac('sha256', prepared(keys.hashKey)).update(plate.text).digest('hex')
  }
  if (keys.cipherKey) {
    const iv = freshIv()
    const cipher = createCipheriv('aes-256-gcm', prepared(keys.cipherKey.key), iv)
    const ciphertext = Buffer.concat([cipher.update(plate.text, 'utf8'), cipher.final()])
    const parts = [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'))
    cloaked.plateCipher = [keys.cipherKey.version, ...parts].join('.')
  }
  return cloaked
}

/**
 * Text with every plate in it hidden but for its first two characters: mainland plates, and whatever stands behind
 * `PlateNo` or another name that says plate. For people who look at messages, not a protection for what is stored.
 */
export function maskPlates(text: string): string {
  return text
    .replace(/("[^"]*plate[^"]*"\s*:\s*")([^"]{1,2})([^"]*)(")/gi, (_, name, head, rest, end) =>
      // A colour or a class is no plate.
      /colou?r|type|class/i.test(name)
        ? `${name}${head}${rest}${end}`
        : `${name}${head}${'*'.repeat(rest.length)}${end}`,
    )
    .replace(
      /(\p{Script=Han}[A-Z])([·•.\s-]?)([A-Z0-9]{4,7}\p{Script=Han}?)/giu,
      (_, head, gap, rest) => `${head}${gap}${'*'.repeat(rest.length)}`,
    )
}
