import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { DeviceId, EpochMs } from '../units.ts'
import { Passage } from './analytics.ts'
import { PlateReading } from './plates.ts'

/** The longest span that passages are searched in. */
export const MAX_PASSAGE_SPAN_DAYS = 31

/** What passages are searched for; all of them have to fit. */
export const PassageTerms = Type.Object(
  {
    fromMs: EpochMs,
    toMs: Type.Unsafe<number>({ ...EpochMs, description: 'not included; at most 31 days after `fromMs`' }),
    region: Type.Optional(
      Type.Unsafe<string>({ ...RegionCode, description: 'inside it only; the whole scope without it' }),
    ),
    checkpointId: Type.Optional(Type.Unsafe<string>({ ...DeviceId })),
    lane: Type.Optional(Type.Integer({ minimum: 0, maximum: 99 })),
    vehicleClass: Type.Optional(
      Type.String({ pattern: '^[0-9A-Za-z]{1,20}$', description: 'beginning of it, e.g. H for all lorries' }),
    ),
    plateColour: Type.Optional(Type.String({ pattern: '^[a-z]{1,20}$' })),
    direction: Type.Optional(Type.String({ minLength: 1, maxLength: 20 })),
    minKmh: Type.Optional(Type.Number({ minimum: 0, maximum: 400 })),
    maxKmh: Type.Optional(Type.Number({ minimum: 0, maximum: 400 })),
  },
  { additionalProperties: false },
)
export type PassageTerms = Static<typeof PassageTerms>

/** Which page of them. */
export const PassagePaging = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
  before: Type.Optional(Type.String({ maxLength: 300, description: '`next` of the page before' })),
})

/** POST /api/passages/by-plate : the passages of one plate, and why somebody looks for them; on the record. */
export const PlateSearch = Type.Object(
  {
    ...PassageTerms.properties,
    ...PassagePaging.properties,
    ...PlateReading.properties,
    plate: Type.String({ minLength: 1, maxLength: 40, description: 'a whole plate, however it is written' }),
  },
  { additionalProperties: false },
)
export type PlateSearch = Static<typeof PlateSearch>

export const FoundPassage = Type.Object({
  ...Passage.properties,
  checkpointId: DeviceId,
  /** As it is called now; its id if it is not there any more. */
  checkpointName: Type.String(),
  region: RegionCode,
})
export type FoundPassage = Static<typeof FoundPassage>

/** Newest first; with `next` there are more. */
export const PassagePage = Type.Object({
  items: Type.Array(FoundPassage),
  next: Type.Optional(Type.String()),
})
export type PassagePage = Static<typeof PassagePage>
