/**
 * Roll-ups: raw points summed up by minute and by hour, and which of them a question reads. The same for every engine.
 *
 * Time is cut into stretches of ten minutes. Appending marks the stretches that it touched as stale; a job sums a stale
 * stretch up again, whole, from the raw points, some time after its end. So a repeat changes nothing, and what an edge
 * sends late, days late, is in the sums a little later. Stale stretches are read raw, everything else from the sums.
 *
 * How far raw points have been deleted is kept in the store: a stretch before that is never stale and never summed up
 * again, whatever the settings or the clock say later, because its raw points are not all there.
 */
import type { FlowPoint, SeriesPoint } from '@patrolhub/protocol'
import type { Measurement } from '../../ports/timeseries.ts'
import { type Steps, stepSpan } from './steps.ts'

export const STRETCH_MS = 600_000
/** A stretch is summed up once its end lies this far behind: what comes a little late is in it already. */
export const SETTLE_MS = 60_000
export const MINUTE_MS = 60_000
/** Later than any point, and a time that InfluxDB can hold in nanoseconds; a whole hour. */
export const LATEST_MS = 2_500_000 * 3_600_000
export const HOUR_MS = 3_600_000

export const ROLLED = ['passage', 'reading', 'score'] as const
export type Rolled = (typeof ROLLED)[number]

/** What is kept of a minute or an hour of one device, place and series; sums, so that steps of any width add up. */
interface Sum {
  /** Name of the column or field. */
  name: string
  /** Of which raw field. */
  of: string
  how: 'count' | 'sum' | 'min' | 'max'
}

/** `n` counts a field that every point of the measurement has. */
export const SUMS: Readonly<Record<Rolled, readonly Sum[]>> = {
  passage: [
    { name: 'n', of: 'lane', how: 'count' },
    { name: 'speed_sum', of: 'speedKmh', how: 'sum' },
    { name: 'speed_n', of: 'speedKmh', how: 'count' },
  ],
  reading: [
    { name: 'n', of: 'value', how: 'count' },
    { name: 'value_sum', of: 'value', how: 'sum' },
    { name: 'value_min', of: 'value', how: 'min' },
    { name: 'value_max', of: 'value', how: 'max' },
  ],
  score: [
    { name: 'n', of: 'value', how: 'count' },
    { name: 'value_sum', of: 'value', how: 'sum' },
    { name: 'score_max', of: 'score', how: 'max' },
    { name: 'low_sum', of: 'expectedLow', how: 'sum' },
    { name: 'high_sum', of: 'expectedHigh', how: 'sum' },
  ],
}

/** How a sum of sums is made. */
export function againBy(how: Sum['how']): 'sum' | 'min' | 'max' {
  return how === 'count' ? 'sum' : how
}

export function isRolled(measurement: Measurement): measurement is Rolled {
  return (ROLLED as readonly string[]).includes(measurement)
}

export function stretchOf(atMs: number): number {
  return Math.floor(atMs / STRETCH_MS) * STRETCH_MS
}

/** True if a stretch may be summed up now. */
export function isSettled(stretchMs: number, nowMs: number): boolean {
  return stretchMs + STRETCH_MS + SETTLE_MS <= nowMs
}

export type Resolution = 'raw' | 'minute' | 'hour'
export const SUFFIX = { minute: '_1m', hour: '_1h' } as const

export interface Part {
  resolution: Resolution
  fromMs: number
  toMs: number
}

export interface Range {
  fromMs: number
  toMs: number
}

/** More stale ranges than this are read raw as one: many small questions cost more than a big one. */
const MAX_STALE_RANGES = 16

/**
 * The parts to read for [beginMs, endMs) in steps of `stepMs`: all of it, nothing twice. The one place that decides what
 * is read from where: hours for steps of whole hours, minutes for steps of whole minutes, raw points for anything finer
 * and for what is stale. `stale` are ranges as `rangesOf` makes them.
 */
