/**
 * Cloned plates: the same plate at two checkpoints sooner than any vehicle can get from one to the other. Each batch of
 * passages is compared, in its own transaction, with where its plates have been of late; writers come one after another,
 * so that of two hubs the second sees what the first has found. Plates are known by their keyed hashes only.
 *
 * Not judged: passages without a whole plate, those whose time is not to be trusted (`timing`), checkpoints without a
 * position, and what is older than the window when it comes.
 */
import { randomUUID } from 'node:crypto'
import type { AlertRecord, PassageRecord } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { HubConfig } from '../config.ts'
import type { EdgeIdentity } from '../ports/broker.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import { distanceKm, isImpossible, type Place } from './travel.ts'

/** Rows in one statement, so that the parameters stay below what SQLite takes. */
const AT_ONCE = 500
/** A plate is told of once in this time; the incident goes on. */
const TOLD_MS = 30 * 60_000
/** Another hub may have registered a checkpoint. */
const PLACES_MS = 30_000
const MINUTE_MS = 60_000

export interface ClonesDeps {
  config: Pick<HubConfig, 'cloneMaxKmh' | 'cloneClockSeconds' | 'cloneWindowMinutes'>
  relational: Relational
  log: Logger
  now?: () => number
}

export interface NewPassage {
  record: PassageRecord
  edge: EdgeIdentity
  receivedAtMs: number
}

/** An alert as if the edge of its passage had sent it. */
export interface FoundClone {
  record: AlertRecord
  edge: EdgeIdentity
  receivedAtMs: number
}

interface Sighting {
  checkpointId: string
  atMs: number
  isTold: boolean
}

interface KnownPlace extends Place {
  name: string
}

export class Clones {
  readonly #deps: ClonesDeps
  readonly #log: Logger
  readonly #now: () => number
  #places = new Map<string, KnownPlace>()
  #placesAtMs = Number.NEGATIVE_INFINITY

  constructor(deps: ClonesDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'clones' })
    this.#now = deps.now ?? Date.now
  }

  /** Remembers these passages, inside the transaction that commits them, and answers what they give rise to. */
  async find(trx: DbOrTransaction, passages: readonly NewPassage[]): Promise<FoundClone[]> {
    const places = await this.#knownPlaces(trx)
    if (places.size < 2) return []
    const sinceMs = this.#now() - this.#deps.config.cloneWindowMinutes * MINUTE_MS
    const judged = passages.filter(
      ({ record: { plateHash, timing, atMs, deviceId } }) =>
        plateHash !== undefined && timing === undefined && atMs >= sinceMs && places.has(deviceId),
    )
    const found: FoundClone[] = []
    for (let begin = 0; begin < judged.length; begin += AT_ONCE) {
      const some = judged.slice(begin, begin + AT_ONCE)
      const seen = await sightingsOf(trx, new Set(some.map(({ record }) => record.plateHash!)), sinceMs)
      const told = some.map((passage) => {
        const alert = this.#judge(passage, seen, places)
        if (alert) found.push(alert)
        return alert !== undefined
      })
      await remember(trx, some, told)
    }
    if (found.length > 0) this.#log.info({ alerts: found.length }, 'plates were at two places at once')
    return found
  }

  /** A checkpoint has come or moved, at this hub. */
  placesChanged(): void {
    this.#placesAtMs = Number.NEGATIVE_INFINITY
  }

  /** Forgets what is older than the window. */
  async forget(nowMs: number): Promise<void> {
    await this.#deps.relational.write
      .deleteFrom('plate_sighting')
      .where('at_ms', '<', nowMs - this.#deps.config.cloneWindowMinutes * MINUTE_MS)
      .execute()
  }

  /** Compares a passage with the sightings of its plate, and adds it to them. */
  #judge(
    passage: NewPassage,
    seen: Map<string, Sighting[]>,
    places: ReadonlyMap<string, KnownPlace>,
  ): FoundClone | undefined {
    const { plateHash, deviceId, atMs } = passage.record
    const others = seen.get(plateHash!) ?? []
    seen.set(plateHash!, others)
    const isRepeat = others.some((other) => other.checkpointId === deviceId && other.atMs === atMs)
    const wasTold = others.some((other) => other.isTold && Math.abs(other.atMs - atMs) < TOLD_MS)
    const other = isRepeat || wasTold ? undefined : this.#elsewhere(passage.record, others, places)
    others.push({ checkpointId: deviceId, atMs, isTold: other !== undefined })
    return other && { ...passage, record: alertOf(passage.record, other, places) }
  }

  /** The sighting that leaves least time for the way. */
  #elsewhere(
    { deviceId, atMs }: PassageRecord,
    others: readonly Sighting[],
    places: ReadonlyMap<string, KnownPlace>,
  ): Sighting | undefined {
    const { cloneMaxKmh: maxKmh, cloneClockSeconds } = this.#deps.config
    const here = places.get(deviceId)!
    return others
      .filter((other) => {
        const there = places.get(other.checkpointId)
        const bounds = { maxKmh, clockMs: cloneClockSeconds * 1000 }
        return there && isImpossible(distanceKm(here, there), atMs - other.atMs, bounds)
      })
      .toSorted((a, b) => Math.abs(a.atMs - atMs) - Math.abs(b.atMs - atMs))[0]
  }

  async #knownPlaces(db: DbOrTransaction): Promise<ReadonlyMap<string, KnownPlace>> {
    const nowMs = performance.now()
    if (nowMs - this.#placesAtMs < PLACES_MS) return this.#places
    const rows = await db
      .selectFrom('device')
      .select(['device_id', 'name', 'description'])
      .where('kind', '=', 'checkpoint')
      .execute()
    this.#places = new Map()
    for (const { device_id, name, description } of rows) {
      const { latitude, longitude } = JSON.parse(description) as Partial<Place>
      if (latitude !== undefined && longitude !== undefined)
        this.#places.set(device_id, { name, latitude, longitude })
    }
    this.#placesAtMs = nowMs
    return this.#places
  }
}

