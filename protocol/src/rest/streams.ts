import { type Static, Type } from 'typebox'
import { Sensitivity } from '../messages/uplink.ts'
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

/** What cameras of a sensitivity ask of who wants to watch them. */
export const CameraPolicy = Type.Object(
  {
    /** A longer wish is shortened to this. */
    maxMinutes: Type.Integer({ minimum: 1, maximum: 480 }),
    /** Longest span of recorded history that may be asked for at once; 0 for none. */
    maxHistoryMinutes: Type.Integer({ minimum: 0, maximum: 1440 }),
    /** A word on why, besides the purpose. */
    needsNote: Type.Boolean(),
    /** Only for an incident that is not over. */
    needsIncident: Type.Boolean(),
    /** A second person, with `grant.approve` and the camera in their scope, has to agree. */
    needsSecondPerson: Type.Boolean(),
    /**
     * For somebody outside whose scope the camera lies: `no` as if it did not exist; `id` and `name` it may be asked for
     * with a note and a second person, and its id or also its name is shown.
     */
    outside: Type.Union([Type.Literal('no'), Type.Literal('id'), Type.Literal('name')]),
  },
  { additionalProperties: false },
)
export type CameraPolicy = Static<typeof CameraPolicy>
/** GET /api/grant-policies ; PUT /api/grant-policies/:sensitivity takes a CameraPolicy. */
export const GrantPolicies = Type.Object({
  items: Type.Array(
    Type.Object({ sensitivity: Type.Unsafe<Sensitivity>(Sensitivity), policy: CameraPolicy }),
  ),
})
export type GrantPolicies = Static<typeof GrantPolicies>

/** A span of recorded history, wall clock. */
export const HistorySpan = Type.Object(
  { fromMs: EpochMs, toMs: EpochMs },
  { additionalProperties: false, description: 'a span of recorded history; its end comes after its begin' },
)
export type HistorySpan = Static<typeof HistorySpan>

/** POST /api/grants ; answers Grant. `other` needs a note. */
export const NewGrant = Type.Object(
  {
    cameraId: Type.String(),
    purpose: Type.Unsafe<Purpose>(Purpose),
    note: Type.Optional(Type.String({ maxLength: 400 })),
    incidentId: Type.Optional(Type.String()),
    /** How long the grant holds, whatever it is for. */
    minutes: Type.Integer({ minimum: 1, maximum: 480 }),
    /** For what was recorded in this span, instead of for live video. */
    history: Type.Optional(HistorySpan),
  },
  { additionalProperties: false },
)
export type NewGrant = Static<typeof NewGrant>

/** `pending` waits for a second person; the others say how it stands now. */
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
  /** What it is for, if not live video: what was recorded in this span. */
  history: Type.Optional(HistorySpan),
  approverName: Type.Optional(Type.String()),
  /**
   * `/media/live/{grantId}.flv?camera={cameraId}`, or `/media/history/…` for history, where `&at=` and `&speed=` may be
   * added; HTTP-FLV, played with the session cookie only. Present while active.
   */
  playPath: Type.Optional(Type.String()),
})
export type Grant = Static<typeof Grant>
export const GrantList = Type.Object({ items: Type.Array(Grant) })
export type GrantList = Static<typeof GrantList>
export const Approval = Type.Object({ approve: Type.Boolean() }, { additionalProperties: false })
export type Approval = Static<typeof Approval>
