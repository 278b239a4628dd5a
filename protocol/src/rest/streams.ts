import { type Static, Type } from 'typebox'
import { Sensitivity } from '../messages/uplink.ts'
import { RegionCode } from '../region.ts'
import { DeviceId, EpochMs } from '../units.ts'

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

/**
 * POST /api/grants ; answers Grant. For a camera or for a group of cameras, one of the two. `other` needs a note. A group
 * asks for what the strictest of its cameras ask for, all together.
 */
export const NewGrant = Type.Object(
  {
    cameraId: Type.Optional(Type.String()),
    groupId: Type.Optional(Type.String()),
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

/** What a grant is for; the name is what the reader may know of it. */
export const GrantTarget = Type.Object({
  kind: Type.Union([Type.Literal('camera'), Type.Literal('group')]),
  id: Type.String(),
  name: Type.String(),
})
export type GrantTarget = Static<typeof GrantTarget>

/** A camera under a grant. */
export const GrantCamera = Type.Object({
  cameraId: Type.String(),
  name: Type.String(),
  /**
   * `/media/live/{grantId}.flv?camera={cameraId}`, or `/media/history/…` for history, where `&at=` and `&speed=` may be
   * added; HTTP-FLV, played with the session cookie only. Present while the grant opens this camera: it is active, and
   * nothing stands against this one of its group.
   */
  playPath: Type.Optional(Type.String()),
})
export type GrantCamera = Static<typeof GrantCamera>

/**
 * GET /api/grants : the caller's own, and those that the caller may approve. DELETE /api/grants/:grantId revokes.
 * POST /api/grants/:grantId/approval {approve: boolean}.
 */
export const Grant = Type.Object({
  grantId: Type.String(),
  userId: Type.String(),
  userName: Type.String(),
  target: GrantTarget,
  /** The target's cameras as they are now: one, or those of the group. */
  cameras: Type.Array(GrantCamera),
  /** `emergency`: given by a plan that was activated. */
  purpose: Type.Union([Type.Unsafe<Purpose>(Purpose), Type.Literal('emergency')]),
  note: Type.String(),
  incidentId: Type.Optional(Type.String()),
  plan: Type.Optional(
    Type.Object({
      planId: Type.String(),
      activationId: Type.String(),
      name: Type.String(),
      isDrill: Type.Boolean(),
    }),
  ),
  /** Of a group: what was asked for, the strictest of its cameras together. */
  policy: Type.Optional(CameraPolicy),
  state: GrantState,
  beginAtMs: EpochMs,
  endAtMs: EpochMs,
  /** What it is for, if not live video: what was recorded in this span. */
  history: Type.Optional(HistorySpan),
  approverName: Type.Optional(Type.String()),
})
export type Grant = Static<typeof Grant>
export const GrantList = Type.Object({ items: Type.Array(Grant) })
export type GrantList = Static<typeof GrantList>
export const Approval = Type.Object({ approve: Type.Boolean() }, { additionalProperties: false })
export type Approval = Static<typeof Approval>

/** GET /api/camera-groups : those inside the caller's scope. */
export const CameraGroup = Type.Object({
  groupId: Type.String(),
  name: Type.String(),
  region: RegionCode,
  cameras: Type.Array(
    Type.Object({
      cameraId: Type.String(),
      name: Type.String(),
      /** `undefined` for a camera that no edge has any more or that lies outside the group's region: it is not opened. */
      sensitivity: Type.Optional(Type.Unsafe<Sensitivity>(Sensitivity)),
    }),
  ),
  /** What the group asks for: the strictest of its cameras together. */
  policy: CameraPolicy,
})
export type CameraGroup = Static<typeof CameraGroup>
export const CameraGroupList = Type.Object({ items: Type.Array(CameraGroup) })
export type CameraGroupList = Static<typeof CameraGroupList>

const GroupName = Type.String({ minLength: 1, maxLength: 80, pattern: '\\S' })
const GroupCameras = Type.Array(DeviceId, { maxItems: 200, uniqueItems: true })

/** POST /api/camera-groups ; every camera has to lie in the region. */
export const NewCameraGroup = Type.Object(
  { name: GroupName, region: RegionCode, cameraIds: GroupCameras },
  { additionalProperties: false },
)
export type NewCameraGroup = Static<typeof NewCameraGroup>

/** PUT /api/camera-groups/:groupId ; a camera that is left out is cut for whoever watches it under the group. */
export const CameraGroupChange = Type.Object(
  { name: GroupName, cameraIds: GroupCameras },
  { additionalProperties: false },
)
export type CameraGroupChange = Static<typeof CameraGroupChange>
