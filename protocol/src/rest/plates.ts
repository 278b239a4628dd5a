import { type Static, Type } from 'typebox'
import { Uuid } from '../units.ts'
import { Purpose } from './streams.ts'

/** POST /api/passages/:passageId/plate : why somebody wants to read the plate of a passage; on the record. Answers ReadPlate. */
export const PlateReading = Type.Object(
  {
    purpose: Type.Unsafe<Purpose>(Purpose),
    reason: Type.String({ minLength: 3, maxLength: 200, description: 'why, in a few words' }),
    incidentId: Type.Optional(Type.Unsafe<string>({ ...Uuid, description: 'the incident it is about' })),
  },
  { additionalProperties: false },
)
export type PlateReading = Static<typeof PlateReading>
