/** Sessions in the store: opening, finding, ending, and telling who listens. */
import type { AllowedHours, OpenSession } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Db, DbOrTransaction } from '../ports/relational.ts'
import type { SessionEnd, SignedIn } from './access.ts'
import type { Roles } from './roles.ts'
import type { SecondFactors } from './second-factor.ts'
import { hashToken, newToken } from './token.ts'

/** A user's oldest session ends when one more than this is opened. */
const MAX_SESSIONS_PER_USER = 20
const SWEEP_EVERY_MS = 1000

type Listener<A extends unknown[]> = (...args: A) => void

export interface NewSession {
  userId: string
  address: string
  userAgent: string
  /** `provider`: an OpenID provider vouched for the person, second factor included. */
  method: 'password' | 'provider'
}

export interface SessionsOptions {
  read: Db
  write: Db
  log: Logger
  lifeMs: number
  roles: Roles
  secondFactors: SecondFactors
  now: () => number
}

export class Sessions {
  readonly #read: Db
  readonly #write: Db
  readonly #log: Logger
  readonly #lifeMs: number
  readonly #roles: Roles
  readonly #secondFactors: SecondFactors
  readonly #now: () => number
  readonly #endListeners = new Set<Listener<[string[], SessionEnd]>>()
  #timer: NodeJS.Timeout | undefined
  #sweep: Promise<void> | undefined

  constructor(options: SessionsOptions) {
    this.#read = options.read
    this.#write = options.write
    this.#log = options.log
    this.#lifeMs = options.lifeMs
    this.#roles = options.roles
    this.#secondFactors = options.secondFactors
    this.#now = options.now
  }

