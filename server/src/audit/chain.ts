/**
 * The hash chain of the record: each entry's hash covers all its fields and the hash before it, so that changing,
 * removing or inserting an entry breaks every later one. The end of the chain can still be cut off unseen; whoever
 * keeps the newest hash elsewhere sees that too.
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

export type ChainCheck =
  | { ok: true; entries: number; lastHash: string }
  | { ok: false; seq: number; reason: string }

/** What the first entry has as its previous hash. */
export const CHAIN_START = '0'.repeat(64)

/** JSON with sorted keys and no spaces: one text for one value. Plain JSON values only. */
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

/**
 * Checks entries in the order of their numbers and names the first that does not fit. `after` continues an earlier
 * check: the entry that came directly before; without it the entries must start at number 1.
 */
export function verifyChain(
  entries: Iterable<ChainEntry>,
  after: { seq: number; hash: string } = { seq: 0, hash: CHAIN_START },
): ChainCheck {
  let { seq, hash } = after
  let count = 0
  for (const entry of entries) {
    if (entry.seq !== seq + 1) {
      return { ok: false, seq: seq + 1, reason: `entry ${seq + 1} is missing: ${entry.seq} follows ${seq}` }
    }
    if (entry.previousHash !== hash) {
      return { ok: false, seq: entry.seq, reason: `entry ${entry.seq} does not continue entry ${seq}` }
    }
    if (entryHash(entry, entry.previousHash) !== entry.hash) {
      return { ok: false, seq: entry.seq, reason: `entry ${entry.seq} has been changed` }
    }
    seq = entry.seq
    hash = entry.hash
    count++
  }
  return { ok: true, entries: count, lastHash: hash }
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

/** Text that is no JSON any more has been tampered with: it is kept as it is, and the hash will not fit. */
function parsed(detail: string): unknown {
  try {
    return JSON.parse(detail)
  } catch {
    return { unreadable: detail }
  }
}
