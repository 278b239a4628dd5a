/**
 * Time-based one-time passwords: RFC 6238 over HOTP (RFC 4226), HMAC-SHA-1, six digits, steps of 30 s, as every
 * authenticator has them. Pure: the clock is passed in.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

const STEP_MS = 30_000
const DIGITS = 6
/** Steps before and after the present one that are taken too: clocks of phones differ (RFC 6238, 5.2). */
const WINDOW = 1

export function stepAt(atMs: number): number {
  return Math.floor(atMs / STEP_MS)
}

/** The code of a counter (RFC 4226, 5.3). */
export function hotp(secret: Buffer, counter: number, digits = DIGITS): string {
  const message = Buffer.alloc(8)
  message.writeBigUInt64BE(BigInt(counter))
  const digest = createHmac('sha1', secret).update(message).digest()
  const offset = digest[digest.length - 1]! & 0x0f
  const value = digest.readUInt32BE(offset) & 0x7fff_ffff
  return String(value % 10 ** digits).padStart(digits, '0')
}

/** The step whose code this is, looking one step around now, newer than `lastStep`; `undefined` if there is none. */
export function matchingStep(
  secret: Buffer,
  code: string,
  { atMs, lastStep }: { atMs: number; lastStep: number },
): number | undefined {
  if (!/^\d{6}$/.test(code)) return undefined
  const given = Buffer.from(code)
  const now = stepAt(atMs)
  let found: number | undefined
  for (let step = now - WINDOW; step <= now + WINDOW; step++) {
    if (timingSafeEqual(Buffer.from(hotp(secret, step)), given) && step > lastStep) found = step
  }
  return found
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648 base32 without padding, as authenticators are given secrets. */
export function base32(bytes: Uint8Array): string {
  let bits = 0
  let value = 0
  let text = ''
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += BASE32[(value >>> bits) & 31]
    }
  }
  return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text
}

/** What the QR code holds: the key URI format of authenticators. */
export function keyUri(secret: Uint8Array, username: string): string {
  const label = encodeURIComponent(`Patrolhub:${username}`)
  return `otpauth://totp/${label}?secret=${base32(secret)}&issuer=Patrolhub&algorithm=SHA1&digits=6&period=30`
}
