/** The watch list as edges get it: plates as keyed hashes only. */
import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs, Severity, Sha256, Uuid } from '../units.ts'

/** At most this many entries reach one edge. */
export const MAX_WATCHED = 10_000

/** Tells an edge which list is in force; it fetches another one than its own with GET /api/edge/watch-list. */
export const WatchListOffer = Type.Object({ sha256: Sha256 }, { additionalProperties: false })
export type WatchListOffer = Static<typeof WatchListOffer>

export const Watched = Type.Object({
  entryId: Uuid,
  /** HMAC-SHA-256 of the normalised plate, hexadecimal, as in passages. */
  plateHash: Sha256,
  /** Only checkpoints inside it look for the plate. */
  region: RegionCode,
  severity: Severity,
  /** Why it is wanted, and what to do; for whoever sees the alert. */
  reason: Type.String({ maxLength: 200 }),
  instruction: Type.String({ maxLength: 200 }),
  beginAtMs: EpochMs,
  /** Not looked for from then on, whether or not the hub can be reached. */
  endAtMs: EpochMs,
})
export type Watched = Static<typeof Watched>

export const WatchListForEdge = Type.Object({
  /** Of the entries as JSON text. */
  sha256: Sha256,
  entries: Type.Array(Watched, { maxItems: MAX_WATCHED }),
})
export type WatchListForEdge = Static<typeof WatchListForEdge>
