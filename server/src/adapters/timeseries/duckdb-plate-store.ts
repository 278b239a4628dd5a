/** The plates of passages in DuckDB: asks the thread that owns the file. */
import type { PlateQuery, PlateStore, StoredPlate } from '../../ports/plate-store.ts'
import type { Request } from './duckdb.ts'
import { plateLimited } from './plate-pages.ts'
import { STRETCH_MS } from './rollups.ts'

type Row = [number, number, string, string, string, string | null]

export function duckdbPlates(ask: (request: Request) => Promise<unknown[][]>): PlateStore {
  const query = (sql: string, parameters: (string | number)[] = []) => ask({ kind: 'query', sql, parameters })

  async function read({ fromMs, toMs, exceptVersion }: PlateQuery, count: number): Promise<StoredPlate[]> {
    const isOther = exceptVersion === undefined ? '' : 'and not starts_with("plateCipher", $3)'
    const rows = await query(
      `select at_ms, tie_break, edge_id, device_id, "plateCipher", "plateHash" from passage
       where at_ms >= $1 and at_ms < $2 and "plateCipher" is not null ${isOther}
       order by at_ms, tie_break, edge_id, device_id limit ${Math.trunc(count)}`,
      [fromMs, toMs, ...(exceptVersion === undefined ? [] : [`${exceptVersion}.`])],
    )
    return (rows as Row[]).map(([atMs, tieBreak, edgeId, deviceId, plateCipher, plateHash]) => ({
      ref: `${tieBreak} ${edgeId}`,
      deviceId,
      atMs,
      plateCipher,
      ...(plateHash === null ? {} : { plateHash }),
    }))
  }

  return {
    async use() {
      const rows = await query(
        `select try_cast(split_part("plateCipher", '.', 1) as double) as version, edge_id, count(*), min(at_ms), max(at_ms)
         from passage where "plateCipher" is not null group by version, edge_id order by version, edge_id`,
      )
      return (rows as [number, string, number, number, number][]).map(
        ([version, edgeId, passages, oldestMs, newestMs]) => ({
          version,
          edgeId,
          passages,
          oldestMs,
          newestMs,
        }),
      )
    },

    read: (wanted) => plateLimited(wanted, (count) => read(wanted, count)),

    async replace(changes) {
      if (changes.length === 0) return 0
      const rows = changes.map(({ from, plateCipher, plateHash }) => {
        const gap = from.ref.indexOf(' ')
        return {
          atMs: from.atMs,
          tieBreak: Number(from.ref.slice(0, gap)),
          edgeId: from.ref.slice(gap + 1),
          deviceId: from.deviceId,
          oldCipher: from.plateCipher,
          newCipher: plateCipher,
          newHash: plateHash ?? null,
        }
      })
      const [[count]] = (await ask({ kind: 'replace plates', rows })) as [[number]]
      return count
    },

    async drop(beforeMs, kept) {
      const stretches = (await query(
        `select distinct (at_ms // ${STRETCH_MS}) * ${STRETCH_MS} as stretch from passage
         where at_ms < $1 and ("plateHash" is not null or "plateCipher" is not null) order by stretch`,
        [beforeMs],
      )) as [number][]
      let dropped = 0
      // A stretch at a time: what is to be appended gets its turn in between, and little has to be undone.
      for (const [fromMs] of stretches) {
        const toMs = Math.min(fromMs + STRETCH_MS, beforeMs)
        const keptHere = kept.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
        const [[count]] = (await ask({ kind: 'drop plates', fromMs, toMs, kept: keptHere })) as [[number]]
        dropped += count
      }
      return dropped
    },
  }
}
