/** Composes the evidence feature: files, store and routes. */
import { join } from 'node:path'
import type { EvidenceDeps, EvidenceService } from './evidence.ts'
import { EvidenceFiles } from './evidence-files.ts'
import { evidenceRoutes } from './evidence-routes.ts'
import { completeOf, countMissing, rowsBy } from './evidence-rows.ts'
import { EvidenceStore } from './evidence-service.ts'
import { runRetention } from './retention.ts'
import { removeSpareFiles } from './spare-files.ts'

export function evidenceFeature(deps: EvidenceDeps): EvidenceService {
  const files = new EvidenceFiles(join(deps.config.dataDir, 'evidence'))
  const store = new EvidenceStore(deps, files)
  let backups = 0
  return {
    start: () => store.start(),
    recordEvidence: (trx, record, edge) => store.record(trx, record, edge),
    completeOf,
    ofAlerts: (db, alertIds) => rowsBy(db, 'alert_id', alertIds),
    ofDispatches: (db, dispatchIds) => rowsBy(db, 'dispatch_id', dispatchIds),
    storePhoto: (photo) => store.storePhoto(photo),
    stats: () => ({ ...store.stats }),
    countMissing: () => countMissing(deps.relational.read),
    runRetention: async (nowMs) => {
      const swept = await runRetention(deps, nowMs)
      store.stats.deleted += swept.deleted
      return swept
    },
    removeSpareFiles: async (nowMs) => {
      await files.incoming.removeAbandoned()
      const removed = await removeSpareFiles(deps.relational, files, nowMs, () => backups > 0)
      store.stats.filesRemoved += removed
      return removed
    },
    keepFilesDuring: async (work) => {
      backups++
      try {
        return await work()
      } finally {
        backups--
      }
    },
    routes: evidenceRoutes(deps, store, files),
  }
}
