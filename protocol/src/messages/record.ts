/**
 * What an edge journals and the hub stores. A record has no number of its own: its sequence number is its place in
 * the stream (`Batch.firstSeq` + index). `alert` records and `evidence` records travel on the stream `alerts`; all
 * others on `measurements`.
 */
import { type Static, Type } from 'typebox'
import { RegionCode } from '../region.ts'
import { DeviceId, EpochMs, NormBox, NormPoint, Score, Severity, Sha256, Uuid } from '../units.ts'

/**
 * What raised an alert. From video: `intrusion`, `line-crossing`, `loitering`, `crowding`, `wrong-way`,
 * `stopped-vehicle`, `running`, `scatter`, `unusual`, `left-object`, `removed-object`; from the picture itself:
 * `covered`, `blurred`, `frozen`, `moved-camera`, `lost-signal`; from a model over numbers: `signal-anomaly`;
 * from passages: `watch-list`, `speeding`, `wrong-way`, `queue`, `lane-blocked`; from the hub, which compares
 * checkpoints: `cloned-plate`; from the intake: `device-silent` (its fact `state` is `silent`, or `back` in the note that
 * it sends again).
 *
 * Facts that screens make their sentence of: about an object `className` and, where a time matters, `secondsInZone`;
 * `direction` (`left`, `right`) of a line crossing; `count` and `minCount` of a crowd or scatter; `seconds` that a
 * state of the picture or an object has lasted; `objectsSinceLastAlert`, how many have fulfilled the rule since it
 * alerted last, this time included; about a passage its `lane`, with `speedKmh` and `limitKmh` of speeding, `direction` of a
 * wrong way, `seconds` and `elsewhere` (vehicles in other lanes) of a blocked lane; `speedKmh`, `usualKmh`, `perMinute` and
 * `seconds` of a queue.
 */
export const Rule = Type.String({ pattern: '^[a-z][a-z0-9-]{0,39}$' })

/** Rules of a checkpoint as a whole; an alert of any other bears the time of the passage that it tells of. */
export const ABOUT_NO_PASSAGE: readonly string[] = [
  'signal-anomaly',
  'device-silent',
  'queue',
  'lane-blocked',
]

/** One object in the picture at the moment of the alert. `boxNorm` is relative to the camera's whole picture. */
export const DetectedObject = Type.Object(
  {
    trackId: Type.Integer({ minimum: 0 }),
    className: Type.String({ maxLength: 40 }),
    score: Score,
    boxNorm: NormBox,
    isSubject: Type.Boolean({ description: 'true for the object that the alert is about' }),
  },
  { additionalProperties: false },
)
export type DetectedObject = Static<typeof DetectedObject>

export const ModelRef = Type.Object(
  { id: Type.String({ maxLength: 60 }), sha256: Sha256 },
  { additionalProperties: false },
)
export type ModelRef = Static<typeof ModelRef>

