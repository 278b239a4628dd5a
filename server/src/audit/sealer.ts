/**
 * Seals the record again and again: looks over what has come since the last seal, and signs where the chain stands. What
 * does not fit is not sealed, and is told. One hub of several does it (timers); two at once do no harm, because a seal is
 * numbered inside its transaction.
 */
import type { Logger } from 'pino'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { HubConfig } from '../config.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import { BEFORE_FIRST, type ChainPlace } from './chain.ts'
import { newestEntry, newestKey, newestSeal, verifyAfter } from './record-rows.ts'
import { adoptNextKey, makeNextKey, openSealKey, type SealKey } from './seal-key.ts'
import { type KeyRecord, SEALS_START, type Seal, sealHash, signKey, signSeal } from './seals.ts'

export interface SealerDeps {
  config: Pick<HubConfig, 'dataDir' | 'sealKey' | 'sealEveryMinutes' | 'sealEveryEntries'>
  relational: Relational
  audit: AuditTrail
  log: Logger
  now?: () => number
}

const MINUTE_MS = 60_000

export class Sealer {
  readonly #deps: SealerDeps
  readonly #log: Logger
  readonly #now: () => number
  /** What stands against sealing, told once. */
  #problem = ''

  constructor(deps: SealerDeps) {
    this.#deps = deps
    this.#log = deps.log.child({ component: 'record' })
    this.#now = deps.now ?? Date.now
  }

  /** Why the last try did not seal; empty if it did. */
  get problem(): string {
    return this.#problem
  }

  /** Entries after the newest seal. */
  async unsealed(): Promise<number> {
    const { read } = this.#deps.relational
    const [seal, entry] = await Promise.all([newestSeal(read), newestEntry(read)])
    return Math.max(0, (entry?.seq ?? 0) - (seal?.seq ?? 0))
  }

