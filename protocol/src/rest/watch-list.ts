import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs, Severity } from '../units.ts'

/** A plate that is looked for, without the plate. */
export const WatchEntry = Type.Object({
  entryId: Type.String(),
  /** First two and last two characters. */
  plateMasked: Type.String(),
  region: RegionCode,
  severity: Severity,
  reason: Type.String(),
  instruction: Type.String(),
  /** `expired` follows from the time. */
  state: Type.Union([
    Type.Literal('pending'),
    Type.Literal('active'),
    Type.Literal('refused'),
    Type.Literal('ended'),
    Type.Literal('expired'),
  ]),
  requestedBy: Type.String(),
  isOwn: Type.Boolean(),
  decidedBy: Type.Optional(Type.String()),
  createdAtMs: EpochMs,
  beginAtMs: EpochMs,
  endAtMs: EpochMs,
})
export type WatchEntry = Static<typeof WatchEntry>

export const WatchList = Type.Object({ items: Type.Array(WatchEntry) })
export type WatchList = Static<typeof WatchList>

export const NewWatchEntry = Type.Object(
  {
    plate: Type.String({ minLength: 5, maxLength: 20 }),
    region: RegionCode,
    severity: Severity,
    reason: Type.String({ minLength: 3, maxLength: 200, description: 'why it is looked for' }),
    instruction: Type.String({ maxLength: 200, description: 'what to do when it passes' }),
    days: Type.Integer({ minimum: 1, maximum: 90 }),
  },
  { additionalProperties: false },
)
export type NewWatchEntry = Static<typeof NewWatchEntry>

export const WatchDecision = Type.Object({ approve: Type.Boolean() }, { additionalProperties: false })
export type WatchDecision = Static<typeof WatchDecision>

/** Why somebody wants to read a plate; on the record. */
export const PlateReason = Type.Object(
  { reason: Type.String({ minLength: 3, maxLength: 200 }) },
  { additionalProperties: false },
)
export type PlateReason = Static<typeof PlateReason>

export const ReadPlate = Type.Object({ plate: Type.String() })
export type ReadPlate = Static<typeof ReadPlate>
