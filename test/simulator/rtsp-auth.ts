/** Basic and digest authentication of an RTSP client (RFC 2326 section 14 with RFC 2617), as cameras ask for it. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { RtspRequest } from './rtsp-message.ts'

export interface RtspCredentials {
  scheme: 'basic' | 'digest'
  username: string
  password: string
}

const REALM = 'Patrolhub simulator'

/** One connection's authentication: the nonce lives as long as the connection. */
export class RtspAuth {
  readonly #credentials: RtspCredentials
  readonly #nonce = randomBytes(16).toString('hex')

  constructor(credentials: RtspCredentials) {
    this.#credentials = credentials
  }

  /** Value of `WWW-Authenticate`. */
  get challenge(): string {
    return this.#credentials.scheme === 'basic'
      ? `Basic realm="${REALM}"`
      : `Digest realm="${REALM}", nonce="${this.#nonce}", algorithm=MD5`
  }

  accepts(request: RtspRequest): boolean {
    const header = request.headers.get('authorization')
    if (header === undefined) return false
    const { scheme, username, password } = this.#credentials
    if (scheme === 'basic') {
      return isSame(header, `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`)
    }
    const fields = digestFields(header)
    if (fields.get('username') !== username || fields.get('nonce') !== this.#nonce) return false
    const uri = fields.get('uri') ?? ''
    const secret = md5(`${username}:${REALM}:${password}`)
    return isSame(
      fields.get('response') ?? '',
      md5(`${secret}:${this.#nonce}:${md5(`${request.method}:${uri}`)}`),
    )
  }
}

function digestFields(header: string): Map<string, string> {
  return new Map(
    [...header.matchAll(/(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))/g)].map((m) => [m[1]!, m[2] ?? m[3]!]),
  )
}

function isSame(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}
