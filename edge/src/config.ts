/** The configuration of one edge: a YAML (or JSON) file, checked whole before anything starts. */
import { readFileSync } from 'node:fs'
import {
  CameraDescription,
  CheckpointDescription,
  NormPolygon,
  parser,
  RegionCode,
  SensorDescription,
  Severity,
} from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'
import { parse as parseYaml } from 'yaml'
import { EdgeError } from './errors.ts'

const strict = { additionalProperties: false } as const

/** Alerts when an object of one of the classes stands with its foot point in the zone for `minSeconds`. */
export const IntrusionRuleConfig = Type.Object(
  {
    kind: Type.Literal('intrusion'),
    name: Type.String({ minLength: 1, maxLength: 80 }),
    zone: NormPolygon,
    classes: Type.Array(Type.String(), { minItems: 1, default: ['person'] }),
    minSeconds: Type.Number({ minimum: 0, maximum: 3600, default: 0.5 }),
    cooldownSeconds: Type.Number({ minimum: 0, maximum: 86400, default: 30 }),
    severity: Severity,
  },
  strict,
)
export type IntrusionRuleConfig = Static<typeof IntrusionRuleConfig>

export const CameraConfig = Type.Object(
  {
    ...CameraDescription.properties,
    url: Type.String({
      pattern: '^rtsps?://',
      description: 'RTSP address, with credentials if the camera asks for them',
    }),
    analysisFps: Type.Number({ minimum: 0.2, maximum: 30, default: 5 }),
    rules: Type.Array(IntrusionRuleConfig, { maxItems: 32, default: [] }),
  },
  strict,
)
export type CameraConfig = Static<typeof CameraConfig>
void [readFileSync, CheckpointDescription, SensorDescription, RegionCode, parser, parseYaml, EdgeError]
