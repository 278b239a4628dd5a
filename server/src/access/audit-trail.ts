/** The record of who did what. Features append through this; the audit feature keeps the chain. */
import type { DbOrTransaction } from '../ports/relational.ts'
import type { Principal } from './principal.ts'

export interface NewAuditEntry {
  /** `undefined` for the hub itself, a command line, or somebody who is not signed in. */
  actor: Pick<Principal, 'userId' | 'displayName'> | undefined
  /** `thing.verb-in-past`, e.g. `grant.revoked`, `viewing.opened`. */
  action: string
  /** What it was done to: an id, e.g. `camera:cam-01`. */
  subject: string
  /** Plain JSON values that explain it. Never a secret. */
  detail: Readonly<Record<string, unknown>>
}

export interface AuditPlace {
  seq: number
  hash: string
}

export interface AuditTrail {
  /**
   * Adds one entry inside the caller's transaction: it is kept exactly if what it tells of is kept. Answers its place in
   * the chain.
   */
  append(trx: DbOrTransaction, entry: NewAuditEntry): Promise<AuditPlace>
}
