/**
 * Seals over the chain. A seal says: at this time the chain ended with this entry and this hash, and the seal before was
 * that one. It is signed with Ed25519, so whoever has the public key can check it without any secret, and nobody without
 * the private one can make it: an HMAC would let every checker forge. Keys follow each other; each is signed by the one
 * before. Pure, except for making keys.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { CHAIN_START, canonicalJson } from './chain.ts'

export interface SealFields {
  /** Seals are numbered from 1 without gaps. */
  sealNo: number
  /** The entry at the end of the chain, and so how many entries there were. */
  seq: number
  hash: string
  /** `sealHash` of the seal before; of the first one CHAIN_START. */
  previousSeal: string
  atMs: number
  keyId: string
}
export interface Seal extends SealFields {
  /** Ed25519, 128 hexadecimal digits. */
  signature: string
}

export interface KeyFields {
  /** Keys are numbered from 1 without gaps. */
  keyNo: number
  /** Fingerprint: SHA-256 of the 32 bytes of the public key, hexadecimal. */
  keyId: string
  /** 64 hexadecimal digits. */
  publicKey: string
  /** It makes the seals from this one on, until the next key. */
  fromSeal: number
  atMs: number
  /** The key before; itself for the first one, and for one that begins anew because the one before was lost. */
  signedBy: string
}
export interface KeyRecord extends KeyFields {
  signature: string
}

/** What the first seal has as the one before it. */
export const SEALS_START = CHAIN_START

const SIGNATURE = /^[0-9a-f]{128}$/

/** A purpose in front of the text: what was signed for one can never be shown for another. */
function statement(purpose: 'seal' | 'key' | 'export', fields: object): Buffer {
  return Buffer.from(`patrolhub ${purpose} 1\n${canonicalJson(fields)}`, 'utf8')
}

export function signSeal(fields: SealFields, key: KeyObject): Seal {
  return { ...fields, signature: sign(null, statement('seal', fields), key).toString('hex') }
}

export function signKey(fields: KeyFields, key: KeyObject): KeyRecord {
  return { ...fields, signature: sign(null, statement('key', fields), key).toString('hex') }
}

/** Signs what an export holds, see record-file.ts. */
export function signExport<T extends object>(fields: T, key: KeyObject): T & { signature: string } {
  return { ...fields, signature: sign(null, statement('export', fields), key).toString('hex') }
}

/** `signed`: the fields with their signature. */
export function isSigned(
  purpose: 'seal' | 'key' | 'export',
  signed: { signature: string },
  publicKey: string,
): boolean {
  const { signature, ...fields } = signed
  if (!SIGNATURE.test(signature)) return false
  return verify(null, statement(purpose, fields), publicKeyOf(publicKey), Buffer.from(signature, 'hex'))
}

/** SHA-256 over the seal with its signature, hexadecimal: what the next seal names. */
export function sealHash(seal: Seal): string {
  const { sealNo, seq, hash, previousSeal, atMs, keyId, signature } = seal
  const text = canonicalJson({ sealNo, seq, hash, previousSeal, atMs, keyId, signature })
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

/** The fingerprint of a public key (64 hexadecimal digits). */
export function keyIdOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'hex')).digest('hex')
}

/** The public half, 64 hexadecimal digits. */
export function publicHalf(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  return Buffer.from(x!, 'base64url').toString('hex')
}

function publicKeyOf(publicKey: string): KeyObject {
  const x = Buffer.from(publicKey, 'hex').toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}
