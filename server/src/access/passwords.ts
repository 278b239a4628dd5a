/**
 * Passwords are kept as scrypt hashes (RFC 7914; N = 2^17, r = 8, p = 1: 128 MiB and some tenths of a second each).
 * Node runs scrypt on its thread pool; here is the bound on how many run and wait at once, so that a burst of sign-ins
 * cannot eat the memory.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { HubError } from '../errors.ts'

export interface ScryptCost {
  /** N = 2 ** logN. */
  logN: number
  r: number
  p: number
}

const COST: ScryptCost = { logN: 17, r: 8, p: 1 }
const KEY_BYTES = 32
const SALT_BYTES = 16
/** Two at once: 256 MiB, and two of the four threads of the pool stay free for files. */
const MAX_RUNNING = 2
/** More than this many waiting are refused at once: they would wait for longer than anybody does. */
const MAX_WAITING = 32

export class Passwords {
  readonly #cost: ScryptCost
  readonly #waiting: (() => void)[] = []
  #running = 0
  readonly #decoy: string

  /** Hashes carry their own cost, so a change of it leaves older ones valid. */
  constructor(cost: ScryptCost = COST) {
    this.#cost = cost
    this.#decoy = formatHash(cost, randomBytes(SALT_BYTES), randomBytes(KEY_BYTES))
  }

  /** `scrypt$logN$r$p$salt$key`, the last two base64url. Throws HUB_TOO_MANY_REQUESTS if too many wait. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const key = await this.#inTurn(() => derive(password, salt, this.#cost))
    return formatHash(this.#cost, salt, key)
  }

  /**
   * True if the password has this hash. Without a hash (no such user, or one who signs in elsewhere) it does the same work and answers false, so that
   * time tells nothing about who exists. Throws HUB_TOO_MANY_REQUESTS if too many wait.
   */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    const known = hash === undefined ? undefined : parseHash(hash)
    const parsed = known ?? parseHash(this.#decoy)!
    const key = await this.#inTurn(() => derive(password, parsed.salt, parsed.cost))
    return timingSafeEqual(key, parsed.key) && known !== undefined
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= MAX_WAITING) {
        throw new HubError('HUB_TOO_MANY_REQUESTS', 'too many sign-ins at once; wait 10 s')
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running++
    }
    try {
      return await work()
    } finally {
      // The turn goes to the next in line, or is given back.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}

function derive(password: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  const N = 2 ** cost.logN
  const options = { N, r: cost.r, p: cost.p, maxmem: 128 * N * cost.r * 2 }
  return new Promise((resolve, reject) => {
    // NFKC: the same password typed on another keyboard is the same bytes.
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

function formatHash({ logN, r, p }: ScryptCost, salt: Buffer, key: Buffer): string {
  return `scrypt$${logN}$${r}$${p}$${salt.toString('base64url')}$${key.toString('base64url')}`
}

function parseHash(hash: string): { cost: ScryptCost; salt: Buffer; key: Buffer } | undefined {
  const match = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([\w-]+)\$([\w-]+)$/.exec(hash)
  if (!match) return undefined
  const key = Buffer.from(match[5]!, 'base64url')
  if (key.length !== KEY_BYTES) return undefined
  const cost = { logN: Number(match[1]), r: Number(match[2]), p: Number(match[3]) }
  return { cost, salt: Buffer.from(match[4]!, 'base64url'), key }
}
