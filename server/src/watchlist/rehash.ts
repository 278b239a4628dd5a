/** New hashes for the watch list after the key of hashes has changed. */
import type { AuditTrail } from '../access/audit-trail.ts'
import { hashPlate } from '../access/plate-keys.ts'
import type { Sealing } from '../access/sealing.ts'
import type { Relational } from '../ports/relational.ts'

export interface RehashDeps {
  relational: Relational
  audit: AuditTrail
  sealing: Sealing
}

/** Opens every entry and gives it the hash that its plate has under this key; answers how many that changed. */
export async function rehashWatchList(
  { relational, audit, sealing }: RehashDeps,
  hashKey: string,
): Promise<number> {
  return relational.write.transaction().execute(async (trx) => {
    const rows = await trx
      .selectFrom('watch_entry')
      .select(['entry_id', 'plate_sealed', 'plate_hash'])
      .execute()
    let changed = 0
    for (const { entry_id, plate_sealed, plate_hash } of rows) {
      const hash = hashPlate(sealing.open(plate_sealed, `watch:${entry_id}`), hashKey)
      if (hash === plate_hash) continue
      await trx
        .updateTable('watch_entry')
        .set({ plate_hash: hash })
        .where('entry_id', '=', entry_id)
        .execute()
      changed++
    }
    if (changed > 0) {
      const detail = { count: changed }
      await audit.append(trx, { actor: undefined, action: 'watch.rehashed', subject: 'watch-list', detail })
    }
    return changed
  })
}
