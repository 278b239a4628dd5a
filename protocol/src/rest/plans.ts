/** Emergency plans: who commands, which groups of cameras are opened to them, and the activations of a plan. */
import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs, Uuid } from '../units.ts'
import { Grant } from './streams.ts'

/** Somebody in the command: a user by their user name, everybody of a role, everybody of a team. */
const CommandEntry = {
  kind: Type.Union([Type.Literal('user'), Type.Literal('role'), Type.Literal('team')]),
  id: Type.String({ minLength: 1, maxLength: 64 }),
}
const PlanName = Type.String({ minLength: 1, maxLength: 80, pattern: '\\S' })
const WRITTEN = {
  name: PlanName,
  /** Each lies inside the plan's region. */
  groupIds: Type.Array(Uuid, { minItems: 1, maxItems: 20, uniqueItems: true }),
  command: Type.Array(Type.Object(CommandEntry, { additionalProperties: false }), {
    minItems: 1,
    maxItems: 50,
    uniqueItems: true,
  }),
}

/** POST /api/plans */
export const NewPlan = Type.Object({ region: RegionCode, ...WRITTEN }, { additionalProperties: false })
export type NewPlan = Static<typeof NewPlan>

/** PUT /api/plans/:planId ; what was approved has to be approved again. */
export const PlanChange = Type.Object(WRITTEN, { additionalProperties: false })
export type PlanChange = Static<typeof PlanChange>

/** POST /api/plans/:planId/approval : the version that was read, so that nobody agrees to another. */
export const PlanApproval = Type.Object({ writtenAtMs: EpochMs }, { additionalProperties: false })
export type PlanApproval = Static<typeof PlanApproval>

/** POST /api/plans/:planId/activation */
export const NewActivation = Type.Object(
  {
    reason: Type.String({ minLength: 1, maxLength: 400, pattern: '\\S' }),
    /** An exercise: opens the same, and is marked as one everywhere. */
    isDrill: Type.Boolean(),
    /** Without it after seven days, which is also the latest there may be. */
    endAtMs: Type.Optional(EpochMs),
  },
  { additionalProperties: false },
)
export type NewActivation = Static<typeof NewActivation>

export const PlanActivation = Type.Object({
  activationId: Type.String(),
  isDrill: Type.Boolean(),
  reason: Type.String(),
  begunByName: Type.String(),
  beginAtMs: EpochMs,
  /** When it ends by itself. */
  endAtMs: EpochMs,
  /** `undefined` while it is active. */
  endedAtMs: Type.Optional(EpochMs),
})
export type PlanActivation = Static<typeof PlanActivation>

export const Plan = Type.Object({
  planId: Type.String(),
  name: Type.String(),
  region: RegionCode,
  groups: Type.Array(
    Type.Object({ groupId: Type.String(), name: Type.String(), cameraCount: Type.Integer() }),
  ),
  command: Type.Array(Type.Object({ ...CommandEntry, name: Type.String() })),
  writtenById: Type.String(),
  writtenByName: Type.String(),
  writtenAtMs: EpochMs,
  /** Who agreed to it as it stands. */
  approvedByName: Type.Optional(Type.String()),
  /** Some of its cameras stay closed until a second person has agreed to the plan. */
  needsApproval: Type.Boolean(),
  /** Its newest activations, newest first; one that has no `endedAtMs` is active. */
  activations: Type.Array(PlanActivation),
})
export type Plan = Static<typeof Plan>
/** GET /api/plans : those inside the caller's scope. */
export const PlanList = Type.Object({ items: Type.Array(Plan) })
export type PlanList = Static<typeof PlanList>

/** GET /api/plans/:planId/watching : what its activation has opened to whom, and who watches now. */
export const PlanWatching = Type.Object({
  grants: Type.Array(Grant),
  viewings: Type.Array(
    Type.Object({
      viewingId: Type.String(),
      userName: Type.String(),
      cameraId: Type.String(),
      cameraName: Type.String(),
      openedAtMs: EpochMs,
    }),
  ),
})
export type PlanWatching = Static<typeof PlanWatching>
