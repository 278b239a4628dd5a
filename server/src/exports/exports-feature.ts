/** Composes the exports feature: making, keeping, downloading and removing packages. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Downloads } from './downloads.ts'
import { type ExportKey, exportKeyOf } from './export-key.ts'
import { ExportMaker } from './export-maker.ts'
import { exportRoutes } from './export-routes.ts'
import { findExport, moveExport } from './export-store.ts'
import { EXPORT_LIMITS, type Exports, type ExportsDeps } from './exports.ts'

const PACKAGE = /^([0-9a-f-]{36})\.tar$/

export function exportsFeature(given: ExportsDeps): Exports {
  const log = given.log.child({ component: 'exports' })
  const deps = { ...given, log, limits: { ...EXPORT_LIMITS, ...given.limits } }
  const { config, relational, audit, history, access, now = Date.now } = deps
  const folder = join(config.dataDir, 'exports')
  let key: ExportKey | undefined
  const keyOf = () => {
    key ??= exportKeyOf(config.dataDir, config.exportKey)
    return key
  }
  const maker = new ExportMaker(deps, folder, keyOf)
  const downloads = new Downloads()
  history.onCut(({ grantId, keeps }) => {
    downloads.cutGrant(grantId, keeps)
    maker.stopGrant(grantId, keeps)
  })
  const stopListening = access.onSessionsEnded((hashes) => downloads.cutSessions(hashes))

  return {
    async start() {
      // A key that cannot be used is told at the start, not when somebody exports.
      keyOf()
      await mkdir(folder, { recursive: true, mode: 0o700 })
      for (const name of await readdir(folder)) {
        if (!PACKAGE.test(name)) await rm(join(folder, name), { recursive: true, force: true })
      }
    },
    async close() {
      stopListening()
      downloads.cutAll()
      await maker.close()
    },
    async sweep(livingHubs) {
      await relational.write.transaction().execute(async (trx) => {
        const rows = await trx
          .selectFrom('export')
          .select(['export_id', 'grant_id', 'camera_id', 'user_id'])
          .where('state', '=', 'making')
          .$if(livingHubs.length > 0, (query) => query.where('hub_id', 'not in', [...livingHubs]))
          .execute()
        for (const row of rows) {
          const values = { state: 'failed' as const, problem: 'the hub was stopped', ended_at_ms: now() }
          await moveExport(trx, row.export_id, 'making', values)
          await audit.append(trx, {
            actor: undefined,
            action: 'export.failed',
            subject: `camera:${row.camera_id}`,
            detail: {
              exportId: row.export_id,
              grantId: row.grant_id,
              of: row.user_id,
              problem: values.problem,
            },
          })
        }
      })
    },
    async removeEnded() {
      let removed = 0
      for (const name of await readdir(folder)) {
        const exportId = PACKAGE.exec(name)?.[1]
        const row = exportId === undefined ? undefined : await findExport(relational.read, exportId)
        const isNeeded =
          row?.state === 'making' || (row?.state === 'ready' && (await history.holds(row.grant_id)))
        if (isNeeded) continue
        await rm(join(folder, name), { force: true })
        removed++
        if (!row) continue
        await relational.write.transaction().execute(async (trx) => {
          if (!(await moveExport(trx, row.export_id, 'ready', { state: 'removed' }))) return
          await audit.append(trx, {
            actor: undefined,
            action: 'export.removed',
            subject: `camera:${row.camera_id}`,
            detail: { exportId: row.export_id, grantId: row.grant_id, of: row.user_id, why: 'grant over' },
          })
        })
      }
      return removed
    },
    routes: exportRoutes(deps, maker, downloads),
  }
}
