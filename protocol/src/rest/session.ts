import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs } from '../units.ts'

export const Role = Type.Union([
  Type.Literal('operator'),
  Type.Literal('supervisor'),
  Type.Literal('patroller'),
  Type.Literal('engineer'),
  Type.Literal('auditor'),
  Type.Literal('administrator'),
])
export type Role = Static<typeof Role>

/** POST /api/session */
export const SignIn = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 64 }),
    password: Type.String({ minLength: 1, maxLength: 200 }),
  },
  { additionalProperties: false },
)
export type SignIn = Static<typeof SignIn>

/** GET /api/session, and the answer to POST. The session itself is an HttpOnly cookie. */
export const Session = Type.Object({
  userId: Type.String(),
  username: Type.String(),
  displayName: Type.String(),
  role: Role,
  scope: RegionCode,
  teamIds: Type.Array(Type.String()),
  /** True until the one-time password has been replaced: nothing else is allowed before. */
  mustChangePassword: Type.Boolean(),
  expiresAtMs: EpochMs,
  /** What this role may do, e.g. `incident.dispatch`: the screen shows only that. The server checks again. */
  permissions: Type.Array(Type.String()),
})
export type Session = Static<typeof Session>

/** POST /api/session/password */
export const ChangePassword = Type.Object(
  { current: Type.String({ maxLength: 200 }), next: Type.String({ minLength: 12, maxLength: 200 }) },
  { additionalProperties: false },
)
export type ChangePassword = Static<typeof ChangePassword>

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
  scope: RegionCode,
  teamIds: Type.Array(Type.String()),
  isDisabled: Type.Boolean(),
})
export type User = Static<typeof User>

export const CreatedUser = Type.Object({ user: User, oneTimePassword: Type.String() })
export type CreatedUser = Static<typeof CreatedUser>

/** Every error answer of the HTTP interface. */
export const ApiError = Type.Object({
  code: Type.String({ description: 'stable, e.g. HUB_OUT_OF_SCOPE' }),
  message: Type.String(),
  details: Type.Optional(Type.Array(Type.String())),
})
export type ApiError = Static<typeof ApiError>
