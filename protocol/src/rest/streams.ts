import { type Static, Type } from 'typebox'
import { EpochMs } from '../units.ts'

export const PURPOSES = [
  'alert_check',
  'incident_handling',
  'patrol_support',
  'maintenance',
  'other',
] as const
export const Purpose = Type.Union(PURPOSES.map((purpose) => Type.Literal(purpose)))
export type Purpose = (typeof PURPOSES)[number]

/** POST /api/grants ; answers Grant. `other` needs a note. */
export const NewGrant = Type.Object(
  {
    cameraId: Type.String(),
    purpose: Type.Unsafe<Purpose>(Purpose),
    note: Type.Optional(Type.String({ maxLength: 400 })),
    incidentId: Type.Optional(Type.String()),
    minutes: Type.Integer({ minimum: 1, maximum: 480 }),
  },
  { additionalProperties: false },
)
export type NewGrant = Static<typeof NewGrant>

/** `pending` waits for a second person (camera `restricted`); the others say how it stands now. */
export const GrantState = Type.Union([
  Type.Literal('pending'),
  Type.Literal('active'),
  Type.Literal('expired'),
  Type.Literal('revoked'),
  Type.Literal('refused'),
])
export type GrantState = Static<typeof GrantState>

/**
 * GET /api/grants : the caller's own, and those that the caller may approve. DELETE /api/grants/:grantId revokes.
 * POST /api/grants/:grantId/approval {approve: boolean}.
 */
export const Grant = Type.Object({
  grantId: Type.String(),
  userId: Type.String(),
  userName: Type.String(),
  cameraId: Type.String(),
  cameraName: Type.String(),
  purpose: Type.Unsafe<Purpose>(Purpose),
  note: Type.String(),
  incidentId: Type.Optional(Type.String()),
  state: GrantState,
  beginAtMs: EpochMs,
  endAtMs: EpochMs,
  approverName: Type.Optional(Type.String()),
  /** `/media/live/{grantId}.flv?camera={cameraId}`, HTTP-FLV; played with the session cookie only. Present while active. */
  playPath: Type.Optional(Type.String()),
})
export type Grant = Static<typeof Grant>
export const GrantList = Type.Object({ items: Type.Array(Grant) })
export type GrantList = Static<typeof GrantList>
export const Approval = Type.Object({ approve: Type.Boolean() }, { additionalProperties: false })
export type Approval = Static<typeof Approval>
