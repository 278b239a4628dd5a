/** Tables of the access feature that came after the first ones; see tables.ts for the rules. */
import type { ColumnType } from 'kysely'

type Flag = 0 | 1
type Fixed<T> = ColumnType<T, T, never>

export interface RoleTable {
  role_id: Fixed<string>
  name: string
  is_built_in: Flag
}

export interface RolePermissionTable {
  role_id: string
  permission: string
}

/** Permissions that this store has met: a new one is given to the built-in roles once, later changes stay. */
export interface PermissionSeenTable {
  permission: Fixed<string>
}

export interface SecondFactorTable {
  user_id: Fixed<string>
  /** Encrypted, see access/sealing.ts. */
  secret_sealed: string
  /** `null` until the first right code: not asked for before. */
  confirmed_at_ms: number | null
  /** Time step of the newest code that was taken (RFC 6238): it and older ones are never taken again. */
  last_step: number
}

export interface RecoveryCodeTable {
  code_hash: Fixed<string>
  user_id: string
}

/** Failed sign-ins by account, and by account and address. */
export interface SignInCountTable {
  key: Fixed<string>
  failures: number
  ends_at_ms: number
}

export interface ServiceTokenTable {
  token_id: Fixed<string>
  name: string
  token_hash: string
  scope: string
  /** JSON array. */
  permissions: string
  created_by: string
  created_at_ms: number
  expires_at_ms: number
  revoked_at_ms: number | null
  last_used_at_ms: number | null
}

/** Who somebody is at an OpenID provider. */
export interface ExternalIdentityTable {
  issuer: string
  subject: string
  user_id: string
  /** 1: role and scope are taken from the provider's claims at every sign-in; 0: an administrator says them. */
  follows_claims: Flag
}

/** A sign-in at an OpenID provider that has begun and not come back yet. */
export interface SignInFlowTable {
  /** SHA-256 of the secret in the browser's cookie. */
  flow_hash: Fixed<string>
  state: string
  nonce: string
  code_verifier: string
  expires_at_ms: number
}

export interface AccessTables {
  role: RoleTable
  role_permission: RolePermissionTable
  permission_seen: PermissionSeenTable
  second_factor: SecondFactorTable
  recovery_code: RecoveryCodeTable
  sign_in_count: SignInCountTable
  service_token: ServiceTokenTable
  external_identity: ExternalIdentityTable
  sign_in_flow: SignInFlowTable
}
