/** Signing in and out, and changing one's own password. */
import type { Logger } from 'pino'
import { HubError } from '../errors.ts'
import type { Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Passwords } from './passwords.ts'
import type { Principal } from './principal.ts'
import type { Sessions } from './sessions.ts'
import type { SignInLimits } from './sign-in-limits.ts'

export interface SigningInDeps {
  relational: Relational
  audit: AuditTrail
  passwords: Passwords
  sessions: Sessions
  limits: SignInLimits
  log: Logger
  now: () => number
}

export interface From {
  address: string
  userAgent: string
}

export interface OpenedSession {
  token: string
  expiresAtMs: number
}

export type SignInOutcome = ({ ok: true } & OpenedSession) | { ok: false; waitSeconds: number }

export class SigningIn {
  readonly #deps: SigningInDeps

  constructor(deps: SigningInDeps) {
    this.#deps = deps
  }

  /**
   * Opens a session. Throws HUB_BAD_CREDENTIALS, the same for an unknown name, a wrong password and a disabled account;
   * answers the seconds to wait when there were too many failures.
   */
  async signIn(username: string, password: string, from: From): Promise<SignInOutcome> {
    const { relational, audit, passwords, sessions, limits, now } = this.#deps
    const attempt = { username, address: from.address }
    const waitSeconds = limits.take(attempt, now())
    if (waitSeconds > 0) return { ok: false, waitSeconds }
    const account = await relational.read
      .selectFrom('user_account')
      .select(['user_id', 'password_hash'])
      .where('username', '=', username)
      .where('is_disabled', '=', 0)
      .executeTakeFirst()
    const fits = await passwords.verify(password, account?.password_hash)

    const opened = await relational.write.transaction().execute(async (trx) => {
      // Checked again here: the account may have been disabled, or its password changed, while scrypt ran.
      const row = await trx
        .selectFrom('user_account')
        .selectAll()
        .where('username', '=', username)
        .executeTakeFirst()
      const isAllowed = fits && row?.is_disabled === 0 && row.password_hash === account?.password_hash
      if (!isAllowed) {
        await audit.append(trx, {
          actor: undefined,
          action: 'session.refused',
          // People type passwords into the wrong field: a name is kept only if it is one.
          subject: row ? `user:${row.user_id}` : 'user:unknown',
          detail: row ? { username, address: from.address } : { address: from.address },
        })
        return undefined
      }
      const session = await sessions.open(trx, { userId: row.user_id, ...from })
      await audit.append(trx, {
        actor: principalOf(row),
        action: 'session.opened',
        subject: `user:${row.user_id}`,
        detail: { username, address: from.address },
      })
      return session
    })
    if (!opened) throw new HubError('HUB_BAD_CREDENTIALS', 'user name or password is wrong')
    limits.forgive(attempt)
    sessions.tellEnded(opened.replaced, 'replaced')
    return { ok: true, token: opened.token, expiresAtMs: opened.expiresAtMs }
  }

  async signOut(principal: Principal): Promise<void> {
    const { relational, audit, sessions } = this.#deps
    await relational.write.transaction().execute(async (trx) => {
      await trx.deleteFrom('session').where('token_hash', '=', principal.sessionHash).execute()
      const subject = `user:${principal.userId}`
      await audit.append(trx, { actor: principal, action: 'session.signed-out', subject, detail: {} })
    })
    sessions.tellEnded([principal.sessionHash], 'signed out')
  }

  /**
   * Replaces the caller's password, ends all their sessions and opens a new one for the caller. A wrong current
   * password counts like a failed sign-in. Throws HUB_BAD_CREDENTIALS or HUB_BAD_REQUEST.
   */
  async changePassword(
    principal: Principal,
    passwordsOf: { current: string; next: string },
    from: From,
  ): Promise<SignInOutcome> {
    const { relational, audit, passwords, sessions, limits, now } = this.#deps
    const { current, next } = passwordsOf
    checkNewPassword(principal, current, next)
    const attempt = { username: principal.username, address: from.address }
    const waitSeconds = limits.take(attempt, now())
    if (waitSeconds > 0) return { ok: false, waitSeconds }
    const { userId } = principal
    const account = await relational.read
      .selectFrom('user_account')
      .select('password_hash')
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow()
    if (!(await passwords.verify(current, account.password_hash))) {
      throw new HubError('HUB_BAD_CREDENTIALS', 'the current password is wrong')
    }
    limits.forgive(attempt)
    const nextHash = await passwords.hash(next)

    const { ended, opened } = await relational.write.transaction().execute(async (trx) => {
      const changed = await trx
        .updateTable('user_account')
        .set({ password_hash: nextHash, must_change_password: 0 })
        .where('user_id', '=', userId)
        .where('password_hash', '=', account.password_hash)
        .where('is_disabled', '=', 0)
        .executeTakeFirst()
      if (changed.numUpdatedRows === 0n) {
        throw new HubError('HUB_CONFLICT', 'the account has changed meanwhile')
      }
      const hashes = await sessions.removeAll(trx, userId)
      const session = await sessions.open(trx, { userId, ...from })
      await audit.append(trx, {
        actor: principal,
        action: 'user.password-changed',
        subject: `user:${userId}`,
        detail: { sessionsEnded: hashes.length, address: from.address },
      })
      return { ended: hashes, opened: session }
    })
    const others = ended.filter((hash) => hash !== principal.sessionHash)
    sessions.tellEnded(others, 'password changed')
    sessions.tellEnded([principal.sessionHash], 'renewed')
    return { ok: true, token: opened.token, expiresAtMs: opened.expiresAtMs }
  }
}

function checkNewPassword(principal: Principal, current: string, next: string): void {
  const plain = next.toLowerCase()
  if (next === current) {
    throw new HubError('HUB_BAD_REQUEST', 'the new password is the same as the current one')
  }
  if (plain.includes(principal.username.toLowerCase()) && plain.length < principal.username.length + 12) {
    throw new HubError('HUB_BAD_REQUEST', 'the new password consists of little more than the user name')
  }
  if (new Set(plain).size < 5) {
    throw new HubError('HUB_BAD_REQUEST', 'the new password has too few different characters')
  }
}

/** The actor of a sign-in, who has no session yet. */
function principalOf(row: {
  user_id: string
  username: string
  display_name: string
  role: string
  scope: string
}) {
  return {
    userId: row.user_id,
    username: row.username,
    displayName: row.display_name,
    role: row.role as Principal['role'],
    scope: row.scope,
    teamIds: [],
    sessionHash: '',
    mustChangePassword: false,
  } satisfies Principal
}
