/**
 * Brings stored plates under the current key: what lies under another version is opened, encrypted anew, opened again to
 * compare, and only then replaced, a bounded batch at a time. What cannot be opened stays as it is and is named. Nothing
 * is remembered between runs: what is left to do is what still lies under another version, so a run that was cut off is
 * simply started again.
 *
 * With `isRehash` every plate is opened, and where its hash was not made with this hub's key of hashes it gets a new one.
 */
import { setImmediate as otherWork } from 'node:timers/promises'
import { readPlate } from '@patrolhub/protocol'
import type { AuditTrail } from '../access/audit-trail.ts'
import { hashPlate, type PlateKeyRing, versionOf } from '../access/plate-keys.ts'
import { HubError } from '../errors.ts'
import type { PlateChange, PlateStore, StoredPlate } from '../ports/plate-store.ts'
import type { Relational } from '../ports/relational.ts'

export interface RotationDeps {
  plates: PlateStore
  relational: Relational
  audit: AuditTrail
  ring: PlateKeyRing
  /** 64 hexadecimal digits. */
  plateHashKey: string | undefined
  /** Gives the plates of the watch list their new hashes; answers how many changed. */
  rehashWatchList(hashKey: string): Promise<number>
}

export interface RotationWish {
  isRehash: boolean
  /** Ends it after the batch at hand. */
  signal: AbortSignal
  tell(progress: RotationProgress): void
}

export interface RotationProgress {
  /** Plates looked at, of so many when it began. */
  done: number
  total: number
}

export interface UnreadablePlate {
  checkpointId: string
  passedAtMs: number
  version: number
  why: 'no-key' | 'broken'
}

export interface Rotation {
  /** False if it was stopped before its end. */
  isComplete: boolean
  version: number
  /** Encrypted anew, and given a new hash; one plate may count in both. */
  encrypted: number
  rehashed: number
  /** Replaced by somebody else meanwhile, or gone: left alone. */
  overtaken: number
  unreadable: number
  /** The first of them. */
  unreadablePlates: UnreadablePlate[]
  watchListRehashed: number
}

/** Plates in memory at once, and in one transaction of the store. */
const BATCH = 1000
/** Between two looks at what else the process has to do: encrypting takes some 20 µs a plate. */
const BREATH = 200
const NAMED = 100
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const FIRST_WINDOW_MS = 10 * MINUTE_MS

/** Throws HUB_PLATE_KEY if the hub does not have the keys for it. */
export async function rotatePlates(deps: RotationDeps, wish: RotationWish): Promise<Rotation> {
  const { plates, ring, plateHashKey } = deps
  const { isRehash, signal, tell } = wish
  if (ring.current === 0) {
    throw new HubError('HUB_PLATE_KEY', 'this hub has no keys of plates: set PATROLHUB_PLATE_KEYS_FILE')
  }
  if (isRehash && plateHashKey === undefined) {
    throw new HubError('HUB_PLATE_KEY', 'this hub has no plate hash key: set PATROLHUB_PLATE_HASH_KEY_FILE')
  }
  const hashKey = isRehash ? plateHashKey : undefined
  const rotation: Rotation = {
    isComplete: false,
    version: ring.current,
    encrypted: 0,
    rehashed: 0,
    overtaken: 0,
    unreadable: 0,
    unreadablePlates: [],
    watchListRehashed: 0,
  }
  await note(deps, 'plates.rotation-begun', { version: ring.current, isRehash })
  try {
    const due = (await plates.use()).filter(({ version }) => isRehash || version !== ring.current)
    const total = due.reduce((sum, { passages }) => sum + passages, 0)
    const span = {
      fromMs: Math.min(...due.map(({ oldestMs }) => oldestMs)),
      toMs: Math.max(...due.map(({ newestMs }) => newestMs)) + 1,
    }
    let done = 0
    for await (const batch of batches(plates, span, isRehash ? undefined : ring.current)) {
      await changeBatch(deps, batch, hashKey, rotation)
      done += batch.length
      tell({ done, total })
      if (signal.aborted) return rotation
    }
    if (hashKey !== undefined) rotation.watchListRehashed = await deps.rehashWatchList(hashKey)
    rotation.isComplete = true
    return rotation
  } finally {
    const { unreadablePlates, ...counts } = rotation
    await note(deps, 'plates.rotated', {
      ...counts,
      isRehash,
      unreadablePlates: unreadablePlates.slice(0, 20),
    })
  }
}

/** What is to be looked at, by time, in windows that grow where little is and shrink where much is. */
async function* batches(
  plates: PlateStore,
  { fromMs, toMs }: { fromMs: number; toMs: number },
  exceptVersion: number | undefined,
): AsyncGenerator<StoredPlate[]> {
  const except = exceptVersion === undefined ? {} : { exceptVersion }
  let windowMs = FIRST_WINDOW_MS
  for (let atMs = fromMs; atMs < toMs; ) {
    const endMs = Math.min(toMs, atMs + windowMs)
    const page = await plates.read({ fromMs: atMs, toMs: endMs, limit: BATCH, ...except })
    if (page.plates.length > 0) yield page.plates
    if (page.upToMs < endMs) windowMs = Math.max(MINUTE_MS, windowMs / 2)
    else if (page.plates.length < BATCH / 2) windowMs = Math.min(DAY_MS, windowMs * 2)
    atMs = page.upToMs
  }
}

async function changeBatch(
  { plates, ring }: RotationDeps,
  batch: readonly StoredPlate[],
  hashKey: string | undefined,
  rotation: Rotation,
): Promise<void> {
  const changes: PlateChange[] = []
  let [encrypted, rehashed] = [0, 0]
  for (const [index, from] of batch.entries()) {
    if (index % BREATH === BREATH - 1) await otherWork()
    const opened = ring.open(from.plateCipher)
    if (!opened.ok) {
      const { version, why } = opened
      rotation.unreadable++
      if (rotation.unreadablePlates.length < NAMED) {
        rotation.unreadablePlates.push({
          checkpointId: from.deviceId,
          passedAtMs: from.atMs,
          version,
          why,
        })
      }
      continue
    }
    const plateHash = hashKey === undefined ? undefined : hashOf(opened.plate, hashKey)
    const isNewHash = plateHash !== undefined && plateHash !== from.plateHash
    const isOld = versionOf(from.plateCipher) !== ring.current
    if (!isOld && !isNewHash) continue
    const plateCipher = isOld ? ring.seal(opened.plate) : from.plateCipher
    const again = ring.open(plateCipher)
    if (!again.ok || again.plate !== opened.plate) {
      throw new HubError('HUB_INTERNAL', 'a plate that was encrypted anew does not open as it was; it stays')
    }
    changes.push({ from, plateCipher, plateHash: isNewHash ? plateHash : undefined })
    if (isOld) encrypted++
    if (isNewHash) rehashed++
  }
  const replaced = await plates.replace(changes)
  rotation.encrypted += encrypted
  rotation.rehashed += rehashed
  rotation.overtaken += changes.length - replaced
}

/** `undefined` for a plate that was not read whole: it has no hash. */
function hashOf(text: string, hashKey: string): string | undefined {
  return readPlate(text)?.isComplete ? hashPlate(text, hashKey) : undefined
}

async function note(
  { relational, audit }: RotationDeps,
  action: string,
  detail: Record<string, unknown>,
): Promise<void> {
  await relational.write
    .transaction()
    .execute((trx) => audit.append(trx, { actor: undefined, action, subject: 'plates', detail }))
}
