/** The form of an edge's configuration file: every setting with its default, unit and meaning. */
import {
  CameraDescription,
  CheckpointDescription,
  DeviceId,
  NormPolygon,
  Quantity,
  RegionCode,
  Sensitivity,
  SensorDescription,
  Severity,
} from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'
import { IntakeSettings } from './intake-schema.ts'
import { MappingConfig } from './mapping-schema.ts'
import { described, RuleConfig } from './rules.ts'
import { TrafficConfig } from './traffic-schema.ts'

const strict = { additionalProperties: false } as const
const strictWithDefaults = { ...strict, default: {} } as const

const FilePath = (description: string) => Type.String({ minLength: 1, maxLength: 1000, description })

/** Name and position of a device, with words for the reference page. */
const place = {
  name: Type.String({ minLength: 1, maxLength: 80, description: 'what people call it' }),
  region: described(RegionCode, { description: 'division code where it stands' }),
  latitude: Type.Optional(Type.Number({ minimum: -90, maximum: 90, description: 'WGS 84' })),
  longitude: Type.Optional(Type.Number({ minimum: -180, maximum: 180, description: 'WGS 84' })),
}

export const CameraConfig = Type.Object(
  {
    ...CameraDescription.properties,
    ...place,
    sensitivity: described(Sensitivity, { description: 'who may watch: restricted needs a second person' }),
    url: Type.String({
      pattern: '^rtsps?://',
      maxLength: 1000,
      description: 'RTSP address, with credentials if the camera asks for them',
    }),
    analysisFps: Type.Number({
      minimum: 0.2,
      maximum: 30,
      default: 5,
      description: 'frames that are analysed',
      unit: 'frames/s',
    }),
    decode: Type.Union([Type.Literal('needed'), Type.Literal('full')], {
      default: 'needed',
      description:
        '`needed` decodes key frames only while nothing moves, which costs about a sixth; `full` decodes every picture, for a camera whose key frames and packet sizes mislead',
    }),
    detail: Type.Number({
      minimum: 1,
      maximum: 4,
      default: 1,
      description:
        "how many times wider and higher than the detector's input its pictures are looked at, for people and vehicles who are small in the picture; the detector then costs the square of it",
    }),
    masks: Type.Array(NormPolygon, {
      maxItems: 16,
      default: [],
      description:
        'areas [[x, y], …] that nobody may see: black in everything that is analysed, recorded or sent. The stream is then coded anew, which costs four times as much CPU as a camera without a mask',
    }),
    recording: Type.Object(
      {
        isOn: Type.Boolean({
          default: true,
          description:
            'keeps the last minutes on the disk, for the clips of alerts; without it alerts have no clip',
        }),
        maxMegabytes: Type.Integer({
          minimum: 16,
          maximum: 1_048_576,
          default: 512,
          unit: 'MB',
          description: 'what this camera may hold of it; the oldest goes first',
        }),
      },
      strictWithDefaults,
    ),
    rules: Type.Array(RuleConfig, { maxItems: 32, default: [], description: 'what raises alerts' }),
  },
  strict,
)
export type CameraConfig = Static<typeof CameraConfig>

/** When a value of a series is odd enough for an alert. */
export const SignalRuleConfig = Type.Object(
  {
    threshold: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0.7,
      description:
        'anomaly score from which an alert is raised: how likely it is that something happened; lower finds more and errs more often',
    }),
    severity: described(Severity, { default: 'minor', description: 'severity of the alert' }),
    cooldownSeconds: Type.Number({
      minimum: 0,
      maximum: 86_400,
      default: 300,
      description: 'how long the series raises no other alert',
    }),
    warmUpValues: Type.Integer({
      minimum: 8,
      maximum: 10_000,
      default: 20,
      description: 'values that have to be seen before the first alert',
    }),
  },
  strictWithDefaults,
)
export type SignalRuleConfig = Static<typeof SignalRuleConfig>

