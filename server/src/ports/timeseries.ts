/** The time-series store: passages, readings, scores and health as points. */
import type { Passage, SeriesPoint } from '@patrolhub/protocol'

/**
 * One point. Its identity is measurement + tags + atMs + tieBreak: appending it again overwrites it, so a batch that
 * is repeated after a crash doubles nothing. `tieBreak` is the record's sequence number in its stream and epoch.
 */
export interface Point {
  measurement: 'passage' | 'reading' | 'score' | 'health'
  atMs: number
  tieBreak: number
  edgeId: string
  deviceId: string
  region: string
  /** `score`: the series' name; `reading`: the quantity; else empty. */
  series: string
  /** Text that queries group or filter by, e.g. vehicleClass, plateHash. */
  labels: Readonly<Record<string, string>>
  fields: Readonly<Record<string, number>>
}

export interface SeriesQuery {
  deviceId: string
  series: string
  fromMs: number
  toMs: number
  /** Width of a step; the answer has one point a step from the one that holds `fromMs`, gaps as null. */
  stepMs: number
}

export interface PointCounts {
  passages: number
  readings: number
  total: number
}

export interface TimeSeries {
  /** Resolves once every point is durable; rejects if any is not, and then all may be appended again. */
  append(points: readonly Point[]): Promise<void>
  /** Mean value, highest score and mean band of a scored series, a step at a time, oldest first. */
  scoredSeries(query: SeriesQuery): Promise<SeriesPoint[]>
  /** The newest passages of a checkpoint, newest first. */
  latestPassages(checkpointId: string, limit: number): Promise<Passage[]>
  /** Points whose region lies inside the scope. */
  count(scope: string): Promise<PointCounts>
  /** Rejects with the reason if the store cannot take points now. */
  ping(): Promise<void>
  close(): Promise<void>
}
