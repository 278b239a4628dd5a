/** The form of a camera's rules: what raises alerts, one kind a schema, told apart by `kind`. */
import { NormPoint, NormPolygon, Severity } from '@patrolhub/protocol'
import { type Static, type TSchema, Type } from 'typebox'

const strict = { additionalProperties: false } as const

/** The same schema with its own description or default. TypeBox keeps hidden properties that a spread would lose. */
export function described<S extends TSchema>(
  schema: S,
  options: { description: string; default?: unknown },
): S {
  const properties = {
    ...Object.getOwnPropertyDescriptors(schema),
    ...Object.getOwnPropertyDescriptors(options),
  }
  return Object.defineProperties({}, properties) as S
}

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

const ClockTime = (description: string, fallback: string) =>
  Type.String({ pattern: '^(([01]\\d|2[0-3]):[0-5]\\d|24:00)$', default: fallback, description })

/** When a rule counts. `to` before `from` means past midnight; such a night belongs to the day on which it begins. */
export const Schedule = Type.Object(
  {
    days: Type.Array(Type.String({ pattern: `^(${WEEKDAYS.join('|')})$` }), {
      minItems: 1,
      maxItems: 7,
      default: [...WEEKDAYS],
      description: 'days of the week: mon, tue, wed, thu, fri, sat, sun',
    }),
    from: ClockTime('hour and minute at which it begins', '00:00'),
    to: ClockTime('hour and minute at which it ends; before `from` means on the next day', '24:00'),
    timeZone: Type.String({
      minLength: 1,
      maxLength: 60,
      default: '+08:00',
      description: 'clock that is meant: offset from UTC, or a name like Asia/Shanghai',
    }),
  },
  strict,
)
export type Schedule = Static<typeof Schedule>

const seconds = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Number({ minimum, maximum, default: fallback, description })

const count = (minimum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum: 100, default: fallback, description })

const classes = (fallback: readonly string[]) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 40 }), {
    minItems: 1,
    maxItems: 80,
    default: [...fallback],
    description: 'class names of the detector',
  })

const PERSON = ['person']
const VEHICLES = ['car', 'bus', 'truck', 'motorcycle']

const zone = described(NormPolygon, { description: 'corners [x, y] of the zone, fractions of the picture' })

const kindOf = <K extends string>(kind: K, description: string) => Type.Literal(kind, { description })

/** What every rule has. */
const common = (cooldownSeconds: number) => ({
  name: Type.String({ minLength: 1, maxLength: 80, description: 'what people call this zone or rule' }),
  cooldownSeconds: seconds(
    0,
    86_400,
    cooldownSeconds,
    'how long this rule raises no other alert; what happens meanwhile is counted in the next one',
  ),
  severity: described(Severity, { description: 'severity of the alert' }),
  schedule: Type.Optional(
    Type.Array(Schedule, { minItems: 1, maxItems: 16, description: 'when it counts; always unless set' }),
  ),
})

export const IntrusionRuleConfig = Type.Object(
  {
    kind: kindOf('intrusion', 'an object of one of the classes stands in the zone'),
    ...common(30),
    zone,
    classes: classes(PERSON),
    minSeconds: seconds(0, 3600, 0.5, 'how long the object has to stay in the zone'),
  },
  strict,
)
export type IntrusionRuleConfig = Static<typeof IntrusionRuleConfig>

export const LineCrossingRuleConfig = Type.Object(
  {
    kind: kindOf('line-crossing', 'an object of one of the classes crosses the line'),
    ...common(10),
    line: Type.Array(NormPoint, {
      minItems: 2,
      maxItems: 2,
      description: 'both ends [x, y] of the line, fractions of the picture',
    }),
    direction: Type.Union([Type.Literal('any'), Type.Literal('to-right'), Type.Literal('to-left')], {
      default: 'any',
      description: 'to which side it is crossed, for one who walks from the first end to the second',
    }),
    classes: classes(PERSON),
  },
  strict,
)
export type LineCrossingRuleConfig = Static<typeof LineCrossingRuleConfig>

export const LoiteringRuleConfig = Type.Object(
  {
    kind: kindOf('loitering', 'an object of one of the classes stays in the zone for long'),
    ...common(300),
    zone,
    classes: classes(PERSON),
    minSeconds: seconds(5, 3600, 60, 'how long the object has to stay in the zone'),
  },
  strict,
)
export type LoiteringRuleConfig = Static<typeof LoiteringRuleConfig>

export const CrowdingRuleConfig = Type.Object(
  {
    kind: kindOf('crowding', 'many objects of the classes are in the zone at once'),
    ...common(300),
    zone,
    classes: classes(PERSON),
    minCount: count(2, 8, 'how many make a crowd'),
    minSeconds: seconds(0, 3600, 5, 'how long they have to be that many'),
  },
  strict,
)
export type CrowdingRuleConfig = Static<typeof CrowdingRuleConfig>

export const WrongWayRuleConfig = Type.Object(
  {
    kind: kindOf('wrong-way', 'an object moves against the direction that is allowed in the zone'),
    ...common(30),
    zone,
    allowed: Type.Array(NormPoint, {
      minItems: 2,
      maxItems: 2,
      description: 'the allowed direction: from the first point to the second',
    }),
    classes: classes(VEHICLES),
    minSeconds: seconds(0.4, 10, 1, 'how long it has to move the wrong way'),
  },
  strict,
)
export type WrongWayRuleConfig = Static<typeof WrongWayRuleConfig>

