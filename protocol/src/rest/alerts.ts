import { type Static, Type } from 'typebox'
import { AlertRecord } from '../messages/record.ts'
import { EpochMs, Sha256 } from '../units.ts'

export const Evidence = Type.Object({
  evidenceId: Type.String(),
  alertId: Type.Optional(Type.String()),
  dispatchId: Type.Optional(Type.String()),
  role: Type.Union([
    Type.Literal('snapshot'),
    Type.Literal('marked'),
    Type.Literal('clip'),
    Type.Literal('photo'),
  ]),
  mime: Type.String(),
  sha256: Sha256,
  bytes: Type.Integer(),
  /** True once the bytes are at the hub: `GET /api/evidence/:evidenceId` serves them. */
  isStored: Type.Boolean(),
  /** When the bytes were deleted because their time was over; the record stays. */
  deletedAtMs: Type.Optional(EpochMs),
  /** When the hub gave up waiting for the bytes; they are still taken if they come. */
  missingAtMs: Type.Optional(EpochMs),
})
export type Evidence = Static<typeof Evidence>

/** What the hub has of evidence that an edge wants to upload. */
export const UploadProgress = Type.Object({
  isStored: Type.Boolean(),
  /** The next try may begin at this offset (`x-patrolhub-offset`); 0 if it has to begin anew. */
  receivedBytes: Type.Integer({ minimum: 0 }),
})
export type UploadProgress = Static<typeof UploadProgress>

const { kind: _kind, ...alertFields } = AlertRecord.properties

/** An alert as the hub keeps it. */
export const Alert = Type.Object({
  ...alertFields,
  edgeId: Type.String(),
  deviceName: Type.String(),
  receivedAtMs: EpochMs,
  incidentId: Type.String(),
  evidence: Type.Array(Evidence),
})
export type Alert = Static<typeof Alert>

/** GET /api/alerts?limit&before : newest first; `next` is the `before` of the following page. */
export const AlertPage = Type.Object({ items: Type.Array(Alert), next: Type.Optional(Type.String()) })
export type AlertPage = Static<typeof AlertPage>
