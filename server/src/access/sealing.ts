/**
 * Encryption of what the hub has to read again (the secrets of second factors): AES-256-GCM with a key of its own, so
 * that a copy of the database alone gives nothing away. The key is the setting `secretsKey`, or a file that the hub
 * makes in its data folder; hubs that share a database need the same one.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { HubError } from '../errors.ts'
import { secretIn } from '../secret-file.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

export class Sealing {
  readonly #encryption: Buffer
  readonly #naming: Buffer

  /** `key`: at least 32 random bytes in base64. */
  constructor(key: string) {
    const bytes = Buffer.from(key, 'base64')
    if (bytes.length < 32) {
      throw new HubError('HUB_CONFIG', 'the secrets key is too short', {
        details: ['PATROLHUB_SECRETS_KEY: expected at least 32 bytes in base64 (openssl rand -base64 32)'],
      })
    }
    const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', bytes, '', `patrolhub ${purpose}`, 32))
    this.#encryption = derive('sealing')
    this.#naming = derive('naming')
  }

  /** `owner` is bound to the text: it opens for the same owner only. */
  seal(text: string, owner: string): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#encryption, nonce)
    cipher.setAAD(Buffer.from(owner))
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
  }

  /** Throws HUB_INTERNAL if it was sealed with another key, for another owner, or changed. */
  open(sealed: string, owner: string): string {
    const bytes = Buffer.from(sealed, 'base64')
    const decipher = createDecipheriv('aes-256-gcm', this.#encryption, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(Buffer.from(owner))
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    try {
      const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8')
      return text + decipher.final('utf8')
    } catch (error) {
      throw new HubError('HUB_INTERNAL', 'a sealed secret does not open: the secrets key is another one', {
        cause: error,
      })
    }
  }

  /** A name for a text that does not give it away; the same for the same text. */
  nameOf(text: string): string {
    return createHmac('sha256', this.#naming).update(text).digest('base64url')
  }
}

/** The key of the data folder, made on first use. */
export function secretsKeyOf(dataDir: string): string {
  return secretIn(join(dataDir, 'secrets.key'), () => randomBytes(32).toString('base64'))
}
