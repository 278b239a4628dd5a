/** The time-series store: passages, readings, scores and health as points. */
import type { FlowPoint, Passage, SeriesPoint } from '@patrolhub/protocol'
import type { PassagePlace } from './passage-id.ts'
import type { KeptPassage, PlateStore } from './plate-store.ts'

export const MEASUREMENTS = ['passage', 'reading', 'score', 'health'] as const
export type Measurement = (typeof MEASUREMENTS)[number]

/**
 * One point. Its identity is measurement + edge + device + series + atMs + tieBreak: appending it again changes
 * nothing, so a batch that is repeated after a crash doubles nothing. `tieBreak` is the record's sequence number in its
 * stream and epoch.
 */
export interface Point {
  measurement: Measurement
  atMs: number
  tieBreak: number
  edgeId: string
  deviceId: string
  region: string
  /** `score`: the series' name; `reading`: the quantity; `health`: `edge` or `camera`; else empty. */
  series: string
  /** Text that queries group or filter by, e.g. vehicleClass, plateHash. */
  labels: Readonly<Record<string, string>>
  fields: Readonly<Record<string, number>>
}

/** A point that the store will never take, however often it is sent, with the store's reason. */
export interface RefusedPoint {
  point: Point
  reason: string
}

export interface SeriesQuery {
  deviceId: string
  series: string
  /** Only points whose region lies inside: a device that was moved, or another under its id, was elsewhere before. */
  scope: string
  fromMs: number
  /** Not included, but the step that holds the last instant before it is answered whole. */
  toMs: number
  /**
   * Width of a step. Steps begin at multiples of it; the answer has one point a step from the one that holds `fromMs`,
   * gaps as null.
   */
  stepMs: number
}

export interface FlowQuery {
  /** Only passages whose region lies inside. */
  scope: string
  /** One checkpoint; without it all of them together. */
  deviceId?: string
  fromMs: number
  /** As in SeriesQuery. */
  toMs: number
  stepMs: number
}

/** What there is of a passage beyond what lists show. */
export interface StoredPassage {
  deviceId: string
  region: string
  atMs: number
  plateCipher?: string
  plateHash?: string
}

/** A passage as lists show it, and where it was. */
export type PlacedPassage = Passage & { checkpointId: string; region: string }

export interface PassageQuery {
  /** Only passages whose region lies inside. */
  scope: string
  /** One checkpoint; without it all of them. */
  deviceId?: string
  fromMs: number
  /** Not included. */
  toMs: number
  lane?: number
  /** Beginning of it: letters and digits. */
  vehicleClass?: string
  plateColour?: string
  direction?: string
  minKmh?: number
  maxKmh?: number
  plateHash?: string
  /** Only what comes after this passage in the order of the answer. */
  before?: PassagePlace
  limit: number
}

/** Raw points before these times are not kept, by measurement, EpochMs. */
export type RawFrom = Readonly<Record<Measurement, number>>

export interface PointCounts {
  passages: number
  readings: number
  total: number
}

export interface TimeSeries {
  /** What the passages here hold of plates. */
  readonly plates: PlateStore
  /**
   * Resolves once every point is durable, but for those it answers as refused. Rejects if the store could not do it
   * now: then all may be appended again.
   *
   * `source` names who numbers the points, if somebody does: points of one source come in the order of their tie
   * breaks, and only what was sent before is ever sent again. A store may save itself looking for what it cannot have.
   */
  append(points: readonly Point[], source?: string): Promise<RefusedPoint[]>
  /** Mean value, highest score and mean band of a scored series, a step at a time, oldest first. */
  scoredSeries(query: SeriesQuery): Promise<SeriesPoint[]>
  /** Vehicles and their mean speed, a step at a time, oldest first; a step in which nothing passed is a gap. */
  passageFlow(query: FlowQuery): Promise<FlowPoint[]>
  /** A passage by what tells it from others; `undefined` if it is not stored (any more). */
  passage(place: PassagePlace): Promise<StoredPassage | undefined>
  /**
   * Passages that fit, newest first; of one instant by tie break, edge and device, so that the order is the same every
   * time.
   */
  searchPassages(query: PassageQuery): Promise<PlacedPassage[]>
  /** The newest passages of a checkpoint inside the scope, newest first; with `atMs` those of that millisecond. */
  latestPassages(checkpointId: string, scope: string, limit: number, atMs?: number): Promise<Passage[]>
  /**
   * Points whose region lies inside the scope, also those that are only in the sums any more; the empty scope is every
   * region.
   */
  count(scope: string): Promise<PointCounts>
  /**
   * Sums up by minute and by hour what was appended since, late points too; answers how many stretches of time it summed
   * up. Harmless when it runs twice at once.
   */
  runRollups(nowMs: number): Promise<number>
  /**
   * Deletes raw points and sums from before these times; points that are in no sum yet are kept until they are, and the
   * passages of `kept` stay. Sums of a time whose raw points were deleted never change again: what comes later than that
   * is in no sum.
   */
  runRetention(
    rawFrom: RawFrom,
    sumsFrom: { minute: number; hour: number },
    kept: readonly KeptPassage[],
  ): Promise<void>
  /**
   * Writes all points, as of one moment, into a new file of the store's own kind while appending goes on; answers how
   * many. Left out by a store that is backed up by its own tools.
   */
  copyTo?(file: string): Promise<number>
  /** Rejects with the reason if the store cannot take points now. */
  ping(): Promise<void>
  close(): Promise<void>
}
