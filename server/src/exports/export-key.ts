/** The key with which this hub signs what it exports (Ed25519, RFC 8032): a file of the data folder, or the setting. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { join } from 'node:path'
import { HubError } from '../errors.ts'
import { secretIn } from '../secret-file.ts'

export interface ExportKey {
  /** SPKI in base64. */
  publicKey: string
  fingerprint: string
  /** Base64. */
  sign(bytes: Buffer): string
}

/** Made on first use unless `setting`, a PEM, gives one. Throws HUB_CONFIG if that is no Ed25519 key. */
export function exportKeyOf(dataDir: string, setting: string | undefined): ExportKey {
  const pem = setting ?? secretIn(join(dataDir, 'export.key'), newKey)
  const key = readKey(pem)
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64')
  return {
    publicKey,
    fingerprint: fingerprintOf(publicKey),
    sign: (bytes) => sign(null, bytes, key).toString('base64'),
  }
}

/** SHA-256 of the public key as it is encoded, lower-case hexadecimal: what people compare. */
export function fingerprintOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('hex')
}

/** False also for what is no key and no signature. */
export function isSignedBy(publicKey: string, bytes: Buffer, signature: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' })
    return key.asymmetricKeyType === 'ed25519' && verify(null, bytes, key, Buffer.from(signature, 'base64'))
  } catch {
    return false
  }
}

function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function readKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Answered below, as any other key is.
  }
  throw new HubError('HUB_CONFIG', 'the key for exports cannot be used', {
    details: ['PATROLHUB_EXPORT_KEY: expected an Ed25519 key as PEM (openssl genpkey -algorithm ed25519)'],
  })
}
