/** Roles, decisions with their reasons, second factors, service tokens. */
import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs } from '../units.ts'
import { Role } from './session.ts'

const PermissionName = Type.String({ pattern: '^[a-z-]+\\.[a-z-]+$', maxLength: 60 })
const PermissionNames = Type.Array(PermissionName, { maxItems: 100 })

export const RoleView = Type.Object({
  role: Role,
  name: Type.String(),
  isBuiltIn: Type.Boolean(),
  permissions: Type.Array(Type.String()),
  userCount: Type.Integer(),
})
export type RoleView = Static<typeof RoleView>

/** GET /api/roles: the roles, and every permission that there is. */
export const RoleList = Type.Object({
  roles: Type.Array(RoleView),
  permissions: Type.Array(Type.Object({ permission: Type.String(), meaning: Type.String() })),
})
export type RoleList = Static<typeof RoleList>

/** POST /api/roles */
export const NewRole = Type.Object(
  { role: Role, name: Type.String({ minLength: 1, maxLength: 60 }), permissions: PermissionNames },
  { additionalProperties: false },
)
export type NewRole = Static<typeof NewRole>

/** PUT /api/roles/:role */
export const RoleChange = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 60 }), permissions: PermissionNames },
  { additionalProperties: false },
)
export type RoleChange = Static<typeof RoleChange>

/** Answer of a decision: every rule that was looked at, and what it said. */
export const DecisionView = Type.Object({
  username: Type.String(),
  action: Type.String(),
  /** What it was asked about, in words. */
  about: Type.String(),
  effect: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
  /** What has to be met besides, e.g. a second person who agrees. */
  obligations: Type.Array(
    Type.Union([Type.Literal('second-person'), Type.Literal('note'), Type.Literal('incident')]),
  ),
  checks: Type.Array(
    Type.Object({
      rule: Type.String(),
      ok: Type.Boolean(),
      says: Type.String(),
    }),
  ),
})
export type DecisionView = Static<typeof DecisionView>

/** POST /api/session/second-factor: what an authenticator is given; `uri` is the content of the QR code. */
export const SecondFactorOffer = Type.Object({ secret: Type.String(), uri: Type.String() })
export type SecondFactorOffer = Static<typeof SecondFactorOffer>

/** PUT /api/session/second-factor */
export const SecondFactorCode = Type.Object(
  { code: Type.String({ minLength: 6, maxLength: 40 }) },
  { additionalProperties: false },
)
export type SecondFactorCode = Static<typeof SecondFactorCode>

/** Shown once; each opens the account once when the authenticator is lost. */
export const RecoveryCodes = Type.Object({ recoveryCodes: Type.Array(Type.String()) })
export type RecoveryCodes = Static<typeof RecoveryCodes>

/** DELETE /api/session/second-factor and the like: the password once more. */
export const PasswordAgain = Type.Object(
  { password: Type.String({ minLength: 1, maxLength: 200 }) },
  { additionalProperties: false },
)
export type PasswordAgain = Static<typeof PasswordAgain>

export const ServiceToken = Type.Object({
  tokenId: Type.String(),
  name: Type.String(),
  scope: RegionCode,
  permissions: Type.Array(Type.String()),
  createdByName: Type.String(),
  createdAtMs: EpochMs,
  expiresAtMs: EpochMs,
  revokedAtMs: Type.Optional(EpochMs),
  lastUsedAtMs: Type.Optional(EpochMs),
})
export type ServiceToken = Static<typeof ServiceToken>

/** POST /api/service-tokens */
export const NewServiceToken = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 80 }),
    scope: RegionCode,
    permissions: Type.Array(PermissionName, { minItems: 1, maxItems: 40 }),
    days: Type.Integer({ minimum: 1, maximum: 366 }),
  },
  { additionalProperties: false },
)
export type NewServiceToken = Static<typeof NewServiceToken>

export const CreatedServiceToken = Type.Object({ serviceToken: ServiceToken, token: Type.String() })
export type CreatedServiceToken = Static<typeof CreatedServiceToken>

/** GET /api/session/ways: how one may sign in here. */
export const SignInWays = Type.Object({
  /** Name of the centre's own sign-in (OpenID Connect), if there is one. */
  oidcName: Type.Optional(Type.String()),
})
export type SignInWays = Static<typeof SignInWays>