export const StoppedVehicleRuleConfig = Type.Object(
  {
    kind: kindOf('stopped-vehicle', 'a vehicle stands still in the zone'),
    ...common(300),
    zone,
    classes: classes(VEHICLES),
    minSeconds: seconds(2, 3600, 30, 'how long it has to stand'),
  },
  strict,
)
export type StoppedVehicleRuleConfig = Static<typeof StoppedVehicleRuleConfig>

const speed = (fallback: number, description: string) =>
  Type.Number({ minimum: 0.3, maximum: 10, default: fallback, description, unit: 'heights/s' })

export const RunningRuleConfig = Type.Object(
  {
    kind: kindOf('running', 'somebody runs in the zone'),
    ...common(60),
    zone,
    classes: classes(PERSON),
    minSpeed: speed(1.8, 'from this speed on it is running, in heights of the person; walking is about 0.8'),
    minSeconds: seconds(0.6, 10, 1, 'how long the object has to run'),
  },
  strict,
)
export type RunningRuleConfig = Static<typeof RunningRuleConfig>

export const ScatterRuleConfig = Type.Object(
  {
    kind: kindOf('scatter', 'several people in the zone suddenly run apart'),
    ...common(60),
    zone,
    classes: classes(PERSON),
    minCount: count(3, 4, 'how many have to run away from their common middle'),
    minSpeed: speed(1.2, 'from this speed on one runs away, in heights of the person'),
    minSeconds: seconds(0.6, 10, 1, 'how long they have to run apart'),
  },
  strict,
)
export type ScatterRuleConfig = Static<typeof ScatterRuleConfig>

export const UnusualRuleConfig = Type.Object(
  {
    kind: kindOf(
      'unusual',
      'an object does what the camera has learned to be rare: class, place, movement, size or hour',
    ),
    ...common(60),
    zone: Type.Optional(
      described(NormPolygon, { description: 'where objects are looked at; the whole picture unless set' }),
    ),
    classes: classes(['person', 'bicycle', 'car', 'motorcycle', 'bus', 'truck']),
    minObjects: Type.Integer({
      minimum: 50,
      maximum: 1_000_000,
      default: 300,
      description: 'objects that the camera learns from before it raises an alert',
    }),
    rarity: Type.Number({
      minimum: 0.00001,
      maximum: 0.2,
      default: 0.005,
      description: 'how rare it has to be: a share of what is usual there',
    }),
    perDay: Type.Number({
      minimum: 0.1,
      maximum: 1000,
      default: 3,
      description: 'about how many alerts a day are wanted at most: only as many of the rarest are told of',
    }),
  },
  strict,
)
export type UnusualRuleConfig = Static<typeof UnusualRuleConfig>

const area = (fallback: number, description: string) =>
  Type.Number({ minimum: 0.0001, maximum: 0.5, default: fallback, description })

const staticObject = {
  ...common(60),
  zone,
  minSeconds: seconds(5, 3600, 30, 'how long the change has to last'),
  minArea: area(0.0008, 'smallest object, as a fraction of the picture'),
  maxArea: area(0.05, 'largest object, as a fraction of the picture'),
}

export const LeftObjectRuleConfig = Type.Object(
  { kind: kindOf('left-object', 'something that was not there before lies in the zone'), ...staticObject },
  strict,
)
export const RemovedObjectRuleConfig = Type.Object(
  { kind: kindOf('removed-object', 'something that always was in the zone is gone'), ...staticObject },
  strict,
)
export type StaticObjectRuleConfig =
  | Static<typeof LeftObjectRuleConfig>
  | Static<typeof RemovedObjectRuleConfig>

const pictureRule = <K extends string>(kind: K, description: string, minSeconds: number) =>
  Type.Object(
    {
      kind: kindOf(kind, description),
      ...common(600),
      minSeconds: seconds(1, 3600, minSeconds, 'how long it has to last'),
    },
    strict,
  )

export const CoveredRuleConfig = pictureRule('covered', 'the lens is covered or sees nothing any more', 5)
export const BlurredRuleConfig = pictureRule('blurred', 'the picture has lost its sharpness', 15)
export const FrozenRuleConfig = pictureRule('frozen', 'the camera sends the same picture again and again', 60)
export const MovedCameraRuleConfig = pictureRule('moved-camera', 'the camera looks somewhere else', 10)
export const LostSignalRuleConfig = pictureRule('lost-signal', 'the camera gives no picture', 30)
export type PictureRuleConfig =
  | Static<typeof CoveredRuleConfig>
  | Static<typeof BlurredRuleConfig>
  | Static<typeof FrozenRuleConfig>
  | Static<typeof MovedCameraRuleConfig>
export type LostSignalRuleConfig = Static<typeof LostSignalRuleConfig>

export const RuleConfig = Type.Union([
  IntrusionRuleConfig,
  LineCrossingRuleConfig,
  LoiteringRuleConfig,
  CrowdingRuleConfig,
  WrongWayRuleConfig,
  StoppedVehicleRuleConfig,
  RunningRuleConfig,
  ScatterRuleConfig,
  UnusualRuleConfig,
  LeftObjectRuleConfig,
  RemovedObjectRuleConfig,
  CoveredRuleConfig,
  BlurredRuleConfig,
  FrozenRuleConfig,
  MovedCameraRuleConfig,
  LostSignalRuleConfig,
])
export type RuleConfig = Static<typeof RuleConfig>

/** Rules over tracks: they need the detector. */
export type TrackRuleConfig = Exclude<Extract<RuleConfig, { classes: string[] }>, UnusualRuleConfig>
