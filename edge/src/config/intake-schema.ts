/** Settings of the intake: how devices reach the edge, and what becomes of what they send. */
import { DeviceId } from '@patrolhub/protocol'
import { Type } from 'typebox'
import { described } from './rules.ts'

const strict = { additionalProperties: false } as const
const strictWithDefaults = { ...strict, default: {} } as const

const FilePath = (description: string) => Type.String({ minLength: 1, maxLength: 1000, description })
const Port = (defaultPort: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: defaultPort, description })

const DeviceAccess = Type.Object(
  {
    deviceId: described(DeviceId, {
      description: 'id of a checkpoint or sensor below; it publishes to devices/{deviceId}/…',
    }),
    username: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: 'user name for MQTT and for the digest of GA/T 1400; the deviceId unless set',
      }),
    ),
    password: Type.Optional(
      Type.String({
        minLength: 8,
        maxLength: 200,
        description: 'password for both',
        secret: true,
      }),
    ),
    passwordFile: Type.Optional(FilePath('file that holds the password, instead of `password`')),
    viidDeviceId: Type.Optional(
      Type.String({
        pattern: '^\\d{20}$',
        description: 'its 20-digit DeviceID in GA/T 1400: with it the device may register by HTTP',
      }),
    ),
  },
  strict,
)

const Viid = Type.Object(
  {
    port: Port(0, 'HTTP port; 0 takes a free one'),
    host: Type.String({
      minLength: 1,
      maxLength: 255,
      default: '0.0.0.0',
      description: 'address to listen on',
    }),
    serverId: Type.String({
      pattern: '^\\d{20}$',
      default: '00000000005030000001',
      description: '20-digit id that devices are told as VIIDServerID',
    }),
    maxBodyBytes: Type.Integer({
      minimum: 65_536,
      maximum: 67_108_864,
      default: 16_777_216,
      description: 'a larger request is refused with 413',
    }),
    keepaliveSeconds: Type.Integer({
      minimum: 10,
      maximum: 3600,
      default: 90,
      description: 'a device that sends nothing for three times this long has to register again',
    }),
    isDigestAlways: Type.Boolean({
      default: false,
      description:
        'asks for the digest with every request; without it the registration counts for the address that it came from',
    }),
  },
  { ...strict, description: 'HTTP side of GA/T 1400; without this group there is none' },
)

const SiteTopic = Type.Object(
  {
    topic: Type.String({
      pattern: '^[^+#\\u0000]+$',
      maxLength: 400,
      description: 'topic of the site, without wildcards',
    }),
    deviceId: described(DeviceId, { description: 'checkpoint or sensor that it is about' }),
  },
  strict,
)

const SiteBroker = Type.Object(
  {
    url: Type.String({
      pattern: '^mqtts?://[^/@]+$',
      maxLength: 400,
      description: 'broker of a site: mqtt://host:1883, or mqtts:// for TLS',
    }),
    clientId: Type.String({
      pattern: '^[A-Za-z0-9_-]{1,64}$',
      description: 'name that the broker keeps messages under while the edge is away; unique at that broker',
    }),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'user name there' })),
    passwordFile: Type.Optional(FilePath('file that holds the password for it')),
    caFile: Type.Optional(FilePath('PEM certificates that the broker is checked against')),
    topics: Type.Array(SiteTopic, { minItems: 1, maxItems: 1024 }),
  },
  strict,
)

export const IntakeSettings = Type.Object(
  {
    host: Type.String({
      minLength: 1,
      maxLength: 255,
      default: '0.0.0.0',
      description: 'address to listen on',
    }),
    port: Port(1883, 'MQTT port for devices; 0 takes a free one'),
    maxMessageBytes: Type.Integer({
      minimum: 1024,
      maximum: 16_777_216,
      default: 262_144,
      description: 'a larger MQTT packet ends the connection',
    }),
    devices: Type.Array(DeviceAccess, {
      maxItems: 4096,
      default: [],
      description: 'who may connect; nobody else can',
    }),
    viid: Type.Optional(Viid),
    brokers: Type.Array(SiteBroker, { maxItems: 16, default: [] }),
    timing: Type.Object(
      {
        orderSeconds: Type.Number({
          minimum: 0,
          maximum: 60,
          default: 1,
          description: 'how long a value waits for an older one of its device before statistics see it',
        }),
        lateSeconds: Type.Number({
          minimum: 1,
          maximum: 86_400,
          default: 120,
          description: "what arrives this long after its time, by the device's own clock, is marked late",
        }),
        futureSeconds: Type.Number({
          minimum: 1,
          maximum: 86_400,
          default: 30,
          description: 'what bears a time this far ahead of the clock of the edge is marked future',
        }),
      },
      strictWithDefaults,
    ),
    quarantine: Type.Object(
      {
        maxMegabytes: Type.Integer({
          minimum: 1,
          maximum: 1024,
          default: 16,
          unit: 'MB',
          description: 'what messages that were refused may hold of the disk, encrypted',
        }),
        keepHours: Type.Number({
          minimum: 1,
          maximum: 720,
          default: 72,
          unit: 'h',
          description: 'what is older is removed',
        }),
      },
      strictWithDefaults,
    ),
    pictures: Type.Object(
      {
        isOn: Type.Boolean({
          default: true,
          description:
            'keeps the newest pictures of passages in memory, as evidence of alerts of their checkpoint; all others are forgotten',
        }),
        maxMegabytes: Type.Integer({
          minimum: 1,
          maximum: 1024,
          default: 64,
          unit: 'MB',
          description: 'memory for the pictures of all checkpoints',
        }),
        keepSeconds: Type.Number({
          minimum: 1,
          maximum: 600,
          default: 60,
          description: 'a picture that no alert asked for in this time is forgotten',
        }),
      },
      strictWithDefaults,
    ),
  },
  strictWithDefaults,
)