async function sightingsOf(
  trx: DbOrTransaction,
  hashes: ReadonlySet<string>,
  sinceMs: number,
): Promise<Map<string, Sighting[]>> {
  const rows = await trx
    .selectFrom('plate_sighting')
    .selectAll()
    .where('plate_hash', 'in', [...hashes])
    .where('at_ms', '>=', sinceMs)
    .execute()
  const seen = new Map<string, Sighting[]>()
  for (const { plate_hash, checkpoint_id, at_ms, is_told } of rows) {
    const sightings = seen.get(plate_hash) ?? []
    sightings.push({ checkpointId: checkpoint_id, atMs: at_ms, isTold: is_told === 1 })
    seen.set(plate_hash, sightings)
  }
  return seen
}

async function remember(
  trx: DbOrTransaction,
  passages: readonly NewPassage[],
  told: readonly boolean[],
): Promise<void> {
  if (passages.length === 0) return
  await trx
    .insertInto('plate_sighting')
    .values(
      passages.map(({ record: { plateHash, deviceId, atMs } }, index) => ({
        plate_hash: plateHash!,
        checkpoint_id: deviceId,
        at_ms: atMs,
        is_told: told[index] ? 1 : 0,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Neither the plate nor its hash is in it: an alert is seen by many. Both passages can be found by checkpoint and time. */
function alertOf(
  { deviceId, atMs, region, lane }: PassageRecord,
  other: Sighting,
  places: ReadonlyMap<string, KnownPlace>,
): AlertRecord {
  const [here, there] = [places.get(deviceId)!, places.get(other.checkpointId)!]
  const km = Math.round(distanceKm(here, there) * 10) / 10
  const seconds = Math.round(Math.abs(atMs - other.atMs) / 1000)
  const order = other.atMs <= atMs ? 'before' : 'after'
  return {
    kind: 'alert',
    alertId: randomUUID(),
    atMs,
    deviceId,
    deviceKind: 'checkpoint',
    region,
    rule: 'cloned-plate',
    ruleName: there.name,
    severity: 'major',
    score: 1,
    reason:
      `A vehicle passed ${here.name} in lane ${lane} with a plate that was at ${there.name}, ${km} km away, ` +
      `${seconds} s ${order}: a cloned plate is suspected, or one of the two was misread.`,
    facts: {
      lane,
      seconds,
      order,
      distanceKm: km,
      otherCheckpointId: other.checkpointId,
      otherName: there.name,
      otherAtMs: other.atMs,
    },
    objects: [],
    trackPath: [],
    evidenceIds: [],
  }
}