  /** Makes a session inside the caller's transaction. `replaced` are the hashes of those that had to go: tell of them. */
  async open(
    trx: DbOrTransaction,
    session: NewSession,
  ): Promise<{ token: string; expiresAtMs: number; replaced: string[] }> {
    const token = newToken()
    const createdAtMs = this.#now()
    const expiresAtMs = Math.floor(createdAtMs + this.#lifeMs)
    const older = await trx
      .selectFrom('session')
      .select('token_hash')
      .where('user_id', '=', session.userId)
      .orderBy('created_at_ms', 'desc')
      .orderBy('token_hash')
      .execute()
    const replaced = older.slice(MAX_SESSIONS_PER_USER - 1).map((row) => row.token_hash)
    if (replaced.length > 0) await trx.deleteFrom('session').where('token_hash', 'in', replaced).execute()
    await trx
      .insertInto('session')
      .values({
        token_hash: hashToken(token),
        user_id: session.userId,
        created_at_ms: createdAtMs,
        expires_at_ms: expiresAtMs,
        address: session.address.slice(0, 64),
        user_agent: session.userAgent.slice(0, 200),
        method: session.method,
      })
      .execute()
    return { token, expiresAtMs, replaced }
  }

  /** Who holds this token now, or `undefined`: unknown, expired, or a disabled account. */
  async find(token: string): Promise<SignedIn | undefined> {
    const sessionHash = hashToken(token)
    const askedAtMs = this.#now()
    const rows = await this.#read
      .selectFrom('session')
      .innerJoin('user_account', 'user_account.user_id', 'session.user_id')
      .leftJoin('role', 'role.role_id', 'user_account.role')
      .leftJoin('second_factor', 'second_factor.user_id', 'session.user_id')
      .leftJoin('team_member', 'team_member.user_id', 'session.user_id')
      .select([
        'session.expires_at_ms',
        'session.method',
        'user_account.user_id',
        'user_account.username',
        'user_account.display_name',
        'user_account.role',
        'user_account.scope',
        'user_account.must_change_password',
        'user_account.is_on_duty',
        'user_account.allowed_hours',
        'role.name as role_name',
        'role.is_built_in',
        'second_factor.confirmed_at_ms',
        'team_member.team_id',
      ])
      .where('session.token_hash', '=', sessionHash)
      .where('session.expires_at_ms', '>', askedAtMs)
      .where('user_account.is_disabled', '=', 0)
      .execute()
    const [row] = rows
    if (!row) return undefined
    const permissions = await this.#roles.permissionsOf(this.#read, row.role)
    const hasSecondFactor = row.confirmed_at_ms !== null
    const isVouchedFor = hasSecondFactor || row.method === 'provider'
    return {
      expiresAtMs: row.expires_at_ms,
      principal: {
        userId: row.user_id,
        username: row.username,
        displayName: row.display_name,
        role: row.role,
        roleName: row.role_name ?? row.role,
        permissions,
        scope: row.scope,
        teamIds: rows.flatMap(({ team_id }) => (team_id === null ? [] : [team_id])),
        isOnDuty: row.is_on_duty === 1,
        hours: row.allowed_hours === null ? null : (JSON.parse(row.allowed_hours) as AllowedHours),
        sessionHash,
        mustChangePassword: row.must_change_password === 1,
        hasSecondFactor,
        mustEnrolSecondFactor:
          !isVouchedFor && this.#secondFactors.isRequiredFor(row.role, row.is_built_in === 1, permissions),
        askedAtMs,
      },
    }
  }

  /** A user's sessions, newest first. */
  async list(userId: string, currentHash: string): Promise<OpenSession[]> {
    const rows = await this.#read
      .selectFrom('session')
      .selectAll()
      .where('user_id', '=', userId)
      .where('expires_at_ms', '>', this.#now())
      .orderBy('created_at_ms', 'desc')
      .execute()
    return rows.map((row) => ({
      // The hash of 32 random bytes: it names the session and opens nothing.
      sessionId: row.token_hash,
      createdAtMs: row.created_at_ms,
      expiresAtMs: row.expires_at_ms,
      address: row.address,
      userAgent: row.user_agent,
      isCurrent: row.token_hash === currentHash,
    }))
  }

  /** Deletes one session of a user, or all but one, inside the caller's transaction; answers their hashes. */
  async remove(
    trx: DbOrTransaction,
    userId: string,
    which: { only: string } | { allBut: string },
  ): Promise<string[]> {
    const [operator, hash] = 'only' in which ? (['=', which.only] as const) : (['<>', which.allBut] as const)
    const rows = await trx
      .deleteFrom('session')
      .where('user_id', '=', userId)
      .where('token_hash', operator, hash)
      .returning('token_hash')
      .execute()
    return rows.map((row) => row.token_hash)
  }

  /** Deletes all sessions of a user inside the caller's transaction and answers their hashes: tell of them afterwards. */
  async removeAll(trx: DbOrTransaction, userId: string): Promise<string[]> {
    const rows = await trx.selectFrom('session').select('token_hash').where('user_id', '=', userId).execute()
    await trx.deleteFrom('session').where('user_id', '=', userId).execute()
    return rows.map((row) => row.token_hash)
  }

  onEnded(listener: Listener<[string[], SessionEnd]>): () => void {
    this.#endListeners.add(listener)
    return () => this.#endListeners.delete(listener)
  }

  tellEnded(sessionHashes: string[], reason: SessionEnd): void {
    if (sessionHashes.length === 0) return
    for (const listener of this.#endListeners) {
      try {
        listener(sessionHashes, reason)
      } catch (error) {
        // One listener's fault must not leave another's stream open.
        this.#log.error({ err: error }, 'a listener for ended sessions failed')
      }
    }
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#sweep ??= this.#endExpired()
        .catch((error) => this.#log.warn({ err: error }, 'expired sessions could not be ended'))
        .finally(() => {
          this.#sweep = undefined
        })
    }, SWEEP_EVERY_MS)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#sweep
  }

  async #endExpired(): Promise<void> {
    const rows = await this.#read
      .selectFrom('session')
      .select('token_hash')
      .where('expires_at_ms', '<=', this.#now())
      .limit(500)
      .execute()
    const hashes = rows.map((row) => row.token_hash)
    if (hashes.length === 0) return
    await this.#write.deleteFrom('session').where('token_hash', 'in', hashes).execute()
    this.tellEnded(hashes, 'expired')
  }
}
