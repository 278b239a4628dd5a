/** Signing in and out, one's own sessions, and changing one's own password. */
import type { Logger } from 'pino'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Passwords } from './passwords.ts'
import type { Principal } from './principal.ts'
import type { Sealing } from './sealing.ts'
import type { SecondFactors } from './second-factor.ts'
import type { NewSession, Sessions } from './sessions.ts'
import { type Attempt, accountKey, type SignInLimits } from './sign-in-limits.ts'

export interface SigningInDeps {
  relational: Relational
  audit: AuditTrail
  passwords: Passwords
  sessions: Sessions
  secondFactors: SecondFactors
  sealing: Sealing
  limits: SignInLimits
  log: Logger
  now: () => number
}

export interface From {
  address: string
  userAgent: string
}

export interface Credentials {
  username: string
  password: string
  /** Of the authenticator, or a recovery code. */
  code?: string | undefined
}

export interface OpenedSession {
  token: string
  expiresAtMs: number
}

export type SignInOutcome = ({ ok: true } & OpenedSession) | { ok: false; waitSeconds: number }

type Verdict =
  | { kind: 'opened'; session: Awaited<ReturnType<Sessions['open']>> }
  | { kind: 'refused' }
  | { kind: 'code missing' }
  | { kind: 'code wrong' }

export class SigningIn {
  readonly #deps: SigningInDeps

  constructor(deps: SigningInDeps) {
    this.#deps = deps
  }

  /**
   * Opens a session. Throws HUB_BAD_CREDENTIALS, the same for an unknown name, a wrong password and a disabled account;
   * HUB_SECOND_FACTOR, once the password was right, for a code that is missing, wrong or used; answers the seconds to
   * wait when there were too many failures.
   */
  async signIn({ username, password, code }: Credentials, from: From): Promise<SignInOutcome> {
    const { relational, passwords, sessions, limits } = this.#deps
    const account = await relational.read
      .selectFrom('user_account')
      .select(['user_id', 'password_hash', 'is_disabled'])
      .where('username', '=', username)
      .executeTakeFirst()
    const attempt = this.#attempt(account?.user_id, username, from)
    const waitSeconds = await this.#take(attempt, account?.user_id)
    if (waitSeconds > 0) return { ok: false, waitSeconds }
    const hash = account?.is_disabled === 0 ? account.password_hash : undefined
    const fits = await passwords.verify(password, hash)

    const verdict = await relational.write
      .transaction()
      .execute((trx) => this.#judge(trx, { username, code, hash: fits ? hash : undefined }, from))
    switch (verdict.kind) {
      case 'refused':
        throw new HubError('HUB_BAD_CREDENTIALS', 'user name or password is wrong')
      case 'code missing':
        // The password was right: that is no failure. A wrong code counts as one.
        await limits.forgive(attempt)
        throw new HubError('HUB_SECOND_FACTOR', 'give the code of the authenticator', {
          details: ['code: missing'],
        })
      case 'code wrong':
        throw new HubError('HUB_SECOND_FACTOR', 'the code is wrong or was used already', {
          details: ['code: wrong'],
        })
      case 'opened': {
        await limits.forgive(attempt)
        const { token, expiresAtMs, replaced } = verdict.session
        sessions.tellEnded(replaced, 'replaced')
        return { ok: true, token, expiresAtMs }
      }
    }
  }

  async #judge(
    trx: DbOrTransaction,
    { username, code, hash }: { username: string; code: string | undefined; hash: string | undefined },
    from: From,
  ): Promise<Verdict> {
    const { audit, secondFactors } = this.#deps
    // Checked again here: the account may have been disabled, or its password changed, while scrypt ran.
    const row = await trx
      .selectFrom('user_account')
      .selectAll()
      .where('username', '=', username)
      .executeTakeFirst()
    const refuse = (detail: Record<string, unknown>) =>
      audit.append(trx, {
        actor: undefined,
        action: 'session.refused',
        // People type passwords into the wrong field: a name is kept only if it is one.
        subject: row ? `user:${row.user_id}` : 'user:unknown',
        detail: { ...(row ? { username } : {}), address: from.address, ...detail },
      })
    if (hash === undefined || row?.is_disabled !== 0 || row.password_hash !== hash) {
      await refuse({})
      return { kind: 'refused' }
    }
    let factor: 'totp' | 'recovery' | undefined
    if (await secondFactors.isSetUp(trx, row.user_id)) {
      if (code === undefined) return { kind: 'code missing' }
      factor = await secondFactors.take(trx, row.user_id, code)
      if (!factor) {
        await refuse({ why: 'second factor' })
        return { kind: 'code wrong' }
      }
    }
    const how = { ...from, method: 'password' } as const
    const session = await this.open(trx, row, how, factor ? { secondFactor: factor } : {})
    return { kind: 'opened', session }
  }

