import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { EpochMs } from '../units.ts'

/** One step of a series; `null` where nothing was measured: a gap is shown as a gap. */
export const SeriesPoint = Type.Object({
  atMs: EpochMs,
  value: Type.Union([Type.Number(), Type.Null()]),
  score: Type.Union([Type.Number(), Type.Null()]),
  expectedLow: Type.Union([Type.Number(), Type.Null()]),
  expectedHigh: Type.Union([Type.Number(), Type.Null()]),
})
export type SeriesPoint = Static<typeof SeriesPoint>

/** GET /api/devices/:deviceId/series/:series?fromMs&toMs&stepMs : scored series (`flow`, `speed`, a sensor's quantity). */
export const Series = Type.Object({
  deviceId: Type.String(),
  series: Type.String(),
  stepMs: Type.Integer(),
  points: Type.Array(SeriesPoint),
})
export type Series = Static<typeof Series>

/** Vehicles in one step of time; both `null` if nothing passed. */
export const FlowPoint = Type.Object({
  atMs: EpochMs,
  vehicles: Type.Union([Type.Integer(), Type.Null()]),
  meanSpeedKmh: Type.Union([Type.Number(), Type.Null()]),
})
export type FlowPoint = Static<typeof FlowPoint>

/** GET /api/flow?region&deviceId&fromMs&toMs&stepMs : of one checkpoint, or of all in the division together. */
export const Flow = Type.Object({
  region: RegionCode,
  deviceId: Type.Optional(Type.String()),
  stepMs: Type.Integer(),
  points: Type.Array(FlowPoint),
})
export type Flow = Static<typeof Flow>

/** GET /api/checkpoints/:checkpointId/passages?limit&atMs : newest first, plates never included. */
export const Passage = Type.Object({
  /** Opaque; names it for POST /api/passages/:passageId/plate. */
  passageId: Type.String(),
  atMs: EpochMs,
  lane: Type.Integer(),
  speedKmh: Type.Optional(Type.Number()),
  vehicleClass: Type.Optional(Type.String()),
  plateColour: Type.Optional(Type.String()),
  direction: Type.Optional(Type.String()),
  /** A plate is stored with it, hidden. */
  hasPlate: Type.Boolean(),
})
export type Passage = Static<typeof Passage>
export const PassageList = Type.Object({ items: Type.Array(Passage) })
export type PassageList = Static<typeof PassageList>

/** GET /api/overview : counts inside the caller's scope (points: of the whole hub, administrators only, else 0). */
export const Overview = Type.Object({
  edgesOnline: Type.Integer(),
  edgesTotal: Type.Integer(),
  camerasOnline: Type.Integer(),
  camerasTotal: Type.Integer(),
  alertsToday: Type.Integer(),
  alertsTotal: Type.Integer(),
  incidentsOpen: Type.Integer(),
  incidentsTotal: Type.Integer(),
  dispatchesOpen: Type.Integer(),
  framesAnalysed: Type.Integer({ description: 'sum of the newest health of every camera' }),
  passagesTotal: Type.Integer(),
  readingsTotal: Type.Integer(),
  pointsTotal: Type.Integer(),
})
export type Overview = Static<typeof Overview>
