/**
 * The relational store: the same Kysely queries and migrations on every engine. `read` and `write` are two instances,
 * so that a long transaction never holds up a screen's query; both see committed data only.
 */
import type { Kysely, Transaction } from 'kysely'
import type { Tables } from './tables.ts'

export type Db = Kysely<Tables>
/** What a store function takes, so that it runs alone or inside somebody's transaction. */
export type DbOrTransaction = Db | Transaction<Tables>

export interface Relational {
  readonly read: Db
  /**
   * One transaction at a time, whoever else writes into the same store, so that a transaction may read a value and
   * write the next one (numbers of incidents, the chain of the record).
   */
  readonly write: Db
  /** Reads this from an engine's error: what the statement ran into, or `undefined` for anything else. */
  violation(error: unknown): 'unique' | 'foreign-key' | 'not-null' | undefined
  /** True if the same statement may well succeed later: the store is locked, away or has no room. */
  isTemporary(error: unknown): boolean
  /** Called after every transaction that this process has committed through `write`. Answers how to stop. */
  onCommit(listener: () => void): () => void
  close(): Promise<void>
}
