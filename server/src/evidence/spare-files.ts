/**
 * Removes files that no row needs: those of deleted evidence, and what a transaction that failed has left behind. Two
 * rows may share a file, so a file goes only when none needs it; and only a day after the last one did, so that a
 * backup which has copied the rows still finds what they name.
 */
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { EvidenceFiles } from './evidence-files.ts'
import { DAY_MS } from './retention.ts'

/** Names in one statement, so that the parameters stay below what SQLite takes. */
const PAGE = 500

/** Answers how many files went. `isPaused` is asked before each page: true while this hub makes a backup. */
export async function removeSpareFiles(
  relational: Relational,
  files: EvidenceFiles,
  nowMs: number,
  isPaused: () => boolean,
): Promise<number> {
  const beforeMs = nowMs - DAY_MS
  let removed = 0
  for await (const names of files.names()) {
    for (let begin = 0; begin < names.length; begin += PAGE) {
      if (isPaused()) return removed
      const spare = await unneeded(relational.read, names.slice(begin, begin + PAGE), beforeMs)
      if (spare.length === 0) continue
      // Again where nobody else can write: an upload looks for its file inside its own transaction, before or after.
      removed += await relational.write.transaction().execute(async (trx) => {
        let count = 0
        for (const sha256 of await unneeded(trx, spare, beforeMs)) {
          if (await files.removeOlder(sha256, beforeMs)) count++
        }
        return count
      })
    }
  }
  return removed
}

async function unneeded(db: DbOrTransaction, names: readonly string[], beforeMs: number): Promise<string[]> {
  const rows = await db
    .selectFrom('evidence')
    .select('sha256')
    .where('sha256', 'in', [...names])
    .where((eb) => eb.or([eb('stored_at_ms', 'is not', null), eb('deleted_at_ms', '>=', beforeMs)]))
    .execute()
  const needed = new Set(rows.map((row) => row.sha256))
  return names.filter((name) => !needed.has(name))
}
