/** User accounts: making, listing, changing, disabling, unlocking, new one-time passwords. */
import { randomUUID } from 'node:crypto'
import type { AllowedHours, CreatedUser, NewUser, OpenSession, User, UserChange } from '@patrolhub/protocol'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import { may } from './decide.ts'
import type { Passwords } from './passwords.ts'
import type { Permission } from './permissions.ts'
import type { Principal } from './principal.ts'
import type { Roles } from './roles.ts'
import { inScope } from './scope.ts'
import type { SecondFactors } from './second-factor.ts'
import type { Sessions } from './sessions.ts'
import { accountKey, type SignInLimits } from './sign-in-limits.ts'
import { newOneTimePassword } from './token.ts'

export interface AccountsDeps {
  relational: Relational
  audit: AuditTrail
  passwords: Passwords
  sessions: Sessions
  roles: Roles
  secondFactors: SecondFactors
  limits: SignInLimits
  rootScope: string
  now: () => number
  /** Tells that what these users may do has changed though their sessions go on. */
  usersChanged(userIds: string[]): void
}

interface Reached {
  username: string
  role: string
  scope: string
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
    try {
      const { oneTimePassword } = await this.create(undefined, {
        username: 'admin',
        displayName: 'Administrator',
        role: 'administrator',
        scope: rootScope,
      })
      return oneTimePassword
    } catch (error) {
      // Another hub on the same database, started at the same moment, was faster.
      if (error instanceof HubError && error.code === 'HUB_CONFLICT') return undefined
      throw error
    }
  }

  /** See `Access.createUser`. */
  async create(actor: Principal | undefined, user: NewUser): Promise<CreatedUser> {
    const { passwords, relational } = this.#deps
    requireReach(actor, 'user.write', user.scope)
    await this.#deps.roles.seed()
    // Before the hash, which takes long; and again with it, in the transaction.
    await this.#deps.roles.requireGivable(relational.read, actor, user.role)
    const oneTimePassword = newOneTimePassword()
    const passwordHash = await passwords.hash(oneTimePassword)
    const userId = await relational.write
      .transaction()
      .execute((trx) => this.insert(trx, actor, user, { passwordHash, mustChange: true }))
      .catch((error) => {
        if (relational.violation(error) !== 'unique') throw error
        throw new HubError('HUB_CONFLICT', `there is already a user named ${user.username}`, { cause: error })
      })
    return { user: await this.#view(userId), oneTimePassword }
  }

  /** Writes the row and the record inside the caller's transaction; answers the id. An empty hash: no password fits. */
  async insert(
    trx: DbOrTransaction,
    actor: Principal | undefined,
    user: NewUser,
    password: { passwordHash: string; mustChange: boolean },
  ): Promise<string> {
    const { audit, roles, now } = this.#deps
    const userId = randomUUID()
    const teamIds = [...new Set(user.teamIds ?? [])]
    await roles.requireGivable(trx, actor, user.role)
    await checkTeams(trx, actor, teamIds)
    await trx
      .insertInto('user_account')
      .values({
        user_id: userId,
        username: user.username,
        display_name: user.displayName,
        password_hash: password.passwordHash,
        must_change_password: password.mustChange ? 1 : 0,
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
    return userId
  }

  /** Everybody whose scope lies inside the caller's, by name. */
  list(actor: Principal): Promise<User[]> {
    return this.#views(actor.scope)
  }

  /**
   * Changes name, role, scope, duty or hours; sessions, sockets and grants follow at once. Throws HUB_NOT_FOUND,
   * HUB_OUT_OF_SCOPE, HUB_FORBIDDEN for power that the actor does not have, and HUB_CONFLICT for one's own role, scope
   * or hours: nobody raises themselves, and somebody who can repair it always stays.
   */
  async change(actor: Principal, userId: string, change: UserChange): Promise<User> {
    const { relational, audit, roles, usersChanged } = this.#deps
    const { displayName, role, scope, isOnDuty, hours } = change
    const touchesPower = role !== undefined || scope !== undefined || hours !== undefined
    if (userId === actor.userId && touchesPower) {
      throw new HubError('HUB_CONFLICT', 'nobody changes their own role, scope or hours')
    }
    if (scope !== undefined) requireReach(actor, 'user.write', scope)
    await relational.write.transaction().execute(async (trx) => {
      const before = await this.#reachable(trx, actor, userId)
      if (role !== undefined) await roles.requireGivable(trx, actor, role)
      const values = {
        ...(displayName === undefined ? {} : { display_name: displayName }),
        ...(role === undefined ? {} : { role }),
        ...(scope === undefined ? {} : { scope }),
        ...(isOnDuty === undefined ? {} : { is_on_duty: isOnDuty ? (1 as const) : (0 as const) }),
        ...(hours === undefined ? {} : { allowed_hours: hours === null ? null : JSON.stringify(hours) }),
      }
      await trx.updateTable('user_account').set(values).where('user_id', '=', userId).execute()
      const detail = {
        username: before.username,
        ...change,
        ...(role === undefined ? {} : { roleBefore: before.role }),
        ...(scope === undefined ? {} : { scopeBefore: before.scope }),
      }
      await audit.append(trx, { actor, action: 'user.changed', subject: `user:${userId}`, detail })
    })
    usersChanged([userId])
    return this.#view(userId)
  }

  /** Says who is on duty; also of oneself. Throws HUB_NOT_FOUND. */
  async setDuty(actor: Principal, userId: string, isOnDuty: boolean): Promise<void> {
    const { relational, audit, usersChanged } = this.#deps
    await relational.write.transaction().execute(async (trx) => {
      const { username } = await inReach(trx, actor, userId)
      await trx
        .updateTable('user_account')
        .set({ is_on_duty: isOnDuty ? 1 : 0 })
        .where('user_id', '=', userId)
        .execute()
      const detail = { username, isOnDuty }
      await audit.append(trx, { actor, action: 'user.duty-set', subject: `user:${userId}`, detail })
    })
    usersChanged([userId])
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

  /** Ends the account's sessions, gives it a new one-time password, opens it and, if it was disabled, enables it. */
  async resetPassword(actor: Principal, userId: string): Promise<CreatedUser> {
    if (userId === actor.userId) throw new HubError('HUB_CONFLICT', 'change your own password instead')
    const { relational, audit, passwords, sessions, limits } = this.#deps
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
      await limits.unlock(trx, accountKey(userId))
      const hashes = await sessions.removeAll(trx, userId)
      const detail = { username, sessionsEnded: hashes.length }
      await audit.append(trx, { actor, action: 'user.password-reset', subject: `user:${userId}`, detail })
      return hashes
    })
    sessions.tellEnded(ended, 'password changed')
    return { user: await this.#view(userId), oneTimePassword }
  }

  /** Forgets the failed sign-ins that keep an account shut. Throws HUB_NOT_FOUND. */
  async unlock(actor: Principal, userId: string): Promise<void> {
    const { relational, audit, limits } = this.#deps
    await relational.write.transaction().execute(async (trx) => {
      const { username } = await this.#reachable(trx, actor, userId)
      await limits.unlock(trx, accountKey(userId))
      const detail = { username }
      await audit.append(trx, { actor, action: 'user.unlocked', subject: `user:${userId}`, detail })
    })
  }

  /** For somebody who has lost authenticator and recovery codes: both go, and the sessions end. */
  async removeSecondFactor(actor: Principal, userId: string): Promise<void> {
    if (userId === actor.userId) throw new HubError('HUB_CONFLICT', 'remove your own on the account page')
    const { relational, audit, sessions, secondFactors } = this.#deps
    const ended = await relational.write.transaction().execute(async (trx) => {
      const { username } = await this.#reachable(trx, actor, userId)
      const hadOne = await secondFactors.remove(trx, userId)
      if (!hadOne) throw new HubError('HUB_CONFLICT', `${username} has no second factor`)
      const hashes = await sessions.removeAll(trx, userId)
      const detail = { username, sessionsEnded: hashes.length }
      const subject = `user:${userId}`
      await audit.append(trx, { actor, action: 'user.second-factor-removed', subject, detail })
      return hashes
    })
    sessions.tellEnded(ended, 'revoked')
  }

  /** Throws HUB_NOT_FOUND. */
  async sessionsOf(actor: Principal, userId: string): Promise<OpenSession[]> {
    await inReach(this.#deps.relational.read, actor, userId)
    return this.#deps.sessions.list(userId, actor.sessionHash)
  }

  /** Ends a session of somebody, or all of them without `sessionId`. Throws HUB_NOT_FOUND. */
  async endSessions(actor: Principal, userId: string, sessionId?: string): Promise<void> {
    const { relational, audit, sessions } = this.#deps
    const ended = await relational.write.transaction().execute(async (trx) => {
      const { username } = await this.#reachable(trx, actor, userId)
      const which = sessionId === undefined ? { allBut: '' } : { only: sessionId }
      const hashes = await sessions.remove(trx, userId, which)
      if (sessionId !== undefined && hashes.length === 0) {
        throw new HubError('HUB_NOT_FOUND', 'no such session')
      }
      const detail = { username, sessionsEnded: hashes.length }
      await audit.append(trx, { actor, action: 'user.sessions-ended', subject: `user:${userId}`, detail })
      return hashes
    })
    sessions.tellEnded(ended, 'revoked')
  }

  /** Inside the scope, and with no power that the actor does not have. */
  async #reachable(db: DbOrTransaction, actor: Principal, userId: string): Promise<Reached> {
    const user = await inReach(db, actor, userId)
    await this.#deps.roles.requireGivable(db, actor, user.role)
    return user
  }

  async #view(userId: string): Promise<User> {
    const user = (await this.#views(undefined, userId))[0]
    if (!user) throw new HubError('HUB_NOT_FOUND', `no user ${userId}`)
    return user
  }

  async #views(scope: string | undefined, userId?: string): Promise<User[]> {
    const { relational, limits, now } = this.#deps
    const { read } = relational
    let query = read
      .selectFrom('user_account')
      .leftJoin('role', 'role.role_id', 'user_account.role')
      .leftJoin('second_factor', 'second_factor.user_id', 'user_account.user_id')
      .selectAll('user_account')
      .select(['role.name as role_name', 'second_factor.confirmed_at_ms'])
      .orderBy('username')
    let membership = read.selectFrom('team_member').selectAll().orderBy('team_id')
    if (scope !== undefined) query = query.where((eb) => inScope({ scope }, eb.ref('user_account.scope')))
    if (userId !== undefined) {
      query = query.where('user_account.user_id', '=', userId)
      membership = membership.where('user_id', '=', userId)
    }
    const rows = await query.execute()
    const teams = Map.groupBy(await membership.execute(), (member) => member.user_id)
    const keys = rows.map((row) => accountKey(row.user_id))
    const locked = await limits.lockedUntil(read, keys, now())
    return rows.map((row) => {
      const lockedUntilMs = locked.get(accountKey(row.user_id))
      return {
        userId: row.user_id,
        username: row.username,
        displayName: row.display_name,
        role: row.role,
        roleName: row.role_name ?? row.role,
        scope: row.scope,
        teamIds: (teams.get(row.user_id) ?? []).map((member) => member.team_id),
        isOnDuty: row.is_on_duty === 1,
        hours: row.allowed_hours === null ? null : (JSON.parse(row.allowed_hours) as AllowedHours),
        hasSecondFactor: row.confirmed_at_ms !== null,
        ...(lockedUntilMs === undefined ? {} : { lockedUntilMs }),
        isDisabled: row.is_disabled === 1,
      }
    })
  }
}

async function inReach(db: DbOrTransaction, actor: Principal, userId: string): Promise<Reached> {
  const row = await db
    .selectFrom('user_account')
    .select(['username', 'role', 'scope'])
    .where('user_id', '=', userId)
    .where((eb) => inScope(actor, eb.ref('scope')))
    .executeTakeFirst()
  if (!row) throw new HubError('HUB_NOT_FOUND', `no user ${userId}`)
  return row
}

function requireReach(actor: Principal | undefined, permission: Permission, scope: string): void {
  if (actor && !may(actor, permission, { region: scope })) {
    throw new HubError('HUB_OUT_OF_SCOPE', `scope ${scope} lies outside yours (${actor.scope})`)
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
    if (!team || (actor && !may(actor, 'user.write', { region: team.region }))) {
      throw new HubError('HUB_NOT_FOUND', `no team ${teamId}`)
    }
  }
}
