/** Settings of what is judged of a checkpoint's traffic, passage by passage. */
import { Severity } from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'
import { described } from './rules.ts'

const strict = { additionalProperties: false } as const
const strictWithDefaults = { ...strict, default: {} } as const

const Lane = Type.Integer({
  minimum: 0,
  maximum: 99,
  description: 'number of the lane as the device gives it',
})
const Cooldown = (seconds: number) =>
  Type.Number({
    minimum: 0,
    maximum: 86_400,
    default: seconds,
    description:
      'how long this checkpoint raises no other alert of the kind; what happens meanwhile is counted in the next one',
  })

export const SpeedLimit = Type.Object(
  {
    limitKmh: Type.Number({ minimum: 5, maximum: 300, description: 'the limit', unit: 'km/h' }),
    lanes: Type.Optional(
      Type.Array(Lane, { minItems: 1, maxItems: 32, description: 'lanes; without it all' }),
    ),
    classes: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 20 }), {
        minItems: 1,
        maxItems: 32,
        description:
          'beginnings of vehicle classes as the device gives them, e.g. H for all lorries of GA/T 1400, K1 for large buses; without it all',
      }),
    ),
  },
  strict,
)
export type SpeedLimit = Static<typeof SpeedLimit>

export const SpeedingRuleConfig = Type.Object(
  {
    limits: Type.Array(SpeedLimit, {
      minItems: 1,
      maxItems: 32,
      description: 'the first that fits the lane and class of a vehicle is its limit',
    }),
    tolerancePercent: Type.Number({
      minimum: 0,
      maximum: 100,
      default: 10,
      unit: '%',
      description: 'speeds up to this above the limit are not told of',
    }),
    severity: described(Severity, { default: 'minor', description: 'severity of the alert' }),
    grossPercent: Type.Number({
      minimum: 0,
      maximum: 1000,
      default: 50,
      unit: '%',
      description: 'beyond this above the limit it has the severity `grossSeverity`',
    }),
    grossSeverity: described(Severity, { default: 'major', description: 'severity of gross speeding' }),
    cooldownSeconds: Cooldown(60),
  },
  strict,
)
export type SpeedingRuleConfig = Static<typeof SpeedingRuleConfig>

export const WrongWayRuleConfig = Type.Object(
  {
    lanes: Type.Array(
      Type.Object(
        {
          lane: Lane,
          wrongDirections: Type.Array(Type.String({ minLength: 1, maxLength: 20 }), {
            minItems: 1,
            maxItems: 8,
            description:
              'the Direction of vehicles who go the wrong way, as the device gives it; any other says nothing',
          }),
        },
        strict,
      ),
      { minItems: 1, maxItems: 32, description: 'lanes with one direction' },
    ),
    severity: described(Severity, { default: 'major', description: 'severity of the alert' }),
    cooldownSeconds: Cooldown(30),
  },
  strict,
)
export type WrongWayRuleConfig = Static<typeof WrongWayRuleConfig>

export const QueueRuleConfig = Type.Object(
  {
    isOn: Type.Boolean({ default: true, description: 'whether a queue raises an alert' }),
    speedKmh: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 200,
        unit: 'km/h',
        description: 'vehicles that are slower queue; without it `share` of the usual speed of the hour',
      }),
    ),
    share: Type.Number({
      minimum: 0.05,
      maximum: 0.95,
      default: 0.4,
      description: 'share of the usual speed below which vehicles queue',
    }),
    minSeconds: Type.Number({
      minimum: 0,
      maximum: 3600,
      default: 60,
      description: 'for how long at least',
    }),
    severity: described(Severity, { default: 'minor', description: 'severity of the alert' }),
  },
  strictWithDefaults,
)
export type QueueRuleConfig = Static<typeof QueueRuleConfig>

export const BlockedLaneRuleConfig = Type.Object(
  {
    isOn: Type.Boolean({
      default: true,
      description: 'whether a lane that stays empty while vehicles pass in the others raises an alert',
    }),
    minSeconds: Type.Number({
      minimum: 10,
      maximum: 86_400,
      default: 180,
      description: 'for how long at least',
    }),
    severity: described(Severity, { default: 'minor', description: 'severity of the alert' }),
  },
  strictWithDefaults,
)
export type BlockedLaneRuleConfig = Static<typeof BlockedLaneRuleConfig>

export const TrafficConfig = Type.Object(
  {
    speeding: Type.Optional(described(SpeedingRuleConfig, { description: 'vehicles that are too fast' })),
    wrongWay: Type.Optional(
      described(WrongWayRuleConfig, { description: 'vehicles that go against the direction of their lane' }),
    ),
    queue: QueueRuleConfig,
    blockedLane: BlockedLaneRuleConfig,
  },
  strictWithDefaults,
)
export type TrafficConfig = Static<typeof TrafficConfig>
