/** Quantities shared by every message. All times are wall clock; all coordinates are normalised to the picture. */
import { type Static, Type } from 'typebox'

/** Milliseconds since 1970-01-01T00:00:00Z, wall clock. */
export const EpochMs = Type.Integer({
  minimum: 0,
  maximum: 8_640_000_000_000_000,
  description: 'ms since 1970-01-01 UTC',
})
export type EpochMs = Static<typeof EpochMs>

/** A fraction of the picture, 0 at the left or top edge, 1 at the right or bottom edge. */
const Fraction = Type.Number({ minimum: 0, maximum: 1 })

/** `[x, y]`, both 0..1. */
export const NormPoint = Type.Tuple([Fraction, Fraction])
export type NormPoint = Static<typeof NormPoint>

/** `[x1, y1, x2, y2]`: top left and bottom right corner, 0..1, x1 <= x2, y1 <= y2. */
export const NormBox = Type.Tuple([Fraction, Fraction, Fraction, Fraction])
export type NormBox = Static<typeof NormBox>

/** At least three corners; the last is joined to the first. */
export const NormPolygon = Type.Array(NormPoint, { minItems: 3, maxItems: 64 })
export type NormPolygon = Static<typeof NormPolygon>

/** The name of an edge or device in topics and tables. */
export const DeviceId = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$',
  description: 'letters, digits, - and _, at most 64',
})

/** A random identifier made by `crypto.randomUUID()`. */
export const Uuid = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })

/** SHA-256 in lower-case hexadecimal. */
export const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })

/** Score of a detector or an anomaly model, 0..1. */
export const Score = Type.Number({ minimum: 0, maximum: 1 })

export const Severity = Type.Union([
  Type.Literal('info'),
  Type.Literal('minor'),
  Type.Literal('major'),
  Type.Literal('critical'),
])
export type Severity = Static<typeof Severity>
