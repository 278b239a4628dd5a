/** Random secrets and how they are kept: the holder has the token, the tables only its SHA-256. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 32 random bytes, base64url (43 characters). */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/** SHA-256 of the token's UTF-8 text, lower-case hexadecimal: what `session.token_hash` and `edge.token_hash` hold. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

/** True if the token has this hash; takes the same time wherever they differ. */
export function tokenMatches(token: string, hash: string): boolean {
  const expected = Buffer.from(hash, 'hex')
  const actual = createHash('sha256').update(token, 'utf8').digest()
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}

/** Without 0/O, 1/l/I: somebody has to type it from a screen. */
const EASY = 'abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXYZ2346789'

/** A one-time password of 20 characters in groups of five, more than 110 bits. */
export function newOneTimePassword(): string {
  const characters: string[] = []
  while (characters.length < 20) {
    for (const byte of randomBytes(32)) {
      // Values past the last whole multiple would make the first characters more likely.
      if (byte < 256 - (256 % EASY.length) && characters.length < 20)
        characters.push(EASY[byte % EASY.length]!)
    }
  }
  return [0, 5, 10, 15].map((start) => characters.slice(start, start + 5).join('')).join('-')
}
