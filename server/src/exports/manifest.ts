/** What an exported package says about itself. `manifest.json` holds it, `manifest.sig` the signature over those very bytes. */
import { EpochMs, HistorySpan, Sha256, Uuid } from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'

export const MANIFEST = 'manifest.json'
export const SIGNATURE = 'manifest.sig'
/** Both are small. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

export const PackedFile = Type.Object({
  name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' }),
  bytes: Type.Integer({ minimum: 0 }),
  sha256: Sha256,
})
export type PackedFile = Static<typeof PackedFile>

export const ExportManifest = Type.Object({
  format: Type.Literal('patrolhub-export/1'),
  exportId: Uuid,
  camera: Type.Object({ cameraId: Type.String(), name: Type.String(), region: Type.String() }),
  /** What was asked for; `clips` says what was recorded of it. */
  span: HistorySpan,
  /** The wall clock of the edge at the first picture of each clip, and at the end of what was recorded then. */
  clips: Type.Array(Type.Object({ file: Type.String(), fromMs: EpochMs, toMs: EpochMs })),
  exportedBy: Type.Object({ userId: Type.String(), username: Type.String(), displayName: Type.String() }),
  exportedAtMs: EpochMs,
  reason: Type.String(),
  grant: Type.Object({
    grantId: Type.String(),
    purpose: Type.String(),
    note: Type.String(),
    incidentId: Type.Optional(Type.String()),
    approvedBy: Type.Optional(Type.String()),
    beginAtMs: EpochMs,
    endAtMs: EpochMs,
  }),
  hub: Type.Object({ hubId: Type.String(), rootScope: Type.String() }),
  /** The entry `export.made` of the hub's record. */
  audit: Type.Object({ seq: Type.Integer({ minimum: 1 }), hash: Sha256 }),
  /** Everything else in the package. */
  files: Type.Array(PackedFile),
  key: Type.Object({
    algorithm: Type.Literal('Ed25519'),
    publicKey: Type.String(),
    fingerprint: Sha256,
  }),
})
export type ExportManifest = Static<typeof ExportManifest>
