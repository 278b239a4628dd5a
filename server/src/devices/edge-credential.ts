/** The credential of an edge: a random token that is shown once and kept as its SHA-256 only. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

const TOKEN_BYTES = 32

/** 256 random bits, base64url: long enough that a plain hash of it cannot be searched. */
export function newEdgeToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url')
}

/** Lower-case hexadecimal, as in `edge.token_hash`. */
export function hashEdgeToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Compares in constant time. */
export function isEdgeToken(token: string, tokenHash: string): boolean {
  return timingSafeEqual(Buffer.from(hashEdgeToken(token)), Buffer.from(tokenHash.padEnd(64).slice(0, 64)))
}
