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
  /** Serialised: one transaction at a time on SQLite. */
  readonly write: Db
  /** Reads this from an engine's error: what the statement ran into, or `undefined` for anything else. */
  violation(error: unknown): 'unique' | 'foreign-key' | 'not-null' | undefined
  /** True if the same statement may well succeed later: the file is locked, the disk is full or fails. */
  isTemporary(error: unknown): boolean
  close(): Promise<void>
}
