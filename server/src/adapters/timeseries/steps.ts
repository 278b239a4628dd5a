/** Steps of a series, the same for every engine. */
import type { SeriesPoint } from '@patrolhub/protocol'
import type { SeriesQuery } from '../../ports/timeseries.ts'

/** Whole steps that cover [fromMs, toMs): first instant of the first, first instant after the last. */
export function stepSpan({ fromMs, toMs, stepMs }: SeriesQuery): { beginMs: number; endMs: number } {
  return { beginMs: Math.floor(fromMs / stepMs) * stepMs, endMs: Math.ceil(toMs / stepMs) * stepMs }
}

/** One point for every step of the query; a step that `found` does not hold is a gap. */
export function fillSteps(query: SeriesQuery, found: ReadonlyMap<number, SeriesPoint>): SeriesPoint[] {
  const { beginMs, endMs } = stepSpan(query)
  const points: SeriesPoint[] = []
  for (let atMs = beginMs; atMs < endMs; atMs += query.stepMs) {
    points.push(found.get(atMs) ?? { atMs, value: null, score: null, expectedLow: null, expectedHigh: null })
  }
  return points
}
