import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs } from '../units.ts'

/** The roles that a hub begins with; an administrator may compose more. */
export const BUILT_IN_ROLES = [
  'operator',
  'supervisor',
  'patroller',
  'engineer',
  'auditor',
  'administrator',
] as const
export type BuiltInRole = (typeof BUILT_IN_ROLES)[number]

/** Name of a role: one of `BUILT_IN_ROLES`, or one that an administrator composed. */
export const Role = Type.String({ pattern: '^[a-z][a-z0-9-]{1,39}$' })
export type Role = Static<typeof Role>

/** POST /api/session */
export const SignIn = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 64 }),
    password: Type.String({ minLength: 1, maxLength: 200 }),
    /** Six digits of the authenticator, or a recovery code; asked for with HUB_SECOND_FACTOR. */
    code: Type.Optional(Type.String({ minLength: 1, maxLength: 40 })),
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
  /** The role in words, as whoever composed it named it. */
  roleName: Type.String(),
  scope: RegionCode,
  teamIds: Type.Array(Type.String()),
  /** False: may look, but not act. */
  isOnDuty: Type.Boolean(),
  hasSecondFactor: Type.Boolean(),
  /** True until a second factor that the role needs is set up: nothing else is allowed before. */
  mustEnrolSecondFactor: Type.Boolean(),
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

/** Every error answer of the HTTP interface. */
export const ApiError = Type.Object({
  code: Type.String({ description: 'stable, e.g. HUB_OUT_OF_SCOPE' }),
  message: Type.String(),
  details: Type.Optional(Type.Array(Type.String())),
})
export type ApiError = Static<typeof ApiError>
