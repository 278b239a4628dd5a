/**
 * HTTP Digest as GA/T 1400 devices speak it (RFC 7616; RFC 2617 for those that know MD5 only). Challenges offer SHA-256
 * first and MD5 second; `qop=auth` is asked for, so that each answer counts up and cannot be used twice. A nonce is a
 * time and a signature of ours: nothing is kept for those who only ask.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export interface DigestUser {
  username: string
  password: string
}

export interface DigestRequest {
  method: string
  /** As on the request line. */
  uri: string
  /** The Authorization header. */
  authorization: string | undefined
}

export type DigestResult<U extends DigestUser> =
  | { ok: true; user: U }
  /** `isStale`: all is right but the nonce is too old or was used; a new one needs no new password. */
  | { ok: false; why: string; isStale: boolean }

const HASHES = { 'SHA-256': 'sha256', MD5: 'md5' } as const
type Algorithm = keyof typeof HASHES

const NONCE_MS = 300_000
const CLOCK_SLACK_MS = 1000
const MAX_USED = 10_000

export class Digest<U extends DigestUser> {
  readonly #realm: string
  readonly #users: ReadonlyMap<string, U>
  readonly #key = randomBytes(32)
  /** Highest count that was used with each nonce; a count at or below it is a replay. */
  readonly #used = new Map<string, number>()

  constructor(realm: string, users: readonly U[]) {
    this.#realm = realm
    this.#users = new Map(users.map((user) => [user.username, user]))
  }

  /** Values of WWW-Authenticate, the preferred one first. */
  challenges(nowMs: number, isStale = false): string[] {
    const nonce = this.#nonce(nowMs)
    const stale = isStale ? ', stale=true' : ''
    return (Object.keys(HASHES) as Algorithm[]).map(
      (algorithm) =>
        `Digest realm="${this.#realm}", qop="auth", algorithm=${algorithm}, nonce="${nonce}", opaque="patrolhub"${stale}`,
    )
  }

  check({ method, uri, authorization }: DigestRequest, nowMs: number): DigestResult<U> {
    const given = parseAuthorization(authorization)
    if (!given) return failed('no digest was given')
    const algorithm = (given.algorithm?.toUpperCase() ?? 'MD5') as Algorithm
    if (!Object.hasOwn(HASHES, algorithm)) return failed('the algorithm is neither SHA-256 nor MD5')
    const { nonce = '', nc = '', cnonce = '', qop, response = '' } = given
    if (qop !== 'auth' || !/^[0-9a-f]{8}$/i.test(nc) || cnonce === '') return failed('qop=auth is needed')
    if (given.realm !== this.#realm || given.uri !== uri) return failed('it was made for another address')
    const hash = (text: string) => createHash(HASHES[algorithm]).update(text).digest('hex')
    const user = this.#users.get(given.username ?? '')
    const secret = hash(`${given.username}:${this.#realm}:${user?.password ?? ''}`)
    const expected = hash(`${secret}:${nonce}:${nc}:${cnonce}:${qop}:${hash(`${method}:${uri}`)}`)
    if (!isSame(response.toLowerCase(), expected) || !user) return failed('user name or password is wrong')
    if (!this.#isFresh(nonce, nowMs)) return { ok: false, why: 'the nonce is too old', isStale: true }
    if (!this.#isUnused(nonce, Number.parseInt(nc, 16))) {
      return { ok: false, why: 'the digest was used before', isStale: true }
    }
    return { ok: true, user }
  }

  #nonce(nowMs: number): string {
    const time = Math.round(nowMs).toString(16)
    // Random too: two challenges of one millisecond must not share their counts.
    const salt = randomBytes(8).toString('hex')
    return `${time}-${salt}-${this.#sign(`${time}-${salt}`)}`
  }

  #sign(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('hex').slice(0, 32)
  }

  #isFresh(nonce: string, nowMs: number): boolean {
    const [time = '', salt = '', signature = ''] = nonce.split('-')
    if (!isSame(signature, this.#sign(`${time}-${salt}`))) return false
    const ageMs = nowMs - Number.parseInt(time, 16)
    return ageMs >= -CLOCK_SLACK_MS && ageMs < NONCE_MS
  }

  #isUnused(nonce: string, count: number): boolean {
    if (count <= (this.#used.get(nonce) ?? 0)) return false
    // Put at the end: the nonce that nobody has used for longest goes first.
    this.#used.delete(nonce)
    this.#used.set(nonce, count)
    if (this.#used.size > MAX_USED) this.#used.delete(this.#used.keys().next().value as string)
    return true
  }
}

function failed(why: string): { ok: false; why: string; isStale: false } {
  return { ok: false, why, isStale: false }
}

/** The fields of a Digest header; `undefined` if it is none. Quoted strings may hold commas. */
export function parseAuthorization(header: string | undefined): Record<string, string> | undefined {
  const match = /^Digest\s+(.*)$/is.exec(header ?? '')
  if (!match) return undefined
  const fields: Record<string, string> = {}
  for (const [, name, quoted, plain] of match[1]!.matchAll(
    /([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    fields[name!.toLowerCase()] = quoted === undefined ? plain! : quoted.replace(/\\(.)/g, '$1')
  }
  return fields
}

/** Compares without telling by its time where the difference is. */
function isSame(given: string, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
