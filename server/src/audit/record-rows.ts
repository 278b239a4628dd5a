/** The record as it stands in the store, item by item in the order in which it is checked. */
import type { DbOrTransaction } from '../ports/relational.ts'
import type { AuditKeyTable, AuditSealTable } from '../ports/tables.ts'
import { BEFORE_FIRST, type ChainPlace, entryOf } from './chain.ts'
import type { KeyRecord, Seal } from './seals.ts'
import { type Break, type RecordItem, RecordVerifier, type Trust, type Verdict } from './verify-record.ts'

/** Entries read at once. */
const PAGE = 1000

export function sealOf(row: AuditSealTable): Seal {
  return {
    sealNo: row.seal_no,
    seq: row.seq,
    hash: row.hash,
    previousSeal: row.previous_seal,
    atMs: row.at_ms,
    keyId: row.key_id,
    signature: row.signature,
  }
}

export function keyOf(row: AuditKeyTable): KeyRecord {
  return {
    keyNo: row.key_no,
    keyId: row.key_id,
    publicKey: row.public_key,
    fromSeal: row.from_seal,
    atMs: row.at_ms,
    signedBy: row.signed_by,
    signature: row.signature,
  }
}

export async function newestSeal(db: DbOrTransaction): Promise<Seal | undefined> {
  const row = await db
    .selectFrom('audit_seal')
    .selectAll()
    .orderBy('seal_no', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && sealOf(row)
}

export async function newestKey(db: DbOrTransaction): Promise<KeyRecord | undefined> {
  const row = await db
    .selectFrom('audit_key')
    .selectAll()
    .orderBy('key_no', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && keyOf(row)
}

export async function newestEntry(db: DbOrTransaction): Promise<ChainPlace | undefined> {
  return db.selectFrom('audit').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1).executeTakeFirst()
}

/**
 * The keys, then the entries of `range` (all without one), and each seal behind the entry that it is about. What the hub
 * writes meanwhile is left out: seals are bounded first, so that each of them finds its entry.
 */
export async function* recordItems(
  db: DbOrTransaction,
  range: { fromSeq: number; toSeq: number } = { fromSeq: 1, toSeq: Number.MAX_SAFE_INTEGER },
): AsyncGenerator<RecordItem> {
  const lastSealNo = (await newestSeal(db))?.sealNo ?? 0
  const lastSeq = Math.min((await newestEntry(db))?.seq ?? 0, range.toSeq)
  for (const row of await db.selectFrom('audit_key').selectAll().orderBy('key_no').execute()) {
    yield { kind: 'key', ...keyOf(row) }
  }
  let after = range.fromSeq - 1
  for (;;) {
    const rows = await db
      .selectFrom('audit')
      .selectAll()
      .where('seq', '>', after)
      .where('seq', '<=', lastSeq)
      .orderBy('seq')
      .limit(PAGE)
      .execute()
    const isLast = rows.length < PAGE
    const upTo = isLast ? range.toSeq : rows.at(-1)!.seq
    const seals = await db
      .selectFrom('audit_seal')
      .selectAll()
      .where('seq', '>', after)
      .where('seq', '<=', upTo)
      .where('seal_no', '<=', lastSealNo)
      .orderBy('seal_no')
      .execute()
    let next = 0
    for (const row of rows) {
      while (seals[next] && seals[next]!.seq < row.seq) yield { kind: 'seal', ...sealOf(seals[next++]!) }
      yield { kind: 'entry', ...entryOf(row) }
    }
    while (seals[next]) yield { kind: 'seal', ...sealOf(seals[next++]!) }
    if (isLast) return
    after = upTo
  }
}

/** Checks the whole record in the store, or what follows after a place that was checked before. */
export async function verifyRows(db: DbOrTransaction, trust: Trust = {}): Promise<Verdict> {
  const verifier = new RecordVerifier(trust)
  for await (const item of recordItems(db)) {
    const wrong = verifier.take(item)
    if (wrong) return { ok: false, ...wrong }
  }
  return verifier.finish()
}

/** Checks the links after this place; answers the newest entry, or what does not fit. */
export async function verifyAfter(
  db: DbOrTransaction,
  after: ChainPlace = BEFORE_FIRST,
): Promise<Break | ChainPlace> {
  const verifier = new RecordVerifier({}, after)
  for await (const item of recordItems(db, { fromSeq: after.seq + 1, toSeq: Number.MAX_SAFE_INTEGER })) {
    if (item.kind !== 'entry') continue
    const wrong = verifier.take(item)
    if (wrong) return wrong
  }
  return verifier.at
}
