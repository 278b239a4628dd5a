/**
 * The plates of passages in InfluxDB. A field cannot be taken out of a point, so a plate that has gone is an empty text;
 * a point is replaced by writing its fields anew under the same tags and time. Nothing can be made to depend on what the
 * point holds meanwhile: a plate that retention took while it was encrypted anew is back, until retention runs again
 * within the hour.
 *
 * Counting by version is a match with a regular expression on every point: it goes through the time in windows that
 * stay well below what one request may take.
 */
import type { PlateKeyUse, PlateQuery, PlateStore, StoredPlate } from '../../ports/plate-store.ts'
import { influxNanoseconds, influxText, influxTime, POINT_TAGS, toTextLine } from './influx-lines.ts'
import type { InfluxDatabase } from './influx-rollups.ts'
import { plateLimited } from './plate-pages.ts'
import { HOUR_MS } from './rollups.ts'

/** Points of one answer, held in memory. */
const DROP_LIMIT = 5000
const HAS_CIPHER = `"plateCipher" =~ /./`
const HAS_PLATE = `(${HAS_CIPHER} OR "plateHash" =~ /./)`

/** A window that took less than the one is doubled the next time, one that took more than the other is halved. */
const QUICK_MS = 200
const SLOW_MS = 2000
const MAX_WINDOW_MS = 7 * 24 * HOUR_MS

type Row = (string | number | null)[]

interface Window {
  fromMs: number
  toMs: number
}

/** Of one version and edge, with the first and the last window that had any. */
interface WindowedUse {
  version: number
  edgeId: string
  passages: number
  oldest: Window
  newest: Window
}

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
      const place = influxTime(String(time))
      const present = POINT_TAGS.flatMap((tag, index) =>
        values[index] === null || values[index] === '' ? [] : [[tag, String(values[index])] as const],
      )
      return {
        ref: JSON.stringify([place.tieBreak, Object.fromEntries(present)]),
        deviceId: Object.fromEntries(present).device ?? '',
        atMs: place.atMs,
        plateCipher: String(plateCipher ?? ''),
        ...(plateHash ? { plateHash: String(plateHash) } : {}),
      }
    })
  }

  function lineOf({ ref, atMs }: StoredPlate, fields: Record<string, string>): string {
    const [tieBreak, tags] = JSON.parse(ref) as [number, Record<string, string>]
    return toTextLine('passage', tags, fields, influxNanoseconds({ atMs, tieBreak }))
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

  /** Adds what one window holds; `versions` are those met so far, and gets those met here. */
  async function countWindow(window: Window, versions: Set<number>, uses: Map<string, WindowedUse>) {
    const within = `time >= ${window.fromMs}ms AND time < ${window.toMs}ms`
    const [total] = await rows(`SELECT count("plateCipher") FROM "passage" WHERE ${HAS_CIPHER} AND ${within}`)
    let left = Number(total?.[1] ?? 0)
    const countVersion = async (version: number) => {
      const counted = await database.query(
        `SELECT count("plateCipher") FROM "passage" WHERE ${isOfVersion(version)} AND ${within} GROUP BY "edge"`,
      )
      for (const { tags, values } of counted) {
        const passages = Number(values[0]?.[1] ?? 0)
        const edgeId = tags!.edge!
        const key = `${version} ${edgeId}`
        const use = uses.get(key) ?? { version, edgeId, passages: 0, oldest: window, newest: window }
        uses.set(key, { ...use, passages: use.passages + passages, newest: window })
        left -= passages
      }
    }
    for (const version of versions) if (left > 0) await countVersion(version)
    while (left > 0) {
      const known = versions.size === 0 ? '' : `AND ${isOfNone([...versions])}`
      const [found] = await rows(
        `SELECT "plateCipher" FROM "passage" WHERE ${HAS_CIPHER} ${known} AND ${within} LIMIT 1`,
      )
      // Gone since it was counted.
      if (!found) return
      const version = Number.parseInt(String(found[1]), 10)
      versions.add(version)
      await countVersion(version)
    }
  }

  async function endOf(use: WindowedUse, { fromMs, toMs }: Window, order: 'ASC' | 'DESC'): Promise<number> {
    const [found] = await rows(
      `SELECT "plateCipher" FROM "passage" WHERE ${isOfVersion(use.version)} AND "edge" = ${influxText(use.edgeId)}
       AND time >= ${fromMs}ms AND time < ${toMs}ms ORDER BY time ${order} LIMIT 1`,
    )
    return Number(found?.[0] ?? fromMs)
  }

  return {
    async use() {
      const { fromMs, toMs } = (await span()) ?? { fromMs: 0, toMs: 0 }
      const uses = new Map<string, WindowedUse>()
      const versions = new Set<number>()
      let windowMs = HOUR_MS
      for (let atMs = fromMs; atMs < toMs; ) {
        const begun = performance.now()
        const window = { fromMs: atMs, toMs: Math.min(toMs, atMs + windowMs) }
        await countWindow(window, versions, uses)
        atMs = window.toMs
        const tookMs = performance.now() - begun
        if (tookMs < QUICK_MS) windowMs = Math.min(MAX_WINDOW_MS, windowMs * 2)
        else if (tookMs > SLOW_MS) windowMs = Math.max(HOUR_MS, windowMs / 2)
      }
      const found: PlateKeyUse[] = []
      for (const use of uses.values()) {
        const { version, edgeId, passages, oldest, newest } = use
        const oldestMs = await endOf(use, oldest, 'ASC')
        const newestMs = await endOf(use, newest, 'DESC')
        found.push({ version, edgeId, passages, oldestMs, newestMs })
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
