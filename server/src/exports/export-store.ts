/** Exports in the tables. */
import type { Export, ExportState } from '@patrolhub/protocol'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

const LIST_LIMIT = 100

function select(db: DbOrTransaction) {
  return db
    .selectFrom('export')
    .innerJoin('user_account', 'user_account.user_id', 'export.user_id')
    .leftJoin('device', 'device.device_id', 'export.camera_id')
    .selectAll('export')
    .select(['user_account.display_name as user_name', 'device.name as camera_name'])
}

export type ExportRow = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

/** `isOpen`: its grant holds, so that its own user may download it. */
export function viewOf(row: ExportRow, reader: Pick<Principal, 'userId'>, isOpen: boolean): Export {
  const isTheirs = row.user_id === reader.userId
  return {
    exportId: row.export_id,
    grantId: row.grant_id,
    userId: row.user_id,
    userName: row.user_name,
    cameraId: row.camera_id,
    cameraName: row.camera_name ?? row.camera_id,
    span: { fromMs: row.from_ms, toMs: row.to_ms },
    reason: row.reason,
    state: row.state as ExportState,
    ...(row.problem === '' ? {} : { problem: row.problem }),
    ...(row.bytes === null ? {} : { bytes: row.bytes }),
    ...(row.sha256 === null ? {} : { sha256: row.sha256 }),
    createdAtMs: row.created_at_ms,
    // The camera for a proxy before several hubs: the package lies at the hub that made it.
    ...(row.state === 'ready' && isTheirs && isOpen
      ? { downloadPath: `/media/exports/${row.export_id}.tar?camera=${encodeURIComponent(row.camera_id)}` }
      : {}),
  }
}

export async function findExport(db: DbOrTransaction, exportId: string): Promise<ExportRow | undefined> {
  return select(db).where('export_id', '=', exportId).executeTakeFirst()
}

/** The caller's own, and with `audit.read` those of others inside their scope; newest first. */
export async function exportsFor(db: DbOrTransaction, caller: Principal): Promise<ExportRow[]> {
  const seesOthers = may(caller, 'audit.read')
  return select(db)
    .where((eb) => {
      const own = eb('export.user_id', '=', caller.userId)
      return seesOthers ? eb.or([own, inScope(caller, eb.ref('export.region'))]) : own
    })
    .orderBy('export.created_at_ms', 'desc')
    .limit(LIST_LIMIT)
    .execute()
}

/** Moves an export that is in this state; false if it is not any more. */
export async function moveExport(
  db: DbOrTransaction,
  exportId: string,
  from: ExportState,
  values: { state: ExportState; problem?: string; bytes?: number; sha256?: string; ended_at_ms?: number },
): Promise<boolean> {
  const result = await db
    .updateTable('export')
    .set(values)
    .where('export_id', '=', exportId)
    .where('state', '=', from)
    .executeTakeFirst()
  return Number(result.numUpdatedRows) === 1
}
