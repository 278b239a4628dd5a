/** What the chart and its words are made of. Pure. */
import type { SeriesPoint } from '@patrolhub/protocol'

/** From this score on a value is marked as an anomaly. */
export const ANOMALY_SCORE = 0.7

export function isAnomaly(point: SeriesPoint): boolean {
  return point.value !== null && point.score !== null && point.score >= ANOMALY_SCORE
}

/** Columns as uPlot takes them: seconds, value, anomalies only, band's upper edge, band's lower edge; null is a gap. */
export type ChartColumns = [
  number[],
  (number | null)[],
  (number | null)[],
  (number | null)[],
  (number | null)[],
]

export function chartColumns(points: readonly SeriesPoint[]): ChartColumns {
  return [
    points.map((point) => point.atMs / 1000),
    points.map((point) => point.value),
    points.map((point) => (isAnomaly(point) ? point.value : null)),
    points.map((point) => point.expectedHigh),
    points.map((point) => point.expectedLow),
  ]
}

export interface SeriesSummary {
  latest: SeriesPoint | undefined
  anomalies: number
  /** True if nothing at all was measured in the span. */
  isEmpty: boolean
}

export function summaryOf(points: readonly SeriesPoint[]): SeriesSummary {
  const latest = points.findLast((point) => point.value !== null)
  return { latest, anomalies: points.filter(isAnomaly).length, isEmpty: latest === undefined }
}

/** Shown spans with a step that leaves a few hundred points on the screen. */
export const SPANS = {
  quarter: { spanMs: 900_000, stepMs: 5000 },
  hour: { spanMs: 3_600_000, stepMs: 10_000 },
  shift: { spanMs: 8 * 3_600_000, stepMs: 60_000 },
  day: { spanMs: 24 * 3_600_000, stepMs: 300_000 },
} as const
export type SpanName = keyof typeof SPANS