export const AlertRecord = Type.Object(
  {
    kind: Type.Literal('alert'),
    alertId: Uuid,
    /** Capture time of the frame, or time of the reading, that decided the alert. */
    atMs: EpochMs,
    deviceId: DeviceId,
    deviceKind: Type.Union([Type.Literal('camera'), Type.Literal('checkpoint'), Type.Literal('sensor')]),
    region: RegionCode,
    rule: Rule,
    ruleName: Type.String({
      maxLength: 80,
      description: 'the name an engineer gave this rule, e.g. the zone',
    }),
    severity: Severity,
    score: Score,
    /** A sentence that a person can read, in English; `rule` and `facts` let a screen say it in its own language. */
    reason: Type.String({ maxLength: 400 }),
    facts: Type.Record(
      // A pattern: a length alone would not be checked, and a name with a line end would let any value pass.
      Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_]{0,39}$' }),
      Type.Union([Type.String({ maxLength: 200 }), Type.Number()]),
      { maxProperties: 32, additionalProperties: false },
    ),
    objects: Type.Array(DetectedObject, { maxItems: 100 }),
    /** Path of the subject's foot point, oldest first. */
    trackPath: Type.Array(NormPoint, { maxItems: 200 }),
    zone: Type.Optional(Type.Array(NormPoint, { minItems: 2, maxItems: 64 })),
    model: Type.Optional(ModelRef),
    /** Evidence that the edge will upload; its content is announced by an `evidence` record once it exists. */
    evidenceIds: Type.Array(Uuid, { maxItems: 8 }),
    isDrill: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type AlertRecord = Static<typeof AlertRecord>

/** Announces evidence that belongs to an alert; the bytes go by HTTPS and are checked against `sha256`. */
export const EvidenceRecord = Type.Object(
  {
    kind: Type.Literal('evidence'),
    evidenceId: Uuid,
    alertId: Uuid,
    atMs: EpochMs,
    /** `marked` is the snapshot with the boxes of its alert drawn into it. */
    role: Type.Union([Type.Literal('snapshot'), Type.Literal('marked'), Type.Literal('clip')]),
    mime: Type.Union([Type.Literal('image/jpeg'), Type.Literal('video/mp4')]),
    sha256: Sha256,
    bytes: Type.Integer({ minimum: 1 }),
  },
  { additionalProperties: false },
)
export type EvidenceRecord = Static<typeof EvidenceRecord>

/**
 * Marks a value whose time is not to be trusted as it stands: it came `late` (out of the device's memory, after a broken
 * line), or bears a time in the `future` of the edge's clock. Ordinary values have no mark. A hub of before it sets
 * marked records aside: hubs are updated first.
 */
export const RecordTiming = Type.Union([Type.Literal('late'), Type.Literal('future')])
export type RecordTiming = Static<typeof RecordTiming>

/** One vehicle crossing one lane. The plate leaves the edge only as keyed hash and ciphertext. */
export const PassageRecord = Type.Object(
  {
    kind: Type.Literal('passage'),
    atMs: EpochMs,
    deviceId: DeviceId,
    region: RegionCode,
    lane: Type.Integer({ minimum: 0, maximum: 99 }),
    speedKmh: Type.Optional(Type.Number({ minimum: 0, maximum: 400 })),
    vehicleClass: Type.Optional(Type.String({ maxLength: 20 })),
    plateColour: Type.Optional(Type.String({ maxLength: 20 })),
    direction: Type.Optional(Type.String({ maxLength: 20 })),
    timing: Type.Optional(RecordTiming),
    /** HMAC-SHA-256 of the normalised plate, hexadecimal. */
    plateHash: Type.Optional(Sha256),
    /** `keyVersion.iv.ciphertext.tag`, the last three base64url, AES-256-GCM. */
    plateCipher: Type.Optional(
      Type.String({ maxLength: 200, pattern: '^\\d+\\.[\\w-]+\\.[\\w-]+\\.[\\w-]+$' }),
    ),
  },
  { additionalProperties: false },
)
export type PassageRecord = Static<typeof PassageRecord>

export const Quantity = Type.String({
  pattern: '^[a-z][a-z0-9_]{0,39}$',
  description: 'e.g. water_level, smoke, gas',
})

export const ReadingRecord = Type.Object(
  {
    kind: Type.Literal('reading'),
    atMs: EpochMs,
    deviceId: DeviceId,
    region: RegionCode,
    quantity: Quantity,
    value: Type.Number(),
    unit: Type.String({ maxLength: 16 }),
    timing: Type.Optional(RecordTiming),
  },
  { additionalProperties: false },
)
export type ReadingRecord = Static<typeof ReadingRecord>

/** What the anomaly model says of one value of a series: how odd it is and what was expected. */
export const ScoreRecord = Type.Object(
  {
    kind: Type.Literal('score'),
    atMs: EpochMs,
    deviceId: DeviceId,
    region: RegionCode,
    /** `flow` (vehicles a minute), `speed` (km/h), or the quantity of a sensor. */
    series: Quantity,
    value: Type.Number(),
    score: Score,
    expectedLow: Type.Number(),
    expectedHigh: Type.Number(),
  },
  { additionalProperties: false },
)
export type ScoreRecord = Static<typeof ScoreRecord>

export const CameraState = Type.Union([
  Type.Literal('connecting'),
  Type.Literal('online'),
  Type.Literal('degraded'),
  Type.Literal('offline'),
])
export type CameraState = Static<typeof CameraState>

export const CameraHealth = Type.Object(
  {
    cameraId: DeviceId,
    state: CameraState,
    /** Why it is not online; empty when it is. */
    why: Type.String({ maxLength: 300 }),
    framesAnalysed: Type.Integer({ minimum: 0 }),
    framesDropped: Type.Integer({ minimum: 0 }),
    inferenceMsP50: Type.Number({ minimum: 0 }),
    /** Pictures that the camera sent each second since the record before. */
    picturesPerSecond: Type.Optional(Type.Number({ minimum: 0 })),
    /** From the arrival of a coded picture to the decoded one. */
    decodeMsP50: Type.Optional(Type.Number({ minimum: 0 })),
    /** Part of the pictures since the record before that was decoded: little while nothing moves. */
    decodedShare: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    /** Why every picture is decoded; missing while only what is needed is. */
    decodesAllBecause: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    lastFrameAtMs: Type.Optional(EpochMs),
    /** How the stream is coded that it sends for viewing (masked: as the edge codes it); missing while unknown. */
    codec: Type.Optional(Type.Union([Type.Literal('h264'), Type.Literal('h265')])),
  },
  { additionalProperties: false },
)
export type CameraHealth = Static<typeof CameraHealth>

/** The machine that an edge runs on. */
export const BoxHealth = Type.Object(
  {
    /** Of all cores together, everything that runs. */
    cpuPercent: Type.Number({ minimum: 0, maximum: 100 }),
    memoryFreeMb: Type.Number({ minimum: 0 }),
    memoryTotalMb: Type.Number({ minimum: 0 }),
    /** Of the disk with the data folder; missing if it does not answer. */
    diskFreeMb: Type.Optional(Type.Number({ minimum: 0 })),
    diskTotalMb: Type.Optional(Type.Number({ minimum: 0 })),
    /** Of its hottest zone; missing where it has no sensor. */
    temperatureC: Type.Optional(Type.Number()),
  },
  { additionalProperties: false },
)
export type BoxHealth = Static<typeof BoxHealth>

/** State of one checkpoint or sensor, as its edge sees it. */
export const DeviceHealth = Type.Object(
  {
    deviceId: DeviceId,
    /** `silent`: nothing for longer than its habit; `waiting`: nothing yet since the edge started. */
    state: Type.Union([Type.Literal('online'), Type.Literal('silent'), Type.Literal('waiting')]),
    /** Passages or readings taken, and messages or items refused, since the edge started. */
    taken: Type.Integer({ minimum: 0 }),
    refused: Type.Integer({ minimum: 0 }),
    /** When the last message came, by the clock of the edge. */
    lastAtMs: Type.Optional(EpochMs),
    /** How far the device's clock is ahead of the edge's (negative: behind), to about a second. */
    clockOffsetMs: Type.Optional(Type.Integer()),
  },
  { additionalProperties: false },
)
export type DeviceHealth = Static<typeof DeviceHealth>

/** State of one box and its cameras; counters are since the process started. */
export const HealthRecord = Type.Object(
  {
    kind: Type.Literal('health'),
    atMs: EpochMs,
    uptimeSeconds: Type.Number({ minimum: 0 }),
    box: Type.Optional(BoxHealth),
    /** How far the hub's clock is ahead, and how wrong that may be; missing while the hub has not answered. */
    hubClock: Type.Optional(
      Type.Object(
        { offsetMs: Type.Number(), errorMs: Type.Number({ minimum: 0 }) },
        { additionalProperties: false },
      ),
    ),
    /** What the disk did not take of the recordings. */
    recording: Type.Optional(
      Type.Object(
        { droppedPictures: Type.Integer({ minimum: 0 }), lostSegments: Type.Integer({ minimum: 0 }) },
        { additionalProperties: false },
      ),
    ),
    /** Files of evidence that wait for the hub. */
    evidencePending: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Of the edge's own process, of one core. */
    cpuPercent: Type.Number({ minimum: 0 }),
    memoryMb: Type.Number({ minimum: 0 }),
    journalRecords: Type.Integer({ minimum: 0 }),
    refusedMessages: Type.Integer({ minimum: 0 }),
    cameras: Type.Array(CameraHealth, { maxItems: 256 }),
    /** Those that something is to be said of: a device that never sent anything is left out. */
    devices: Type.Optional(Type.Array(DeviceHealth, { maxItems: 512 })),
  },
  { additionalProperties: false },
)
export type HealthRecord = Static<typeof HealthRecord>

export const JournalRecord = Type.Union([
  AlertRecord,
  EvidenceRecord,
  PassageRecord,
  ReadingRecord,
  ScoreRecord,
  HealthRecord,
])
export type JournalRecord = Static<typeof JournalRecord>
export type RecordKind = JournalRecord['kind']

/** One schema a kind, so that a problem is reported against the kind that the record claims to be. */
export const RECORD_SCHEMAS = {
  alert: AlertRecord,
  evidence: EvidenceRecord,
  passage: PassageRecord,
  reading: ReadingRecord,
  score: ScoreRecord,
  health: HealthRecord,
} as const

/** The stream that a record travels on. */
export function streamOf(kind: RecordKind): 'alerts' | 'measurements' {
  return kind === 'alert' || kind === 'evidence' ? 'alerts' : 'measurements'
}
