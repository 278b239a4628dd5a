/**
 * An incident is the unit that people work on. It moves
 * reported -> accepted -> assigned -> acknowledged -> en_route -> on_scene -> handled -> verified -> closed;
 * `acknowledged` .. `handled` follow its dispatch. `dismissed` ends it as a false alert, with a reason.
 */
import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs, Severity } from '../units.ts'
import { Alert, Evidence } from './alerts.ts'

export const INCIDENT_STATES = [
  'reported',
  'accepted',
  'assigned',
  'acknowledged',
  'en_route',
  'on_scene',
  'handled',
  'verified',
  'closed',
  'dismissed',
] as const
export const IncidentState = Type.Union(INCIDENT_STATES.map((state) => Type.Literal(state)))
export type IncidentState = (typeof INCIDENT_STATES)[number]

export const Incident = Type.Object({
  incidentId: Type.String(),
  /** Short number for people, e.g. 20261122-0007. */
  number: Type.String(),
  region: RegionCode,
  state: Type.Unsafe<IncidentState>(IncidentState),
  severity: Severity,
  rule: Type.String(),
  deviceId: Type.String(),
  deviceKind: Type.Union([Type.Literal('camera'), Type.Literal('checkpoint'), Type.Literal('sensor')]),
  deviceName: Type.String(),
  reason: Type.String(),
  openedAtMs: EpochMs,
  lastAlertAtMs: EpochMs,
  updatedAtMs: EpochMs,
  alertCount: Type.Integer(),
  /** Evidence id of the newest snapshot, if any. */
  snapshotId: Type.Optional(Type.String()),
  isDrill: Type.Boolean(),
  /** Why its evidence is held beyond its time; absent if it is not held. */
  holdReason: Type.Optional(Type.String()),
})
export type Incident = Static<typeof Incident>

export const Transition = Type.Object({
  atMs: EpochMs,
  from: Type.Union([Type.Unsafe<IncidentState>(IncidentState), Type.Null()]),
  to: Type.Unsafe<IncidentState>(IncidentState),
  actorName: Type.String(),
  note: Type.String(),
})
export type Transition = Static<typeof Transition>

/** assigned -> acknowledged -> en_route -> on_scene -> closed; a step may be left out, never gone back. */
export const DISPATCH_STATES = ['assigned', 'acknowledged', 'en_route', 'on_scene', 'closed'] as const
export const DispatchState = Type.Union(DISPATCH_STATES.map((state) => Type.Literal(state)))
export type DispatchState = (typeof DISPATCH_STATES)[number]

export const DispatchStep = Type.Object({
  atMs: EpochMs,
  state: Type.Unsafe<DispatchState>(DispatchState),
  actorName: Type.String(),
  note: Type.String(),
})
export type DispatchStep = Static<typeof DispatchStep>

export const Dispatch = Type.Object({
  dispatchId: Type.String(),
  incident: Incident,
  teamId: Type.String(),
  teamName: Type.String(),
  state: Type.Unsafe<DispatchState>(DispatchState),
  /** What the dispatcher asks the team to do. */
  instruction: Type.String(),
  createdAtMs: EpochMs,
  acknowledgeByMs: EpochMs,
  arriveByMs: EpochMs,
  /** Deadlines that passed before the team had done what they ask; they stay on the books. */
  missed: Type.Array(Type.Union([Type.Literal('acknowledge'), Type.Literal('arrive')])),
  steps: Type.Array(DispatchStep),
  photos: Type.Array(Evidence),
})
export type Dispatch = Static<typeof Dispatch>

/** GET /api/incidents?state=open|ended|all&limit&before : newest first. */
export const IncidentPage = Type.Object({ items: Type.Array(Incident), next: Type.Optional(Type.String()) })
export type IncidentPage = Static<typeof IncidentPage>

/** GET /api/incidents/:incidentId */
export const IncidentDetail = Type.Object({
  incident: Incident,
  alerts: Type.Array(Alert, { description: 'newest first, at most 50' }),
  transitions: Type.Array(Transition),
  dispatches: Type.Array(Dispatch),
  /** States that the caller may move it to by POST …/transitions now. */
  allowed: Type.Array(Type.Unsafe<IncidentState>(IncidentState)),
})
export type IncidentDetail = Static<typeof IncidentDetail>

/** POST /api/incidents/:incidentId/transitions ; `dismissed` needs a note. Answers IncidentDetail. */
export const MoveIncident = Type.Object(
  {
    to: Type.Union([
      Type.Literal('accepted'),
      Type.Literal('verified'),
      Type.Literal('closed'),
      Type.Literal('dismissed'),
    ]),
    note: Type.Optional(Type.String({ maxLength: 1000 })),
  },
  { additionalProperties: false },
)
export type MoveIncident = Static<typeof MoveIncident>

/** POST and DELETE /api/incidents/:incidentId/hold ; both say why. Answer IncidentDetail. */
export const HoldIncident = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 1000, pattern: '\\S' }) },
  { additionalProperties: false },
)
export type HoldIncident = Static<typeof HoldIncident>

/** POST /api/incidents/:incidentId/dispatches ; answers Dispatch. */
export const NewDispatch = Type.Object(
  { teamId: Type.String(), instruction: Type.Optional(Type.String({ maxLength: 1000 })) },
  { additionalProperties: false },
)
export type NewDispatch = Static<typeof NewDispatch>

/**
 * POST /api/dispatches/:dispatchId/steps ; `closed` needs a note. Answers Dispatch.
 * A photo goes first: POST /api/dispatches/:dispatchId/photos, body image/jpeg, image/png or image/webp, answers Evidence.
 * GET /api/dispatches?state=open|ended|all : a patroller sees those of their teams; others those of their scope.
 * GET /api/dispatches/:dispatchId
 */
export const NewStep = Type.Object(
  {
    state: Type.Union([
      Type.Literal('acknowledged'),
      Type.Literal('en_route'),
      Type.Literal('on_scene'),
      Type.Literal('closed'),
    ]),
    note: Type.Optional(Type.String({ maxLength: 1000 })),
  },
  { additionalProperties: false },
)
export type NewStep = Static<typeof NewStep>

export const DispatchList = Type.Object({ items: Type.Array(Dispatch) })
export type DispatchList = Static<typeof DispatchList>

/** GET /api/teams ; POST /api/teams takes NewTeam, answers Team. */
export const TeamKind = Type.Union([
  Type.Literal('professional'),
  Type.Literal('cadre'),
  Type.Literal('volunteer'),
])
export type TeamKind = Static<typeof TeamKind>
export const Team = Type.Object({
  teamId: Type.String(),
  name: Type.String(),
  region: RegionCode,
  kind: TeamKind,
  memberCount: Type.Integer(),
  openDispatches: Type.Integer(),
})
export type Team = Static<typeof Team>
export const NewTeam = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 80 }), region: RegionCode, kind: TeamKind },
  { additionalProperties: false },
)
export type NewTeam = Static<typeof NewTeam>