  /** Opens a session of this account and writes it on the record, inside the caller's transaction. */
  async open(
    trx: DbOrTransaction,
    account: { user_id: string; username: string; display_name: string },
    how: Omit<NewSession, 'userId'>,
    detail: Record<string, unknown>,
  ): Promise<Awaited<ReturnType<Sessions['open']>>> {
    const { audit, sessions } = this.#deps
    const session = await sessions.open(trx, { userId: account.user_id, ...how })
    await audit.append(trx, {
      actor: { userId: account.user_id, displayName: account.display_name },
      action: 'session.opened',
      subject: `user:${account.user_id}`,
      detail: { username: account.username, address: how.address, ...detail },
    })
    return session
  }

  #attempt(userId: string | undefined, username: string, from: From): Attempt {
    // A name that nobody has may be a password in the wrong field: it is counted under a name that hides it.
    const account = userId === undefined ? `name:${this.#deps.sealing.nameOf(username)}` : accountKey(userId)
    return { account, address: from.address }
  }

  /** Seconds to wait; 0 if the attempt was counted. Shutting an account is written on the record. */
  async #take(attempt: Attempt, userId: string | undefined): Promise<number> {
    const { limits, relational, audit, now } = this.#deps
    const { waitSeconds, isLast } = await limits.take(attempt, now())
    if (isLast && userId !== undefined) {
      const detail = { address: attempt.address }
      await relational.write
        .transaction()
        .execute((trx) =>
          audit.append(trx, { actor: undefined, action: 'user.locked', subject: `user:${userId}`, detail }),
        )
    }
    return waitSeconds
  }

  /** Ends the caller's other sessions, or the one that is named. Throws HUB_NOT_FOUND. */
  async endOwn(principal: Principal, sessionId?: string): Promise<void> {
    const { relational, audit, sessions } = this.#deps
    const { userId, sessionHash } = principal
    const ended = await relational.write.transaction().execute(async (trx) => {
      const which = sessionId === undefined ? { allBut: sessionHash } : { only: sessionId }
      const hashes = await sessions.remove(trx, userId, which)
      if (sessionId !== undefined && hashes.length === 0) {
        throw new HubError('HUB_NOT_FOUND', 'no such session')
      }
      const detail = { sessionsEnded: hashes.length }
      const subject = `user:${userId}`
      await audit.append(trx, { actor: principal, action: 'user.sessions-ended', subject, detail })
      return hashes
    })
    sessions.tellEnded(ended, 'revoked')
  }

  /** Asks for the password, so that a passer-by cannot. Answers seconds to wait, or 0. Throws HUB_BAD_CREDENTIALS. */
  async removeSecondFactor(principal: Principal, password: string, from: From): Promise<number> {
    const { relational, audit, secondFactors } = this.#deps
    const { userId } = principal
    const waitSeconds = await this.#checkOwnPassword(principal, password, from)
    if (waitSeconds > 0) return waitSeconds
    await relational.write.transaction().execute(async (trx) => {
      if (!(await secondFactors.remove(trx, userId))) {
        throw new HubError('HUB_CONFLICT', 'there is no second factor')
      }
      const subject = `user:${userId}`
      await audit.append(trx, {
        actor: principal,
        action: 'user.second-factor-removed',
        subject,
        detail: {},
      })
    })
    return 0
  }

  /** A wrong one counts like a failed sign-in. */
  async #checkOwnPassword(principal: Principal, password: string, from: From): Promise<number> {
    const { relational, passwords, limits } = this.#deps
    const attempt = this.#attempt(principal.userId, principal.username, from)
    const waitSeconds = await this.#take(attempt, principal.userId)
    if (waitSeconds > 0) return waitSeconds
    const account = await relational.read
      .selectFrom('user_account')
      .select('password_hash')
      .where('user_id', '=', principal.userId)
      .executeTakeFirstOrThrow()
    if (!(await passwords.verify(password, account.password_hash))) {
      throw new HubError('HUB_BAD_CREDENTIALS', 'the current password is wrong')
    }
    await limits.forgive(attempt)
    return 0
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
    const { relational, audit, passwords, sessions } = this.#deps
    const { current, next } = passwordsOf
    checkNewPassword(principal, current, next)
    const { userId } = principal
    const waitSeconds = await this.#checkOwnPassword(principal, current, from)
    if (waitSeconds > 0) return { ok: false, waitSeconds }
    const account = await relational.read
      .selectFrom('user_account')
      .select('password_hash')
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow()
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
      const session = await sessions.open(trx, { userId, ...from, method: 'password' })
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