/** When a device that stops sending raises an alert. */
export const SilenceRuleConfig = Type.Object(
  {
    isOn: Type.Boolean({ default: true, description: 'whether its silence raises an alert' }),
    minSeconds: Type.Number({
      minimum: 1,
      maximum: 604_800,
      default: 600,
      description:
        'silence that is never alerted before this; a device that usually leaves longer gaps at this hour gets three times its longest usual one',
    }),
    severity: described(Severity, { default: 'minor', description: 'severity of the alert' }),
  },
  strictWithDefaults,
)
export type SilenceRuleConfig = Static<typeof SilenceRuleConfig>

const DeviceMapping = Type.Optional(
  Type.String({
    maxLength: 64,
    description: 'mappingId of how its JSON is read; without it our own form or GA/T 1400',
  }),
)

export const CheckpointConfig = Type.Object(
  {
    ...CheckpointDescription.properties,
    ...place,
    lanes: Type.Integer({ minimum: 1, maximum: 32, description: 'number of lanes' }),
    timeZone: Type.String({
      pattern: '^[+-](0\\d|1[0-4]):[0-5]\\d$',
      default: '+08:00',
      description: "offset of the station's clock from UTC, for PassTime",
    }),
    flowWindowSeconds: Type.Number({
      minimum: 1,
      maximum: 3600,
      default: 60,
      description: 'length of the windows in which vehicles are counted and speeds averaged',
    }),
    rule: described(SignalRuleConfig, { description: 'when flow or speed raises an alert' }),
    silence: SilenceRuleConfig,
    traffic: described(TrafficConfig, { description: 'what is judged of its traffic, vehicle by vehicle' }),
    tollgateId: Type.Optional(
      Type.String({
        pattern: '^[0-9A-Za-z]{1,32}$',
        description: 'its TollgateID in GA/T 1400; a passage that names another one is refused',
      }),
    ),
    mapping: DeviceMapping,
  },
  strict,
)
export type CheckpointConfig = Static<typeof CheckpointConfig>

export const SensorConfig = Type.Object(
  {
    ...SensorDescription.properties,
    ...place,
    quantity: described(Quantity, { description: 'what is measured, e.g. water_level, smoke, gas' }),
    unit: Type.String({ maxLength: 16, description: 'unit of the readings' }),
    resolution: Type.Number({
      minimum: 0,
      default: 0,
      description: 'the smallest change that means anything, in `unit`; 0 if that is not known',
    }),
    rule: described(SignalRuleConfig, { description: 'when a reading raises an alert' }),
    silence: SilenceRuleConfig,
    mapping: DeviceMapping,
  },
  strict,
)
export type SensorConfig = Static<typeof SensorConfig>

