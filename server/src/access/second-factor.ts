/** The second factor: an authenticator's codes (totp.ts) and recovery codes, set up by whoever needs them. */
import { randomBytes } from 'node:crypto'
import type { RecoveryCodes, SecondFactorOffer } from '@patrolhub/protocol'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import { type Permission, PRIVILEGED } from './permissions.ts'
import type { Principal } from './principal.ts'
import type { Sealing } from './sealing.ts'
import { hashToken, newOneTimePassword } from './token.ts'
import { base32, keyUri, matchingStep } from './totp.ts'

/** RFC 4226 recommends 160 bits. */
const SECRET_BYTES = 20
const RECOVERY_CODES = 10

export interface SecondFactorsDeps {
  relational: Relational
  audit: AuditTrail
  sealing: Sealing
  /** Setting `requireSecondFactorFor`: roles with commas between, or `none`. */
  requiredFor: string
  now: () => number
}

export class SecondFactors {
  readonly #deps: SecondFactorsDeps
  readonly #requiredFor: ReadonlySet<string>

  constructor(deps: SecondFactorsDeps) {
    this.#deps = deps
    this.#requiredFor = new Set(deps.requiredFor.split(',').map((role) => role.trim()))
  }

  /** A composed role needs one as soon as it has power over people or the record. */
  isRequiredFor(role: string, isBuiltIn: boolean, permissions: ReadonlySet<Permission>): boolean {
    if (this.#requiredFor.has('none')) return false
    if (this.#requiredFor.has(role)) return true
    return !isBuiltIn && [...permissions].some((permission) => PRIVILEGED.has(permission))
  }

  /** A new secret, which counts once a code of it has been given. Throws HUB_CONFLICT if one is set up already. */
  async offer(principal: Principal): Promise<SecondFactorOffer> {
    const { relational, sealing } = this.#deps
    const secret = randomBytes(SECRET_BYTES)
    const { userId } = principal
    await relational.write.transaction().execute(async (trx) => {
      if (await this.isSetUp(trx, userId)) {
        throw new HubError('HUB_CONFLICT', 'a second factor is set up already: remove it first')
      }
      await trx.deleteFrom('second_factor').where('user_id', '=', userId).execute()
      const sealed = sealing.seal(secret.toString('base64'), userId)
      await trx
        .insertInto('second_factor')
        .values({ user_id: userId, secret_sealed: sealed, confirmed_at_ms: null, last_step: 0 })
        .execute()
    })
    return { secret: base32(secret), uri: keyUri(secret, principal.username) }
  }

  /** The first right code sets it up; answers the recovery codes. Throws HUB_SECOND_FACTOR, HUB_CONFLICT. */
  async confirm(principal: Principal, code: string): Promise<RecoveryCodes> {
    const { relational, audit, now } = this.#deps
    const { userId } = principal
    return relational.write.transaction().execute(async (trx) => {
      const row = await this.#row(trx, userId)
      if (!row || row.confirmed_at_ms !== null) {
        throw new HubError('HUB_CONFLICT', row ? 'it is set up already' : 'ask for a secret first')
      }
      const step = this.#match(row, code.replaceAll(' ', ''))
      if (step === undefined) {
        throw new HubError('HUB_SECOND_FACTOR', 'the code is wrong', { details: ['code: wrong'] })
      }
      await trx
        .updateTable('second_factor')
        .set({ confirmed_at_ms: now(), last_step: step })
        .where('user_id', '=', userId)
        .execute()
      const recoveryCodes = await newRecoveryCodes(trx, userId)
      const subject = `user:${userId}`
      await audit.append(trx, { actor: principal, action: 'user.second-factor-set', subject, detail: {} })
      return { recoveryCodes }
    })
  }

  /** Replaces the recovery codes. Throws HUB_CONFLICT without a second factor. */
  async renewRecoveryCodes(principal: Principal): Promise<RecoveryCodes> {
    const { relational, audit } = this.#deps
    const { userId } = principal
    return relational.write.transaction().execute(async (trx) => {
      if (!(await this.isSetUp(trx, userId))) {
        throw new HubError('HUB_CONFLICT', 'there is no second factor')
      }
      const recoveryCodes = await newRecoveryCodes(trx, userId)
      const subject = `user:${userId}`
      await audit.append(trx, { actor: principal, action: 'user.recovery-codes-made', subject, detail: {} })
      return { recoveryCodes }
    })
  }

  async isSetUp(db: DbOrTransaction, userId: string): Promise<boolean> {
    const row = await this.#row(db, userId)
    return row !== undefined && row.confirmed_at_ms !== null
  }

  /** Takes a code of the authenticator or a recovery code, each once. `undefined` for a wrong or used one. */
  async take(trx: DbOrTransaction, userId: string, code: string): Promise<'totp' | 'recovery' | undefined> {
    const row = await this.#row(trx, userId)
    if (!row || row.confirmed_at_ms === null) return undefined
    const plain = code.trim()
    const step = this.#match(row, plain.replaceAll(' ', ''))
    if (step !== undefined) {
      // With the condition, so that of two who bring the same code one is refused.
      const moved = await trx
        .updateTable('second_factor')
        .set({ last_step: step })
        .where('user_id', '=', userId)
        .where('last_step', '<', step)
        .executeTakeFirst()
      return moved.numUpdatedRows > 0n ? 'totp' : undefined
    }
    const used = await trx
      .deleteFrom('recovery_code')
      .where('user_id', '=', userId)
      .where('code_hash', '=', hashToken(`${userId} ${plain}`))
      .executeTakeFirst()
    return used.numDeletedRows > 0n ? 'recovery' : undefined
  }

  /** Inside the caller's transaction. False if there was none. */
  async remove(trx: DbOrTransaction, userId: string): Promise<boolean> {
    const removed = await trx.deleteFrom('second_factor').where('user_id', '=', userId).executeTakeFirst()
    await trx.deleteFrom('recovery_code').where('user_id', '=', userId).execute()
    return removed.numDeletedRows > 0n
  }

  #row(db: DbOrTransaction, userId: string) {
    return db.selectFrom('second_factor').selectAll().where('user_id', '=', userId).executeTakeFirst()
  }

  #match(row: { user_id: string; secret_sealed: string; last_step: number }, code: string) {
    const { sealing, now } = this.#deps
    const secret = Buffer.from(sealing.open(row.secret_sealed, row.user_id), 'base64')
    return matchingStep(secret, code, { atMs: now(), lastStep: row.last_step })
  }
}

/** Codes of more than 110 bits: a plain hash of them cannot be guessed. */
async function newRecoveryCodes(trx: DbOrTransaction, userId: string): Promise<string[]> {
  const codes = Array.from({ length: RECOVERY_CODES }, newOneTimePassword)
  await trx.deleteFrom('recovery_code').where('user_id', '=', userId).execute()
  const rows = codes.map((code) => ({ code_hash: hashToken(`${userId} ${code}`), user_id: userId }))
  await trx.insertInto('recovery_code').values(rows).execute()
  return codes
}
