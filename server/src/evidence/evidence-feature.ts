/** Composes the evidence feature: files, store and routes. */
import { join } from 'node:path'
import type { EvidenceDeps, EvidenceService } from './evidence.ts'
import { EvidenceFiles } from './evidence-files.ts'
import { evidenceRoutes } from './evidence-routes.ts'
import { completeOf, rowsBy } from './evidence-rows.ts'
import { EvidenceStore } from './evidence-service.ts'

export function evidenceFeature(deps: EvidenceDeps): EvidenceService {
  const files = new EvidenceFiles(join(deps.config.dataDir, 'evidence'))
  const store = new EvidenceStore(deps, files)
  return {
    start: () => store.start(),
    recordEvidence: (trx, record, edge) => store.record(trx, record, edge),
    completeOf,
    ofAlerts: (db, alertIds) => rowsBy(db, 'alert_id', alertIds),
    ofDispatches: (db, dispatchIds) => rowsBy(db, 'dispatch_id', dispatchIds),
    storePhoto: (photo) => store.storePhoto(photo),
    stats: () => ({ ...store.stats }),
    routes: evidenceRoutes(deps, store, files),
  }
}
