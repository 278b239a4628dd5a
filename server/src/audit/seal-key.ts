/**
 * The private key that seals the record: the setting `sealKey` (PEM), or a file that the hub makes in its data folder.
 * While keys are changed there are two files for a moment; which of them counts is decided by the store.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { HubConfig } from '../config.ts'
import { HubError } from '../errors.ts'
import { secretIn, writeSecret } from '../secret-file.ts'
import { keyIdOf, publicHalf } from './seals.ts'

export interface SealKey {
  keyId: string
  publicKey: string
  privateKey: KeyObject
}

export type SealKeyConfig = Pick<HubConfig, 'dataDir' | 'sealKey'>

const FILE = 'seal.key'
const NEXT_FILE = 'seal.key.next'

/** Reads a PEM. Throws HUB_SEAL_KEY that names the place. */
function readKey(pem: string, place: string): SealKey {
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(pem)
  } catch (error) {
    throw new HubError('HUB_SEAL_KEY', `${place} is no private key in PEM`, { cause: error })
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    const kind = privateKey.asymmetricKeyType
    throw new HubError('HUB_SEAL_KEY', `${place} is a key of ${kind}, not of Ed25519`)
  }
  const publicKey = publicHalf(privateKey)
  return { keyId: keyIdOf(publicKey), publicKey, privateKey }
}

function newPem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

/**
 * The key that seals. `newestKeyId`: the newest in the history of the store; `undefined` if there is none yet, and only
 * then a key is made. Throws HUB_SEAL_KEY if the key is not there or is another one.
 */
export function openSealKey(config: SealKeyConfig, newestKeyId: string | undefined): SealKey {
  const file = join(config.dataDir, FILE)
  const next = join(config.dataDir, NEXT_FILE)
  if (config.sealKey !== undefined) {
    return requireNewest(readKey(config.sealKey, 'PATROLHUB_SEAL_KEY'), newestKeyId, 'PATROLHUB_SEAL_KEY')
  }
  if (newestKeyId === undefined) return readKey(secretIn(file, newPem), file)
  // A change that was broken off between the store and the folder is finished here.
  if (existsSync(next) && readKey(readFileSync(next, 'utf8'), next).keyId === newestKeyId) {
    renameSync(next, file)
  }
  if (!existsSync(file)) {
    throw new HubError(
      'HUB_SEAL_KEY',
      `the key that seals the record (${newestKeyId}) is not in ${config.dataDir}: put back ${FILE} from a backup, or, if it is lost, begin anew with "audit rotate-key --lost"`,
    )
  }
  return requireNewest(readKey(readFileSync(file, 'utf8'), file), newestKeyId, file)
}

function requireNewest(key: SealKey, newestKeyId: string | undefined, place: string): SealKey {
  if (newestKeyId === undefined || key.keyId === newestKeyId) return key
  throw new HubError(
    'HUB_SEAL_KEY',
    `${place} holds the key ${key.keyId}, but the record is sealed with ${newestKeyId}: hubs that share a database need the same key`,
  )
}

/** Makes the next key where it will be kept, without it counting yet: in the data folder, or in the file `to`. */
export function makeNextKey(config: SealKeyConfig, to: string | undefined): SealKey {
  if (config.sealKey !== undefined && to === undefined) {
    throw new HubError(
      'HUB_USAGE',
      'the key is given by PATROLHUB_SEAL_KEY: name a new file for the next with --out',
    )
  }
  const file = to ?? join(config.dataDir, NEXT_FILE)
  const pem = newPem()
  // Left over by a change that never got into the store: it never counted.
  if (to === undefined) rmSync(file, { force: true })
  try {
    writeSecret(file, pem)
  } catch (error) {
    throw new HubError('HUB_SEAL_KEY', `${file} cannot be made: ${(error as Error).message}`, {
      cause: error,
    })
  }
  return readKey(pem, file)
}

/** After the store knows it: the next key of the data folder takes the place of the one before. */
export function adoptNextKey(config: SealKeyConfig): void {
  renameSync(join(config.dataDir, NEXT_FILE), join(config.dataDir, FILE))
}
