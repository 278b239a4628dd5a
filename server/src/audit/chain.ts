/**
 * The hash chain of the record: each entry's hash covers all its fields and the hash before it, so that changing,
 * removing or inserting an entry breaks every later one. Whoever may write into the store can still cut off the end, or
 * write everything anew: seals (seals.ts) are against that.
 */
import { createHash } from 'node:crypto'
import type { AuditTable } from '../ports/tables.ts'

export interface ChainFields {
  seq: number
  atMs: number
  actorId: string | null
  actorName: string
  action: string
  subject: string
  detail: unknown
}
export interface ChainEntry extends ChainFields {
  previousHash: string
  hash: string
}

/** The first place that does not fit. */
export interface ChainBreak {
  /** Number of the entry that is wrong or that should stand there. */
  seq: number
  reason: string
}

/** What the first entry has as its previous hash. */
export const CHAIN_START = '0'.repeat(64)

/**
 * One text for one value, as RFC 8785 (JCS) lays down: members sorted by the UTF-16 units of their names, no spaces,
 * numbers and texts as ECMAScript writes them. Plain JSON values only; a member that is `undefined` is left out. Where
 * RFC 8785 refuses a text that is no Unicode (half of a surrogate pair), it is written as its escape.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
    return `{${members.join(',')}}`
  }
  return JSON.stringify(value ?? null)
}

/** SHA-256, lower-case hexadecimal, over the entry's canonical JSON together with the hash before it. */
export function entryHash(fields: ChainFields, previousHash: string): string {
  const { seq, atMs, actorId, actorName, action, subject, detail } = fields
  const text = canonicalJson({ seq, atMs, actorId, actorName, action, subject, detail, previousHash })
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

/** A place in the chain: an entry by its number and hash. */
export interface ChainPlace {
  seq: number
  hash: string
}

/** Before the first entry. */
export const BEFORE_FIRST: ChainPlace = { seq: 0, hash: CHAIN_START }

/** What does not fit between this entry and the one directly before it; `undefined` if all does. */
export function checkLink(entry: ChainEntry, { seq, hash }: ChainPlace): ChainBreak | undefined {
  if (entry.seq > seq + 1) {
    return { seq: seq + 1, reason: `entry ${seq + 1} is missing: ${entry.seq} follows ${seq}` }
  }
  if (entry.seq <= seq) {
    return { seq: seq + 1, reason: `entry ${entry.seq} stands where entry ${seq + 1} belongs` }
  }
  if (entry.previousHash !== hash) {
    const before = seq === 0 ? 'the beginning' : `entry ${seq}`
    return { seq: entry.seq, reason: `entry ${entry.seq} does not continue ${before}: it names another hash` }
  }
  if (entryHash(entry, entry.previousHash) !== entry.hash) {
    return { seq: entry.seq, reason: `entry ${entry.seq} has been changed: its content has another hash` }
  }
  return undefined
}

/** A row of the store as an entry of the chain. */
export function entryOf(row: AuditTable): ChainEntry {
  return {
    seq: row.seq,
    atMs: row.at_ms,
    actorId: row.actor_id,
    actorName: row.actor_name,
    action: row.action,
    subject: row.subject,
    detail: parsed(row.detail),
    previousHash: row.previous_hash,
    hash: row.hash,
  }
}

/** Text that is not what was written has been tampered with: it is kept as it is, and the hash will not fit. */
function parsed(detail: string): unknown {
  try {
    const value: unknown = JSON.parse(detail)
    if (canonicalJson(value) === detail) return value
  } catch {
    // No JSON any more.
  }
  return { unreadable: detail }
}