  /** Seals if enough entries wait, or one has waited for long enough. Never throws: what stands against it is logged. */
  async sealIfDue(): Promise<void> {
    if (await this.#isDue()) await this.sealOrTell()
  }

  /** Seals what there is; what stands against it is logged once, as long as it stays the same. */
  async sealOrTell(): Promise<void> {
    try {
      await this.seal()
      this.#problem = ''
    } catch (err) {
      const problem = err instanceof Error ? err.message : String(err)
      if (problem !== this.#problem) this.#log.error({ err }, 'the record is not sealed')
      this.#problem = problem
    }
  }

  async #isDue(): Promise<boolean> {
    const { config, relational } = this.#deps
    const sealed = (await newestSeal(relational.read))?.seq ?? 0
    const first = await relational.read
      .selectFrom('audit')
      .select('at_ms')
      .where('seq', '>', sealed)
      .orderBy('seq')
      .limit(1)
      .executeTakeFirst()
    if (first && this.#now() - first.at_ms >= config.sealEveryMinutes * MINUTE_MS) return true
    const newest = await newestEntry(relational.read)
    // Fewer than were sealed: the end was cut off, which sealing finds out.
    return (
      newest?.seq !== undefined && (newest.seq < sealed || newest.seq - sealed >= config.sealEveryEntries)
    )
  }

  /**
   * Seals what has come since the last seal, after checking it; answers the newest seal, `undefined` for an empty
   * record. Throws HUB_AUDIT_BROKEN that names the first entry that does not fit, and HUB_SEAL_KEY.
   */
  async seal(): Promise<Seal | undefined> {
    const { relational } = this.#deps
    const last = await newestSeal(relational.read)
    const end = await this.#checked(last)
    if (end.seq === (last?.seq ?? 0)) return last
    const made = await relational.write.transaction().execute(async (trx) => {
      const before = await newestSeal(trx)
      if (before?.sealNo !== last?.sealNo) return undefined
      const key = await this.#key(trx)
      const seal = signSeal(
        {
          sealNo: (before?.sealNo ?? 0) + 1,
          seq: end.seq,
          hash: end.hash,
          previousSeal: before ? sealHash(before) : SEALS_START,
          atMs: this.#now(),
          keyId: key.keyId,
        },
        key.privateKey,
      )
      await trx
        .insertInto('audit_seal')
        .values({
          seal_no: seal.sealNo,
          seq: seal.seq,
          hash: seal.hash,
          previous_seal: seal.previousSeal,
          at_ms: seal.atMs,
          key_id: seal.keyId,
          signature: seal.signature,
        })
        .execute()
      return seal
    })
    // A log that is sent to another machine is a place where seals are kept elsewhere.
    if (made) this.#log.info({ seal: made }, 'the record is sealed')
    return made ?? newestSeal(relational.read)
  }

  /** Where the chain stands, if all since this seal fits. */
  async #checked(last: Seal | undefined): Promise<ChainPlace> {
    const { read } = this.#deps.relational
    if (last) {
      const sealed = await read
        .selectFrom('audit')
        .select('hash')
        .where('seq', '=', last.seq)
        .executeTakeFirst()
      if (sealed?.hash !== last.hash) {
        const what = sealed ? 'is another one than' : 'is missing:'
        throw new HubError(
          'HUB_AUDIT_BROKEN',
          `entry ${last.seq} ${what} the one that seal ${last.sealNo} is about`,
        )
      }
    }
    const end = await verifyAfter(read, last ?? BEFORE_FIRST)
    if ('reason' in end) throw new HubError('HUB_AUDIT_BROKEN', end.reason)
    return { seq: end.seq, hash: end.hash }
  }

  /** The key that seals now; the first one is put into the history. */
  async #key(trx: DbOrTransaction): Promise<SealKey> {
    const newest = await newestKey(trx)
    const key = openSealKey(this.#deps.config, newest?.keyId)
    if (!newest) await this.#keep(trx, { key, keyNo: 1, fromSeal: 1, signer: key })
    return key
  }

  async #keep(
    trx: DbOrTransaction,
    { key, keyNo, fromSeal, signer }: { key: SealKey; keyNo: number; fromSeal: number; signer: SealKey },
  ): Promise<KeyRecord> {
    const { keyId, publicKey } = key
    const fields = { keyNo, keyId, publicKey, fromSeal, atMs: this.#now(), signedBy: signer.keyId }
    const record = signKey(fields, signer.privateKey)
    await trx
      .insertInto('audit_key')
      .values({
        key_no: keyNo,
        key_id: keyId,
        public_key: publicKey,
        from_seal: fromSeal,
        at_ms: record.atMs,
        signed_by: record.signedBy,
        signature: record.signature,
      })
      .execute()
    return record
  }

  /** The key that seals now, for signing an export. Throws HUB_SEAL_KEY. */
  async key(): Promise<SealKey> {
    return openSealKey(this.#deps.config, (await newestKey(this.#deps.relational.read))?.keyId)
  }

  /**
   * Lets a new key seal from now on, signed by the one before, which seals a last time. `isLost`: the one before is gone;
   * the new one begins anew, and every check says so. Throws HUB_SEAL_KEY, HUB_AUDIT_BROKEN.
   */
  async rotate({ isLost, to }: { isLost: boolean; to: string | undefined }): Promise<KeyRecord> {
    const { config, relational, audit } = this.#deps
    const newest = await newestKey(relational.read)
    if (isLost && newest && this.#hasKey(newest.keyId)) {
      throw new HubError('HUB_SEAL_KEY', 'the key is here and fits: change it without --lost')
    }
    if (!isLost) await this.seal()
    const next = makeNextKey(config, to)
    const record = await relational.write.transaction().execute(async (trx) => {
      const before = await newestKey(trx)
      const signer = isLost || !before ? next : openSealKey(config, before.keyId)
      const fromSeal = ((await newestSeal(trx))?.sealNo ?? 0) + 1
      const kept = await this.#keep(trx, { key: next, keyNo: (before?.keyNo ?? 0) + 1, fromSeal, signer })
      await audit.append(trx, {
        actor: undefined,
        action: 'seal-key.changed',
        subject: `seal-key:${next.keyId}`,
        detail: { keyNo: kept.keyNo, fromSeal, before: before?.keyId ?? null, isLost },
      })
      return kept
    })
    if (to === undefined) adoptNextKey(config)
    return record
  }

  #hasKey(keyId: string): boolean {
    try {
      return openSealKey(this.#deps.config, keyId).keyId === keyId
    } catch (error) {
      if (error instanceof HubError && error.code === 'HUB_SEAL_KEY') return false
      throw error
    }
  }
}
