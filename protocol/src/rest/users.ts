import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs } from '../units.ts'
import { Role } from './session.ts'

const ClockTime = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' })

/** When somebody works, in the time of China; `to` not after `from` means the next morning. Days: 1 Monday … 7 Sunday. */
export const AllowedHours = Type.Array(
  Type.Object(
    {
      days: Type.Array(Type.Integer({ minimum: 1, maximum: 7 }), { minItems: 1, maxItems: 7 }),
      from: ClockTime,
      to: ClockTime,
    },
    { additionalProperties: false },
  ),
  { minItems: 1, maxItems: 14 },
)
export type AllowedHours = Static<typeof AllowedHours>

/** POST /api/users; the answer carries a one-time password. */
export const NewUser = Type.Object(
  {
    username: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{1,63}$' }),
    displayName: Type.String({ minLength: 1, maxLength: 80 }),
    role: Role,
    scope: RegionCode,
    teamIds: Type.Optional(Type.Array(Type.String(), { maxItems: 20 })),
  },
  { additionalProperties: false },
)
export type NewUser = Static<typeof NewUser>

/** GET /api/users (array) */
export const User = Type.Object({
  userId: Type.String(),
  username: Type.String(),
  displayName: Type.String(),
  role: Role,
  roleName: Type.String(),
  scope: RegionCode,
  teamIds: Type.Array(Type.String()),
  isOnDuty: Type.Boolean(),
  hours: Type.Union([AllowedHours, Type.Null()]),
  hasSecondFactor: Type.Boolean(),
  /** Set while too many failed sign-ins keep the account shut. */
  lockedUntilMs: Type.Optional(EpochMs),
  isDisabled: Type.Boolean(),
})
export type User = Static<typeof User>

export const CreatedUser = Type.Object({ user: User, oneTimePassword: Type.String() })
export type CreatedUser = Static<typeof CreatedUser>

/** PATCH /api/users/:userId; what is missing stays. `hours: null`: always. */
export const UserChange = Type.Object(
  {
    displayName: Type.Optional(Type.String({ minLength: 1, maxLength: 80 })),
    role: Type.Optional(Role),
    scope: Type.Optional(RegionCode),
    isOnDuty: Type.Optional(Type.Boolean()),
    hours: Type.Optional(Type.Union([AllowedHours, Type.Null()])),
  },
  { additionalProperties: false, minProperties: 1 },
)
export type UserChange = Static<typeof UserChange>

/** PUT /api/users/:userId/duty */
export const Duty = Type.Object({ isOnDuty: Type.Boolean() }, { additionalProperties: false })
export type Duty = Static<typeof Duty>

/** A session as its owner and the administrators see it. `sessionId` opens nothing. */
export const OpenSession = Type.Object({
  sessionId: Type.String(),
  createdAtMs: EpochMs,
  expiresAtMs: EpochMs,
  address: Type.String(),
  userAgent: Type.String(),
  isCurrent: Type.Boolean(),
})
export type OpenSession = Static<typeof OpenSession>
