/** User accounts: making, listing, disabling, new one-time passwords. */
import { randomUUID } from 'node:crypto'
import type { CreatedUser, NewUser, Role, User } from '@patrolhub/protocol'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Passwords } from './passwords.ts'
import type { Principal } from './principal.ts'
import { inScope, mayReach } from './scope.ts'
import type { Sessions } from './sessions.ts'
import { newOneTimePassword } from './token.ts'

export interface AccountsDeps {
  relational: Relational
  audit: AuditTrail
  passwords: Passwords
  sessions: Sessions
  rootScope: string
  now: () => number
}

export class Accounts {
  readonly #deps: AccountsDeps

  constructor(deps: AccountsDeps) {
    this.#deps = deps
  }

  /** See `Access.ensureAdministrator`. */
  async ensureAdministrator(): Promise<string | undefined> {
    const { relational, rootScope } = this.#deps
    const existing = await relational.read.selectFrom('user_account').select('user_id').limit(1).execute()
    if (existing.length > 0) return undefined
    const { oneTimePassword } = await this.create(undefined, {
      username: 'admin',
      displayName: 'Administrator',
      role: 'administrator',
      scope: rootScope,
    })
    return oneTimePassword
  }

  /** See `Access.createUser`. */
  async create(actor: Principal | undefined, user: NewUser): Promise<CreatedUser> {
    const { relational, audit, passwords, now } = this.#deps
    if (actor && !mayReach(actor, user.scope)) {
      throw new HubError('HUB_OUT_OF_SCOPE', `scope ${user.scope} lies outside yours (${actor.scope})`)
    }
    const oneTimePassword = newOneTimePassword()
    const passwordHash = await passwords.hash(oneTimePassword)
    const userId = randomUUID()
    const teamIds = [...new Set(user.teamIds ?? [])]
    try {
      await relational.write.transaction().execute(async (trx) => {
        await checkTeams(trx, actor, teamIds)
        await trx
          .insertInto('user_account')
          .values({
            user_id: userId,
            username: user.username,
            display_name: user.displayName,
            password_hash: passwordHash,
            must_change_password: 1,
            role: user.role,
            scope: user.scope,
            is_disabled: 0,
            created_at_ms: now(),
          })
          .execute()
        for (const teamId of teamIds) {
          await trx.insertInto('team_member').values({ team_id: teamId, user_id: userId }).execute()
        }
        const { username, role, scope } = user
        const detail = { username, role, scope, teamIds }
        await audit.append(trx, { actor, action: 'user.created', subject: `user:${userId}`, detail })
      })
    } catch (error) {
      if (relational.violation(error) === 'unique') {
        throw new HubError('HUB_CONFLICT', `there is already a user named ${user.username}`, { cause: error })
      }
      throw error
    }
    const { username, displayName, role, scope } = user
    return {
      user: { userId, username, displayName, role, scope, teamIds, isDisabled: false },
      oneTimePassword,
    }
  }

  /** Everybody whose scope lies inside the caller's, by name. */
  async list(actor: Principal): Promise<User[]> {
    const { read } = this.#deps.relational
    const rows = await read
      .selectFrom('user_account')
      .selectAll()
      .where((eb) => inScope(actor, eb.ref('scope')))
      .orderBy('username')
      .execute()
    const members = await read
      .selectFrom('team_member')
      .innerJoin('user_account', 'user_account.user_id', 'team_member.user_id')
      .select(['team_member.user_id', 'team_member.team_id'])
      .where((eb) => inScope(actor, eb.ref('user_account.scope')))
      .orderBy('team_member.team_id')
      .execute()
    const teams = Map.groupBy(members, (member) => member.user_id)
    return rows.map((row) => ({
      userId: row.user_id,
      username: row.username,
      displayName: row.display_name,
      role: row.role as Role,
      scope: row.scope,
      teamIds: (teams.get(row.user_id) ?? []).map((member) => member.team_id),
      isDisabled: row.is_disabled === 1,
    }))
  }

  /** Ends the account's sessions at once and lets nobody in with it. The row stays: the record names it. */
  async disable(actor: Principal, userId: string): Promise<void> {
    if (userId === actor.userId) throw new HubError('HUB_CONFLICT', 'nobody can disable their own account')
    const { relational, audit, sessions } = this.#deps
    const ended = await relational.write.transaction().execute(async (trx) => {
      const { username } = await this.#reachable(trx, actor, userId)
      await trx.updateTable('user_account').set({ is_disabled: 1 }).where('user_id', '=', userId).execute()
      const hashes = await sessions.removeAll(trx, userId)
      const detail = { username, sessionsEnded: hashes.length }
      await audit.append(trx, { actor, action: 'user.disabled', subject: `user:${userId}`, detail })
      return hashes
    })
    sessions.tellEnded(ended, 'disabled')
  }

  /** Ends the account's sessions, gives it a new one-time password and, if it was disabled, enables it again. */
  async resetPassword(actor: Principal, userId: string): Promise<CreatedUser> {
    if (userId === actor.userId) throw new HubError('HUB_CONFLICT', 'change your own password instead')
    const { relational, audit, passwords, sessions } = this.#deps
    await this.#reachable(relational.read, actor, userId)
    const oneTimePassword = newOneTimePassword()
    const passwordHash = await passwords.hash(oneTimePassword)
    const ended = await relational.write.transaction().execute(async (trx) => {
      const { username } = await this.#reachable(trx, actor, userId)
      await trx
        .updateTable('user_account')
        .set({ password_hash: passwordHash, must_change_password: 1, is_disabled: 0 })
        .where('user_id', '=', userId)
        .execute()
      const hashes = await sessions.removeAll(trx, userId)
      const detail = { username, sessionsEnded: hashes.length }
      await audit.append(trx, { actor, action: 'user.password-reset', subject: `user:${userId}`, detail })
      return hashes
    })
    sessions.tellEnded(ended, 'password changed')
    const user = (await this.list(actor)).find((candidate) => candidate.userId === userId)
    if (!user) throw new HubError('HUB_NOT_FOUND', `no user ${userId}`)
    return { user, oneTimePassword }
  }

  async #reachable(db: DbOrTransaction, actor: Principal, userId: string): Promise<{ username: string }> {
    const row = await db
      .selectFrom('user_account')
      .select('username')
      .where('user_id', '=', userId)
      .where((eb) => inScope(actor, eb.ref('scope')))
      .executeTakeFirst()
    if (!row) throw new HubError('HUB_NOT_FOUND', `no user ${userId}`)
    return row
  }
}

async function checkTeams(
  trx: DbOrTransaction,
  actor: Principal | undefined,
  teamIds: readonly string[],
): Promise<void> {
  for (const teamId of teamIds) {
    const team = await trx
      .selectFrom('team')
      .select('region')
      .where('team_id', '=', teamId)
      .executeTakeFirst()
    if (!team || (actor && !mayReach(actor, team.region))) {
      throw new HubError('HUB_NOT_FOUND', `no team ${teamId}`)
    }
  }
}
