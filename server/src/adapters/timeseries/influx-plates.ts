/**
 * The plates of passages in InfluxDB. A field cannot be taken out of a point, so a plate that has gone is an empty text;
 * a point is replaced by writing its fields anew under the same tags and time. Nothing can be made to depend on what the
 * point holds meanwhile: whoever replaces plates leaves alone what retention is about to take.
 *
 * Counting by version is a match with a regular expression on every point, so it goes an hour at a time.
 */
import type { PlateKeyUse, PlateQuery, PlateStore, StoredPlate } from '../../ports/plate-store.ts'
import { influxText, POINT_TAGS, toTextLine } from './influx-lines.ts'
import type { InfluxDatabase } from './influx-rollups.ts'
import { plateLimited } from './plate-pages.ts'
import { HOUR_MS } from './rollups.ts'

/** Points of one answer, held in memory. */
const DROP_LIMIT = 5000
const HAS_CIPHER = `"plateCipher" =~ /./`
const HAS_PLATE = `(${HAS_CIPHER} OR "plateHash" =~ /./)`

type Row = (string | number | null)[]

export function influxPlates(database: InfluxDatabase): PlateStore {
  async function rows(q: string): Promise<Row[]> {
    return (await database.query(q))[0]?.values ?? []
  }

  /** Points with their tags and their time to the nanosecond, by time. */
  async function points(condition: string, fromMs: number, toMs: number, count: number) {
    const tags = POINT_TAGS.map((tag) => `"${tag}"`).join(', ')
    const [series] = await database.queryExactly(
      `SELECT "plateCipher", "plateHash", ${tags} FROM "passage"
       WHERE ${condition} AND time >= ${fromMs}ms AND time < ${toMs}ms ORDER BY time ASC LIMIT ${Math.trunc(count)}`,
    )
    return (series?.values ?? []).map(([time, plateCipher, plateHash, ...values]): StoredPlate => {
      const nanoseconds = nanosecondsOf(String(time))
      const present = POINT_TAGS.flatMap((tag, index) =>
        values[index] === null || values[index] === '' ? [] : [[tag, String(values[index])] as const],
      )
      return {
        ref: JSON.stringify([String(nanoseconds), Object.fromEntries(present)]),
        deviceId: Object.fromEntries(present).device ?? '',
        atMs: Number(nanoseconds / 1_000_000n),
        plateCipher: String(plateCipher ?? ''),
        ...(plateHash ? { plateHash: String(plateHash) } : {}),
      }
    })
  }

  function lineOf({ ref }: StoredPlate, fields: Record<string, string>): string {
    const [nanoseconds, tags] = JSON.parse(ref) as [string, Record<string, string>]
    return toTextLine('passage', tags, fields, BigInt(nanoseconds))
  }

  /** From the hour of the first ciphertext to the end of that of the last; `undefined` if there is none. */
  async function span(): Promise<{ fromMs: number; toMs: number } | undefined> {
    const first = await rows(
      `SELECT "plateCipher" FROM "passage" WHERE ${HAS_CIPHER} ORDER BY time ASC LIMIT 1`,
    )
    const last = await rows(
      `SELECT "plateCipher" FROM "passage" WHERE ${HAS_CIPHER} ORDER BY time DESC LIMIT 1`,
    )
    if (!first[0] || !last[0]) return undefined
    return { fromMs: hourOf(Number(first[0][0])), toMs: hourOf(Number(last[0][0])) + HOUR_MS }
  }

  return {
    async use() {
      const whole = await span()
      const uses = new Map<string, PlateKeyUse>()
      const versions = new Set<number>()
      for (let fromMs = whole?.fromMs ?? 0; fromMs < (whole?.toMs ?? 0); fromMs += HOUR_MS) {
        const within = `time >= ${fromMs}ms AND time < ${fromMs + HOUR_MS}ms`
        const [total] = await rows(
          `SELECT count("plateCipher") FROM "passage" WHERE ${HAS_CIPHER} AND ${within}`,
        )
        let left = Number(total?.[1] ?? 0)
        const countVersion = async (version: number) => {
          const counted = await database.query(
            `SELECT count("plateCipher") FROM "passage" WHERE ${isOfVersion(version)} AND ${within} GROUP BY "edge"`,
          )
          for (const { tags, values } of counted) {
            const passages = Number(values[0]?.[1] ?? 0)
            const edgeId = tags!.edge!
            const key = `${version} ${edgeId}`
            const use = uses.get(key) ?? { version, edgeId, passages: 0, oldestMs: fromMs, newestMs: fromMs }
            uses.set(key, { ...use, passages: use.passages + passages, newestMs: fromMs })
            left -= passages
          }
        }
        for (const version of versions) if (left > 0) await countVersion(version)
        while (left > 0) {
          const known = versions.size === 0 ? '' : `AND ${isOfNone([...versions])}`
          const [found] = await rows(
            `SELECT "plateCipher" FROM "passage" WHERE ${HAS_CIPHER} ${known} AND ${within} LIMIT 1`,
          )
          if (!found) break
          const version = Number.parseInt(String(found[1]), 10)
          versions.add(version)
          await countVersion(version)
        }
      }
      const exact = async (use: PlateKeyUse, hourMs: number, order: 'ASC' | 'DESC') => {
        const [found] = await rows(
          `SELECT "plateCipher" FROM "passage" WHERE ${isOfVersion(use.version)} AND "edge" = ${influxText(use.edgeId)}
           AND time >= ${hourMs}ms AND time < ${hourMs + HOUR_MS}ms ORDER BY time ${order} LIMIT 1`,
        )
        return Number(found?.[0] ?? hourMs)
      }
      const found: PlateKeyUse[] = []
      for (const use of uses.values()) {
        const oldestMs = await exact(use, use.oldestMs, 'ASC')
        found.push({ ...use, oldestMs, newestMs: await exact(use, use.newestMs, 'DESC') })
      }
      return found.sort((a, b) => a.version - b.version || (a.edgeId < b.edgeId ? -1 : 1))
    },

    read({ fromMs, toMs, exceptVersion, limit }: PlateQuery) {
      const isOther = exceptVersion === undefined ? '' : ` AND ${isOfNone([exceptVersion])}`
      return plateLimited({ toMs, limit }, (count) => points(HAS_CIPHER + isOther, fromMs, toMs, count))
    },

    async replace(changes) {
      await database.write(
        changes.map(({ from, plateCipher, plateHash }) =>
          lineOf(from, plateHash === undefined ? { plateCipher } : { plateCipher, plateHash }),
        ),
      )
      return changes.length
    },

    async drop(beforeMs, kept) {
      const isKept = new Set(kept.map(({ deviceId, atMs }) => `${atMs} ${deviceId}`))
      let dropped = 0
      let fromMs = 0
      while (fromMs < beforeMs) {
        const { plates, upToMs } = await plateLimited({ toMs: beforeMs, limit: DROP_LIMIT }, (count) =>
          points(HAS_PLATE, fromMs, beforeMs, count),
        )
        const due = plates.filter(({ atMs, deviceId }) => !isKept.has(`${atMs} ${deviceId}`))
        await database.write(due.map((plate) => lineOf(plate, { plateCipher: '', plateHash: '' })))
        dropped += due.length
        fromMs = upToMs
      }
      return dropped
    },
  }
}

function isOfVersion(version: number): string {
  return `"plateCipher" =~ /^${version}\\./`
}

function isOfNone(versions: readonly number[]): string {
  return `"plateCipher" !~ /^(${versions.join('|')})\\./`
}

function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS
}

/** Of a time as InfluxDB writes it, RFC 3339 with as many digits as it needs. */
function nanosecondsOf(time: string): bigint {
  const [, seconds, fraction = ''] = /^([^.Z]+)(?:\.(\d{1,9}))?Z$/.exec(time)!
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}