export function partsFor(
  { beginMs, endMs, stepMs }: { beginMs: number; endMs: number; stepMs: number },
  stale: readonly Range[],
): Part[] {
  const parts: Part[] = []
  const add = (resolution: Resolution, fromMs: number, toMs: number) => {
    if (fromMs >= toMs) return
    const last = parts.at(-1)
    if (last?.resolution === resolution && last.toMs === fromMs) last.toMs = toMs
    else parts.push({ resolution, fromMs, toMs })
  }
  const addSums = (fromMs: number, toMs: number) => {
    const hourFromMs = Math.ceil(fromMs / HOUR_MS) * HOUR_MS
    const hourToMs = Math.floor(toMs / HOUR_MS) * HOUR_MS
    if (stepMs % HOUR_MS !== 0 || hourFromMs >= hourToMs) {
      add('minute', fromMs, toMs)
      return
    }
    add('minute', fromMs, hourFromMs)
    add('hour', hourFromMs, hourToMs)
    add('minute', hourToMs, toMs)
  }
  if (stepMs % MINUTE_MS !== 0) {
    add('raw', beginMs, endMs)
    return parts
  }
  const concerned = stale.filter(({ fromMs, toMs }) => fromMs < endMs && toMs > beginMs)
  const [first, last] = [concerned[0], concerned.at(-1)]
  const ranges =
    first && last && concerned.length > MAX_STALE_RANGES
      ? [{ fromMs: first.fromMs, toMs: last.toMs }]
      : concerned
  let atMs = beginMs
  for (const range of ranges) {
    const fromMs = Math.max(atMs, range.fromMs)
    const toMs = Math.min(endMs, range.toMs)
    addSums(atMs, fromMs)
    add('raw', fromMs, toMs)
    atMs = toMs
  }
  addSums(atMs, endMs)
  return parts
}

/** Stretches that follow each other, as ranges that begin at a stretch and end where one ends, of a day at most. */
export function rangesOf(stretches: Iterable<number>): Range[] {
  const ranges: Range[] = []
  for (const stretchMs of [...stretches].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && last.toMs === stretchMs && stretchMs + STRETCH_MS - last.fromMs <= 24 * HOUR_MS) {
      last.toMs += STRETCH_MS
    } else ranges.push({ fromMs: stretchMs, toMs: stretchMs + STRETCH_MS })
  }
  return ranges
}

/** The sums of one step, by name; `null` where nothing was summed up. */
export type Sums = Record<string, number | null>

/** What to ask of an engine for one part: `sums` are its expressions, in the order of `SUMS`. */
export interface PartQuestion extends Part {
  table: string
  sums: string[]
}

/** Sums of each step that has any. `ask` answers rows of a step's time and the sums, for one part of the time. */
export async function sumSteps(
  measurement: Rolled,
  steps: Steps,
  stale: readonly Range[],
  ask: (question: PartQuestion) => Promise<unknown[][]>,
): Promise<Map<number, Sums>> {
  const columns = SUMS[measurement]
  const found = new Map<number, Sums>()
  for (const part of partsFor({ ...stepSpan(steps), stepMs: steps.stepMs }, stale)) {
    const isRaw = part.resolution === 'raw'
    const table = part.resolution === 'raw' ? measurement : measurement + SUFFIX[part.resolution]
    const sums = columns.map(({ name, of, how }) =>
      isRaw ? `${how}("${of}")` : `${againBy(how)}("${name}")`,
    )
    const rows = (await ask({ ...part, table, sums })) as [number, ...(number | null)[]][]
    for (const [atMs, ...values] of rows) {
      const more = Object.fromEntries(columns.map(({ name }, index) => [name, values[index] ?? null]))
      addSums(measurement, found, atMs, more)
    }
  }
  return found
}

/** Adds the sums of another part of the same step. */
function addSums(measurement: Rolled, steps: Map<number, Sums>, atMs: number, more: Sums): void {
  const sums = steps.get(atMs)
  if (!sums) {
    steps.set(atMs, more)
    return
  }
  for (const { name, how } of SUMS[measurement]) {
    const a = sums[name] ?? null
    const b = more[name] ?? null
    if (a === null || b === null) sums[name] = a ?? b
    else if (how === 'min') sums[name] = Math.min(a, b)
    else if (how === 'max') sums[name] = Math.max(a, b)
    else sums[name] = a + b
  }
}

function mean(sum: number | null | undefined, count: number | null | undefined): number | null {
  return sum === null || sum === undefined || !count ? null : sum / count
}

/** A step of a scored series from its sums. */
export function seriesPointOf(atMs: number, sums: Sums): SeriesPoint {
  return {
    atMs,
    value: mean(sums.value_sum, sums.n),
    score: sums.score_max ?? null,
    expectedLow: mean(sums.low_sum, sums.n),
    expectedHigh: mean(sums.high_sum, sums.n),
  }
}

/** A step of passages from its sums. */
export function flowPointOf(atMs: number, sums: Sums): FlowPoint {
  return { atMs, vehicles: sums.n || null, meanSpeedKmh: mean(sums.speed_sum, sums.speed_n) }
}
