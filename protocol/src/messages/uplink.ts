/**
 * The cursor protocol between an edge and the hub.
 *
 * The edge numbers the records of each stream 1, 2, 3 … within an epoch (one life of its journal). It sends batches in
 * order; the hub commits records and cursor in one transaction and answers with the cursor. Only a cursor lets the
 * edge delete; a PUBACK deletes nothing. A batch that starts at or below the cursor is a repeat: its known records are
 * dropped. A batch that starts past cursor + 1 is a gap: it is refused and the hub answers with its cursor, from
 * which the edge goes on.
 */
import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { DeviceId, EpochMs, Sha256, Uuid } from '../units.ts'

const StreamName = Type.Union([Type.Literal('alerts'), Type.Literal('measurements')])

/** Sequence numbers start at 1; 0 means "nothing yet". */
const Seq = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** At most this many records in one batch. */
export const MAX_BATCH_RECORDS = 1000
/** At most this many bytes in one MQTT message, either way. */
export const MAX_MESSAGE_BYTES = 1024 * 1024

/** The envelope of a batch; each record is checked on its own, so that one bad record does not refuse the others. */
export const Batch = Type.Object(
  {
    epoch: Uuid,
    firstSeq: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    records: Type.Array(Type.Unknown(), { maxItems: MAX_BATCH_RECORDS }),
    /** Records that the edge had to drop (disk full, age) directly before `firstSeq`: declared, never silent. */
    lost: Type.Optional(
      Type.Object(
        { fromSeq: Seq, toSeq: Seq, reason: Type.String({ maxLength: 200 }) },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
)
export type Batch = Static<typeof Batch>

export const Cursor = Type.Object(
  {
    stream: StreamName,
    epoch: Uuid,
    /** Everything up to and including this number is committed at the hub. */
    upTo: Seq,
    /**
     * `committed` answers a batch that was committed; `hello` answers a hello; `gap` refuses a batch that started too
     * far ahead; `epoch` refuses a batch of an epoch that the hub has not been told of by a hello.
     */
    reason: Type.Union([
      Type.Literal('committed'),
      Type.Literal('hello'),
      Type.Literal('gap'),
      Type.Literal('epoch'),
    ]),
    /** The hub's clock when it answered. */
    hubAtMs: Type.Optional(EpochMs),
  },
  { additionalProperties: false },
)
export type Cursor = Static<typeof Cursor>

const Place = {
  name: Type.String({ minLength: 1, maxLength: 80 }),
  region: RegionCode,
  /** WGS 84, degrees. */
  latitude: Type.Optional(Type.Number({ minimum: -90, maximum: 90 })),
  longitude: Type.Optional(Type.Number({ minimum: -180, maximum: 180 })),
}

export const Sensitivity = Type.Union([
  Type.Literal('public'),
  Type.Literal('controlled'),
  Type.Literal('restricted'),
])
export type Sensitivity = Static<typeof Sensitivity>

export const CameraDescription = Type.Object(
  { cameraId: DeviceId, ...Place, sensitivity: Sensitivity },
  { additionalProperties: false },
)
export type CameraDescription = Static<typeof CameraDescription>

export const CheckpointDescription = Type.Object(
  { checkpointId: DeviceId, ...Place, lanes: Type.Integer({ minimum: 1, maximum: 32 }) },
  { additionalProperties: false },
)
export type CheckpointDescription = Static<typeof CheckpointDescription>

export const SensorDescription = Type.Object(
  {
    sensorId: DeviceId,
    ...Place,
    quantity: Type.String({ maxLength: 40 }),
    unit: Type.String({ maxLength: 16 }),
  },
  { additionalProperties: false },
)
export type SensorDescription = Static<typeof SensorDescription>

/** How far an edge has come with the hub's settings. */
export const SettingsReport = Type.Object(
  {
    version: Type.Integer({ minimum: 1 }),
    /** `trying`: they run, but not for long enough to be kept. */
    state: Type.Union([Type.Literal('applied'), Type.Literal('trying'), Type.Literal('refused')]),
    /** Why they were refused: each problem with its place. */
    problems: Type.Array(Type.String({ maxLength: 300 }), { maxItems: 50 }),
  },
  { additionalProperties: false },
)
export type SettingsReport = Static<typeof SettingsReport>

/** Tells an edge that there are settings for it; it fetches them with GET /api/edge/settings. */
export const SettingsOffer = Type.Object(
  { version: Type.Integer({ minimum: 1 }) },
  { additionalProperties: false },
)
export type SettingsOffer = Static<typeof SettingsOffer>

/** First message of an edge after every connect: who it is, which epoch it is in and what hangs on it. */
export const Hello = Type.Object(
  {
    epoch: Uuid,
    software: Type.String({ maxLength: 80 }),
    region: RegionCode,
    atMs: EpochMs,
    streams: Type.Object(
      {
        alerts: Type.Object({ firstSeq: Seq, lastSeq: Seq }, { additionalProperties: false }),
        measurements: Type.Object({ firstSeq: Seq, lastSeq: Seq }, { additionalProperties: false }),
      },
      {
        additionalProperties: false,
        description:
          'oldest number still in the journal (lastSeq + 1 if it is empty) and newest number ever given (0 before the first)',
      },
    ),
    detector: Type.Optional(
      Type.Object({ id: Type.String({ maxLength: 60 }), sha256: Sha256 }, { additionalProperties: false }),
    ),
    /** Missing while the hub has never given it any. */
    settings: Type.Optional(SettingsReport),
    cameras: Type.Array(CameraDescription, { maxItems: 256 }),
    checkpoints: Type.Array(CheckpointDescription, { maxItems: 256 }),
    sensors: Type.Array(SensorDescription, { maxItems: 4096 }),
  },
  { additionalProperties: false },
)
export type Hello = Static<typeof Hello>

/** Retained; the broker publishes `offline` as the last will. */
export const EdgeStatus = Type.Object(
  { state: Type.Union([Type.Literal('online'), Type.Literal('offline')]), atMs: EpochMs },
  { additionalProperties: false },
)
export type EdgeStatus = Static<typeof EdgeStatus>

/** How a camera's stream is sent: as the camera codes it, or as H.264, converted at the edge if it is another. */
export const Rendition = Type.Union([Type.Literal('source'), Type.Literal('h264')])
export type Rendition = Static<typeof Rendition>

/** Asks the edge to publish a camera's compressed stream as FLV to the hub, or to stop. Repeats are harmless. */
export const RelayCommand = Type.Union([
  Type.Object(
    {
      action: Type.Literal('start'),
      cameraId: DeviceId,
      rendition: Rendition,
      /** Path on the hub that takes the stream by a chunked POST, e.g. `/media/publish/cam-01`. */
      publishPath: Type.String({ pattern: '^/', maxLength: 200 }),
      /** The edge stops by itself after this time unless it is told again. A span, so that its clock does not matter. */
      forSeconds: Type.Number({ exclusiveMinimum: 0, maximum: 3600 }),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    { action: Type.Literal('stop'), cameraId: DeviceId, rendition: Rendition },
    { additionalProperties: false },
  ),
])
export type RelayCommand = Static<typeof RelayCommand>
