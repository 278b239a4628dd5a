/** Writes the record into a file and checks such a file, without a database and without a network. */
import { createReadStream } from 'node:fs'
import { open, readFile, rm } from 'node:fs/promises'
import { parser } from '@patrolhub/protocol'
import { HubError } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'
import { BEFORE_FIRST } from './chain.ts'
import { type FileVerdict, KeptSeal, RecordReader, RecordWriter } from './record-lines.ts'
import { recordItems } from './record-rows.ts'
import type { SealKey } from './seal-key.ts'
import type { Seal } from './seals.ts'
import type { Trust } from './verify-record.ts'

/** No entry comes near this; a longer line is none of ours. */
const MAX_LINE_BYTES = 16 * 1024 * 1024
const LINE_END = 0x0a
/** Lines are written together up to this length. */
const WRITE_CHARACTERS = 256 * 1024

export interface Span {
  /** Wall clock, inclusive; `undefined` for no bound. */
  fromMs: number | undefined
  /** Exclusive. */
  toMs: number | undefined
}

export interface ExportCounts {
  entries: number
  firstSeq: number
  lastSeq: number
}

/**
 * Writes a new file that only its owner may read. The entries of the span, and those after it up to the next seal, which
 * prove it. Throws HUB_AUDIT_FILE, and then leaves no file.
 */
export async function writeRecord(
  db: DbOrTransaction,
  { file, span, key, nowMs }: { file: string; span: Span; key: SealKey; nowMs: number },
): Promise<ExportCounts> {
  const range = await rangeOf(db, span)
  const before =
    range.fromSeq === 1
      ? BEFORE_FIRST
      : await db
          .selectFrom('audit')
          .select(['seq', 'hash'])
          .where('seq', '=', range.fromSeq - 1)
          .executeTakeFirst()
  const handle = await open(file, 'wx', 0o600).catch((error: Error) => {
    throw new HubError('HUB_AUDIT_FILE', `${file} cannot be made: ${error.message}`, { cause: error })
  })
  try {
    const writer = new RecordWriter()
    const counts = { entries: 0, firstSeq: 0, lastSeq: 0 }
    let text = writer.head({
      exportedAtMs: nowMs,
      fromMs: span.fromMs ?? null,
      toMs: span.toMs ?? null,
      afterSeq: range.fromSeq - 1,
      // An entry that is not there any more: the first one here gives it away.
      afterHash: before?.hash ?? BEFORE_FIRST.hash,
    })
    for await (const item of recordItems(db, range)) {
      text += writer.item(item)
      if (item.kind === 'entry') {
        counts.entries += 1
        counts.firstSeq ||= item.seq
        counts.lastSeq = item.seq
      }
      if (text.length < WRITE_CHARACTERS) continue
      await handle.writeFile(text)
      text = ''
    }
    await handle.writeFile(text + writer.end(key))
    await handle.sync()
    return counts
  } catch (error) {
    await rm(file, { force: true })
    if (error instanceof HubError || (error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw new HubError('HUB_AUDIT_FILE', `${file} cannot be written: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    await handle.close()
  }
}

/**
 * The numbers of the entries of a span. Hubs' clocks differ a little, so times do not always rise with the numbers: from
 * the first entry inside to the last one.
 */
async function rangeOf(
  db: DbOrTransaction,
  { fromMs, toMs }: Span,
): Promise<{ fromSeq: number; toSeq: number }> {
  const newest = await db
    .selectFrom('audit')
    .select((eb) => eb.fn.max('seq').as('seq'))
    .executeTakeFirst()
  const end = Number(newest?.seq ?? 0)
  const inside = await db
    .selectFrom('audit')
    .select((eb) => [eb.fn.min('seq').as('first'), eb.fn.max('seq').as('last')])
    .$if(fromMs !== undefined, (query) => query.where('at_ms', '>=', fromMs!))
    .$if(toMs !== undefined, (query) => query.where('at_ms', '<', toMs!))
    .executeTakeFirst()
  if (inside?.first === null || inside?.first === undefined) {
    throw new HubError('HUB_AUDIT_FILE', 'the record has no entry in this time: nothing was written')
  }
  const last = Number(inside.last)
  const seal = await db
    .selectFrom('audit_seal')
    .select('seq')
    .where('seq', '>=', last)
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst()
  return { fromSeq: fromMs === undefined ? 1 : Number(inside.first), toSeq: seal?.seq ?? end }
}

/** Checks an export. Throws HUB_AUDIT_FILE if the file cannot be read. */
export async function verifyFile(file: string, trust: Trust): Promise<FileVerdict> {
  const reader = new RecordReader(trust)
  let rest = Buffer.alloc(0)
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      let from = 0
      for (let at = chunk.indexOf(LINE_END); at >= 0; at = chunk.indexOf(LINE_END, from)) {
        const wrong = reader.take(Buffer.concat([rest, chunk.subarray(from, at)]))
        if (wrong) return { ok: false, ...wrong }
        rest = Buffer.alloc(0)
        from = at + 1
      }
      rest = Buffer.concat([rest, chunk.subarray(from)])
      if (rest.length > MAX_LINE_BYTES) break
    }
  } catch (error) {
    throw new HubError('HUB_AUDIT_FILE', `${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
  return reader.finish(rest.length > 0)
}

const parseSeal = parser(KeptSeal)

/**
 * A seal that was kept elsewhere: what `audit seal` printed, a line of an export, or the line of the hub's log.
 * Throws HUB_AUDIT_FILE.
 */
export async function readKeptSeal(file: string): Promise<Seal> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new HubError('HUB_AUDIT_FILE', `${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
  const parsed = parseSeal((value as { seal?: unknown } | null)?.seal ?? value)
  if (!parsed.ok) {
    throw new HubError('HUB_AUDIT_FILE', `${file} holds no seal`, { details: parsed.problems })
  }
  const { sealNo, seq, hash, previousSeal, atMs, keyId, signature } = parsed.value
  return { sealNo, seq, hash, previousSeal, atMs, keyId, signature }
}
