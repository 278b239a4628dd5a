import { type Static, Type } from 'typebox'
import { CameraHealth, DeviceHealth, HealthRecord } from '../messages/record.ts'
import { CameraDescription, CheckpointDescription, SensorDescription } from '../messages/uplink.ts'
import { RegionCode } from '../region.ts'
import { EpochMs } from '../units.ts'

const { kind: _kind, cameras: _cameras, devices: _devices, ...boxFields } = HealthRecord.properties

/** What an edge last said of itself and its box. */
export const EdgeHealth = Type.Object(boxFields)
export type EdgeHealth = Static<typeof EdgeHealth>

export const Edge = Type.Object({
  edgeId: Type.String(),
  name: Type.String(),
  region: RegionCode,
  state: Type.Union([Type.Literal('online'), Type.Literal('offline'), Type.Literal('never seen')]),
  lastSeenAtMs: Type.Optional(EpochMs),
  health: Type.Optional(EdgeHealth),
  software: Type.String(),
  detectorId: Type.Optional(Type.String()),
})
export type Edge = Static<typeof Edge>

export const Camera = Type.Object({
  ...CameraDescription.properties,
  edgeId: Type.String(),
  health: Type.Optional(CameraHealth),
})
export type Camera = Static<typeof Camera>

export const Checkpoint = Type.Object({
  ...CheckpointDescription.properties,
  edgeId: Type.String(),
  health: Type.Optional(DeviceHealth),
})
export type Checkpoint = Static<typeof Checkpoint>

export const Sensor = Type.Object({
  ...SensorDescription.properties,
  edgeId: Type.String(),
  health: Type.Optional(DeviceHealth),
})
export type Sensor = Static<typeof Sensor>

/** GET /api/devices: everything inside the caller's scope. */
export const DeviceList = Type.Object({
  edges: Type.Array(Edge),
  cameras: Type.Array(Camera),
  checkpoints: Type.Array(Checkpoint),
  sensors: Type.Array(Sensor),
})
export type DeviceList = Static<typeof DeviceList>

/** POST /api/edges; the token in the answer is shown once. */
export const NewEdge = Type.Object(
  {
    edgeId: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$' }),
    name: Type.String({ minLength: 1, maxLength: 80 }),
    region: RegionCode,
  },
  { additionalProperties: false },
)
export type NewEdge = Static<typeof NewEdge>
export const CreatedEdge = Type.Object({ edge: Edge, token: Type.String() })
export type CreatedEdge = Static<typeof CreatedEdge>
/** POST /api/edges/:edgeId/token; shown once. */
export const RenewedEdge = Type.Object({ token: Type.String() })
export type RenewedEdge = Static<typeof RenewedEdge>

/** GET /api/regions: names of the divisions inside the caller's scope. */
export const Region = Type.Object({ code: RegionCode, name: Type.String() })
export type Region = Static<typeof Region>
/** PUT /api/regions/:code */
export const RegionName = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 80 }) },
  { additionalProperties: false },
)
export type RegionName = Static<typeof RegionName>

/** The newest settings of an edge, for the edge itself. */
export const EdgeSettings = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  /** YAML, laid over the edge's own file; see edge/src/config/overlay.ts. */
  document: Type.String(),
})
export type EdgeSettings = Static<typeof EdgeSettings>

/** Settings that an engineer has given an edge, and what became of them. */
export const EdgeSettingsVersion = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  document: Type.String(),
  note: Type.String(),
  madeBy: Type.String(),
  madeAtMs: EpochMs,
  /** `offered`: the edge has not said anything yet. `replaced`: newer ones came before it did. */
  state: Type.Union([
    Type.Literal('offered'),
    Type.Literal('trying'),
    Type.Literal('applied'),
    Type.Literal('refused'),
    Type.Literal('replaced'),
  ]),
  problems: Type.Array(Type.String()),
})
export type EdgeSettingsVersion = Static<typeof EdgeSettingsVersion>

export const NewEdgeSettings = Type.Object(
  {
    document: Type.String({ maxLength: 262_144, description: 'YAML; empty for none' }),
    note: Type.String({ minLength: 1, maxLength: 200, description: 'why' }),
  },
  { additionalProperties: false },
)
export type NewEdgeSettings = Static<typeof NewEdgeSettings>
