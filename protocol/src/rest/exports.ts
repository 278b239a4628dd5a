import { type Static, Type } from 'typebox'
import { EpochMs, Sha256 } from '../units.ts'
import { HistorySpan } from './streams.ts'

/**
 * POST /media/exports/{grantId}?camera={cameraId} ; answers Export, which is being made. Under a grant for history of
 * the caller's own; without `span` all of it.
 */
export const NewExport = Type.Object(
  {
    /** Why it is taken out; stands in the package. */
    reason: Type.String({ minLength: 1, maxLength: 400, pattern: '\\S' }),
    span: Type.Optional(HistorySpan),
  },
  { additionalProperties: false },
)
export type NewExport = Static<typeof NewExport>

export const ExportState = Type.Union([
  Type.Literal('making'),
  Type.Literal('ready'),
  Type.Literal('failed'),
  /** Its grant has ended: the package is deleted, the record stays. */
  Type.Literal('removed'),
])
export type ExportState = Static<typeof ExportState>

/** GET /api/exports : the caller's own, newest first; with `audit.read` also those of others in their scope. */
export const Export = Type.Object({
  exportId: Type.String(),
  grantId: Type.String(),
  userId: Type.String(),
  userName: Type.String(),
  cameraId: Type.String(),
  cameraName: Type.String(),
  span: HistorySpan,
  reason: Type.String(),
  state: ExportState,
  /** Why it failed. */
  problem: Type.Optional(Type.String()),
  bytes: Type.Optional(Type.Integer()),
  sha256: Type.Optional(Sha256),
  createdAtMs: EpochMs,
  /** A tar file, for the caller's own while its grant holds. */
  downloadPath: Type.Optional(Type.String()),
})
export type Export = Static<typeof Export>
export const ExportList = Type.Object({ items: Type.Array(Export) })
export type ExportList = Static<typeof ExportList>
