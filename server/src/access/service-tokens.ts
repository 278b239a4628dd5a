/** Service tokens: how another system of the centre reads from the hub. Kept as a hash, shown once, ended at once. */
import { randomUUID } from 'node:crypto'
import type { CreatedServiceToken, NewServiceToken, ServiceToken } from '@patrolhub/protocol'
import type { Selectable } from 'kysely'
import { HubError } from '../errors.ts'
import type { ServiceTokenTable } from '../ports/access-tables.ts'
import type { Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import { may } from './decide.ts'
import { FOR_SERVICES, isPermission } from './permissions.ts'
import type { Principal } from './principal.ts'
import { inScope } from './scope.ts'
import { hashToken, newToken } from './token.ts'

/** So that scanners for leaked secrets know one when they see it. */
const PREFIX = 'phs_'
const DAY_MS = 86_400_000
/** The time of the last use is written at most this often. */
const USE_NOTED_EVERY_MS = 60_000

export interface ServiceTokensDeps {
  relational: Relational
  audit: AuditTrail
  now: () => number
}

export class ServiceTokens {
  readonly #deps: ServiceTokensDeps

  constructor(deps: ServiceTokensDeps) {
    this.#deps = deps
  }

  /**
   * Throws HUB_OUT_OF_SCOPE; HUB_BAD_REQUEST for a permission that no token may have; HUB_FORBIDDEN for one that the
   * maker does not have.
   */
  async create(actor: Principal, wish: NewServiceToken): Promise<CreatedServiceToken> {
    const { relational, audit, now } = this.#deps
    if (!may(actor, 'token.write', { region: wish.scope })) {
      throw new HubError('HUB_OUT_OF_SCOPE', `scope ${wish.scope} lies outside yours (${actor.scope})`)
    }
    const permissions = [...new Set(wish.permissions)].sort()
    const wrong = permissions.filter((name) => !isPermission(name) || !FOR_SERVICES.has(name))
    if (wrong.length > 0) {
      throw new HubError('HUB_BAD_REQUEST', `a service token cannot have ${wrong.join(', ')}`, {
        details: [`/permissions: allowed are ${[...FOR_SERVICES].join(', ')}`],
      })
    }
    const missing = permissions.filter((name) => isPermission(name) && !actor.permissions.has(name))
    if (missing.length > 0) {
      throw new HubError('HUB_FORBIDDEN', `you do not have ${missing.join(', ')} yourself`)
    }
    const token = PREFIX + newToken()
    const row = {
      token_id: randomUUID(),
      name: wish.name,
      token_hash: hashToken(token),
      scope: wish.scope,
      permissions: JSON.stringify(permissions),
      created_by: actor.userId,
      created_at_ms: now(),
      expires_at_ms: now() + wish.days * DAY_MS,
      revoked_at_ms: null,
      last_used_at_ms: null,
    }
    await relational.write.transaction().execute(async (trx) => {
      await trx.insertInto('service_token').values(row).execute()
      const { name, scope, days } = wish
      const detail = { name, scope, days, permissions }
      await audit.append(trx, { actor, action: 'token.created', subject: `token:${row.token_id}`, detail })
    })
    return { serviceToken: viewOf({ ...row, created_by_name: actor.displayName }), token }
  }

  /** Those whose scope lies inside the caller's, newest first; ended ones too. */
  async list(actor: Principal): Promise<ServiceToken[]> {
    const rows = await this.#deps.relational.read
      .selectFrom('service_token')
      .innerJoin('user_account', 'user_account.user_id', 'service_token.created_by')
      .selectAll('service_token')
      .select('user_account.display_name as created_by_name')
      .where((eb) => inScope(actor, eb.ref('service_token.scope')))
      .orderBy('service_token.created_at_ms', 'desc')
      .limit(500)
      .execute()
    return rows.map(viewOf)
  }

  /** From the next request on. A second time changes nothing. Throws HUB_NOT_FOUND. */
  async revoke(actor: Principal, tokenId: string): Promise<void> {
    const { relational, audit, now } = this.#deps
    await relational.write.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('service_token')
        .select(['name', 'revoked_at_ms'])
        .where('token_id', '=', tokenId)
        .where((eb) => inScope(actor, eb.ref('scope')))
        .executeTakeFirst()
      if (!row) throw new HubError('HUB_NOT_FOUND', `no service token ${tokenId}`)
      if (row.revoked_at_ms !== null) return
      await trx
        .updateTable('service_token')
        .set({ revoked_at_ms: now() })
        .where('token_id', '=', tokenId)
        .execute()
      const detail = { name: row.name }
      await audit.append(trx, { actor, action: 'token.revoked', subject: `token:${tokenId}`, detail })
    })
  }

  /** The service behind `Authorization: Bearer phs_…`, or `undefined`: unknown, revoked or over. */
  async find(authorization: string | undefined): Promise<Principal | undefined> {
    const match = /^Bearer (phs_[\w-]{43})$/i.exec(authorization ?? '')
    if (!match) return undefined
    const { relational, now } = this.#deps
    const nowMs = now()
    const row = await relational.read
      .selectFrom('service_token')
      .selectAll()
      .where('token_hash', '=', hashToken(match[1]!))
      .where('revoked_at_ms', 'is', null)
      .where('expires_at_ms', '>', nowMs)
      .executeTakeFirst()
    if (!row) return undefined
    if ((row.last_used_at_ms ?? 0) < nowMs - USE_NOTED_EVERY_MS) {
      await relational.write
        .updateTable('service_token')
        .set({ last_used_at_ms: nowMs })
        .where('token_id', '=', row.token_id)
        .execute()
    }
    const granted = JSON.parse(row.permissions) as string[]
    return {
      userId: `token:${row.token_id}`,
      username: row.name,
      displayName: row.name,
      role: 'service',
      roleName: 'service',
      permissions: new Set(granted.filter(isPermission)),
      scope: row.scope,
      teamIds: [],
      isOnDuty: true,
      hours: null,
      sessionHash: '',
      mustChangePassword: false,
      hasSecondFactor: false,
      mustEnrolSecondFactor: false,
      askedAtMs: nowMs,
    }
  }
}

function viewOf(row: Selectable<ServiceTokenTable> & { created_by_name: string }): ServiceToken {
  return {
    tokenId: row.token_id,
    name: row.name,
    scope: row.scope,
    permissions: JSON.parse(row.permissions) as string[],
    createdByName: row.created_by_name,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    ...(row.revoked_at_ms === null ? {} : { revokedAtMs: row.revoked_at_ms }),
    ...(row.last_used_at_ms === null ? {} : { lastUsedAtMs: row.last_used_at_ms }),
  }
}
