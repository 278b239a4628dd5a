/**
 * Changing plates in DuckDB, on its thread and on the connection that appends. Rows are updated in place, so a point
 * keeps its identity and what an edge sends again is still known.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { KeptPassage } from '../../ports/plate-store.ts'

/** A row of `passage` and what it gets, if its ciphertext is still the old one. */
export interface PlateRow {
  atMs: number
  tieBreak: number
  edgeId: string
  deviceId: string
  oldCipher: string
  newCipher: string
  /** `null` for none: it stays as it is. */
  newHash: string | null
}

/** Of a row of `passage`: no incident keeps it, as `noteKept` has noted. */
export const IS_NOT_KEPT = `not exists (select 1 from kept_passage kept
  where kept.at_ms = passage.at_ms and kept.device_id = passage.device_id)`

export function createPlateTablesSql(): string[] {
  return [
    `create temp table plate_change (at_ms bigint, tie_break bigint, edge_id varchar, device_id varchar,
       old_cipher varchar, new_cipher varchar, new_hash varchar)`,
    'create temp table kept_passage (at_ms bigint, device_id varchar)',
  ]
}

export async function noteKept(connection: DuckDBConnection, kept: readonly KeptPassage[]): Promise<void> {
  await connection.run('delete from kept_passage')
  if (kept.length === 0) return
  const appender = await connection.createAppender('kept_passage', undefined, 'temp')
  for (const { atMs, deviceId } of kept) {
    appender.appendBigInt(BigInt(atMs))
    appender.appendVarchar(deviceId)
    appender.endRow()
  }
  appender.closeSync()
}

/** All of them in one transaction; answers how many rows were still as they had been read. */
export async function replacePlates(
  connection: DuckDBConnection,
  rows: readonly PlateRow[],
): Promise<number> {
  await connection.run('delete from plate_change')
  const appender = await connection.createAppender('plate_change', undefined, 'temp')
  for (const { atMs, tieBreak, edgeId, deviceId, oldCipher, newCipher, newHash } of rows) {
    appender.appendBigInt(BigInt(atMs))
    appender.appendBigInt(BigInt(tieBreak))
    for (const text of [edgeId, deviceId, oldCipher, newCipher]) appender.appendVarchar(text)
    if (newHash === null) appender.appendNull()
    else appender.appendVarchar(newHash)
    appender.endRow()
  }
  appender.closeSync()
  const times = rows.map(({ atMs }) => atMs)
  const { rowsChanged } = await connection.run(
    `update passage set "plateCipher" = new_cipher, "plateHash" = coalesce(new_hash, "plateHash")
     from plate_change change
     where passage.at_ms between ${Math.min(...times)} and ${Math.max(...times)}
       and passage.at_ms = change.at_ms and passage.tie_break = change.tie_break
       and passage.edge_id = change.edge_id and passage.device_id = change.device_id
       and passage."plateCipher" = change.old_cipher`,
  )
  return rowsChanged
}

/** Takes the plates from the passages of [fromMs, toMs) but for those kept; answers from how many. */
export async function dropPlates(
  connection: DuckDBConnection,
  { fromMs, toMs, kept }: { fromMs: number; toMs: number; kept: readonly KeptPassage[] },
): Promise<number> {
  await noteKept(connection, kept)
  const { rowsChanged } = await connection.run(
    `update passage set "plateHash" = null, "plateCipher" = null
     where at_ms >= ${fromMs} and at_ms < ${toMs}
       and ("plateHash" is not null or "plateCipher" is not null) and ${IS_NOT_KEPT}`,
  )
  return rowsChanged
}