export const EdgeFile = Type.Object(
  {
    edgeId: described(DeviceId, { description: 'the id under which the hub knows this edge' }),
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 80,
        description: 'for people who read the log; the hub keeps its own',
      }),
    ),
    region: described(RegionCode, {
      description: 'division code that this edge serves; every device lies inside it',
    }),
    dataDir: Type.String({
      minLength: 1,
      maxLength: 1000,
      default: 'var/edge',
      description: 'folder for journal and evidence; relative to this file',
    }),
    logLevel: Type.Union(
      (['error', 'warn', 'info', 'debug'] as const).map((level) => Type.Literal(level)),
      { default: 'info', description: 'least important messages that are logged' },
    ),
    hub: Type.Object(
      {
        url: Type.String({
          pattern: '^https?://',
          maxLength: 1000,
          description: 'address for evidence and live video',
        }),
        mqttUrl: Type.String({ pattern: '^mqtts?://', maxLength: 1000, description: 'address for records' }),
        token: Type.Optional(
          Type.String({
            minLength: 16,
            maxLength: 200,
            description: 'printed by `edge add` on the hub',
            secret: true,
          }),
        ),
        tokenFile: Type.Optional(FilePath('file that holds the token, instead of `token`')),
        caFile: Type.Optional(
          FilePath('PEM certificates that the hub is checked against, for a private authority'),
        ),
      },
      strict,
    ),
    detector: Type.Object(
      {
        model: Type.String({
          pattern: '^[a-z0-9][a-z0-9-]{0,59}$',
          default: 'auto',
          description: '`auto` takes the first of the catalogue that is found, else a model id',
        }),
        device: Type.Union([Type.Literal('cpu'), Type.Literal('cuda')], {
          default: 'cpu',
          description:
            'what the model runs on; `cuda` takes an NVIDIA card and the CUDA files of onnxruntime, and says so if they are missing',
        }),
        workers: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 64,
            description: 'inference threads; one less than the cores unless set',
          }),
        ),
        inputWidthPx: Type.Optional(
          Type.Integer({
            minimum: 32,
            maximum: 4096,
            description: "model input; the model's own unless set",
          }),
        ),
        inputHeightPx: Type.Optional(
          Type.Integer({
            minimum: 32,
            maximum: 4096,
            description: "model input; the model's own unless set",
          }),
        ),
        scoreThreshold: Type.Optional(
          Type.Number({
            minimum: 0.01,
            maximum: 0.99,
            description:
              "from this score on an object is taken for sure; weaker ones only keep a known object in sight. The decoder's own threshold unless set",
          }),
        ),
        modelFolders: Type.Array(Type.String({ minLength: 1, maxLength: 1000 }), {
          maxItems: 16,
          default: [],
          description: 'folders that are searched for models before the usual ones; relative to this file',
        }),
      },
      strictWithDefaults,
    ),
    intake: IntakeSettings,
    plates: Type.Object(
      {
        hashKeyFile: Type.Optional(
          FilePath('file with the key for plate hashes: 64 hexadecimal digits, the same on every edge'),
        ),
        cipherKeyFile: Type.Optional(
          FilePath(
            'file with the key for plate ciphertext: 64 hexadecimal digits, or `version:` and the digits',
          ),
        ),
      },
      { ...strictWithDefaults, description: 'without keys plates are dropped' },
    ),
    journal: Type.Object(
      {
        maxMegabytes: Type.Integer({
          minimum: 16,
          maximum: 1_048_576,
          default: 2048,
          description:
            'size from which the oldest measurements are given up, counted and declared to the hub',
          unit: 'MB',
        }),
        maxDays: Type.Number({
          minimum: 0.01,
          maximum: 3650,
          default: 30,
          unit: 'd',
          description:
            'age from which measurements are given up, counted and declared to the hub; alerts are kept until the hub has them',
        }),
      },
      strictWithDefaults,
    ),
    recording: Type.Object(
      {
        maxMegabytes: Type.Integer({
          minimum: 16,
          maximum: 16_777_216,
          default: 8192,
          unit: 'MB',
          description: 'what all cameras together may hold on the disk; the oldest goes first',
        }),
        maxMinutes: Type.Integer({
          minimum: 1,
          maximum: 43_200,
          default: 60,
          unit: 'min',
          description: 'what is older is removed',
        }),
        clipBeforeSeconds: Type.Number({
          minimum: 0,
          maximum: 60,
          default: 10,
          description: 'how much of the time before an alert its clip shows',
        }),
        clipAfterSeconds: Type.Number({
          minimum: 0,
          maximum: 60,
          default: 10,
          description: 'how much of the time after an alert its clip shows',
        }),
      },
      strictWithDefaults,
    ),
    healthSeconds: Type.Number({
      minimum: 1,
      maximum: 3600,
      default: 60,
      description: 'time between health records',
    }),
    cameras: Type.Array(CameraConfig, { maxItems: 256, default: [] }),
    checkpoints: Type.Array(CheckpointConfig, { maxItems: 256, default: [] }),
    sensors: Type.Array(SensorConfig, { maxItems: 4096, default: [] }),
    mappings: Type.Array(MappingConfig, {
      maxItems: 64,
      default: [],
      description: 'how the JSON of other makers is read',
    }),
  },
  strict,
)
export type EdgeFile = Static<typeof EdgeFile>
