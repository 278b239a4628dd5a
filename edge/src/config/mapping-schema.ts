/** How the JSON of another maker's devices becomes passages or readings: the form of a mapping. */
import { type Static, Type } from 'typebox'

const strict = { additionalProperties: false } as const

/** What a mapping may fill, by the kind of what comes out. */
export const MAPPED_FIELDS = {
  passages: ['time', 'lane', 'speedKmh', 'vehicleClass', 'plateColour', 'direction', 'plate', 'id'],
  readings: ['time', 'quantity', 'value', 'unit'],
} as const

/** km/h in one of these. */
export const SPEED_UNITS = { 'km/h': 1, 'm/s': 3.6, mph: 1.609344, kn: 1.852 } as const

const word = (name: string) => Type.Literal(name)

export const MappedField = Type.Object(
  {
    field: Type.Union([...new Set(Object.values(MAPPED_FIELDS).flat())].map(word), {
      description: 'what is filled',
    }),
    path: Type.Optional(
      Type.String({
        pattern: '^\\$',
        maxLength: 400,
        description: 'JSONPath (RFC 9535) of the value, from the item on; the first one found is taken',
      }),
    ),
    from: Type.Union([Type.Literal('item'), Type.Literal('message')], {
      default: 'item',
      description: 'where `path` begins: at the item, or at the whole message (a common header)',
    }),
    constant: Type.Optional(
      Type.String({ maxLength: 100, description: 'this value always, instead of one from the message' }),
    ),
    speedUnit: Type.Optional(
      Type.Union([Type.Literal('km/h'), Type.Literal('m/s'), Type.Literal('mph'), Type.Literal('kn')], {
        description: 'unit in which a speed is sent',
      }),
    ),
    scale: Type.Number({ default: 1, description: 'a number is multiplied by this' }),
    offset: Type.Number({ default: 0, description: 'and then this is added' }),
    table: Type.Optional(
      Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 100 }), {
        description: 'what a value stands for, e.g. { "1": blue, "2": yellow }',
      }),
    ),
    otherwise: Type.Optional(
      Type.String({
        maxLength: 100,
        description: 'for a value that is not in the table; without it such a value is left out',
      }),
    ),
    timeFormat: Type.String({
      maxLength: 40,
      default: 'local',
      description:
        'how a time is written: `local` (yyyyMMddHHmmss or with separators, also with an offset of its own), `epoch-ms`, `epoch-s`, or a pattern of yyyy MM dd HH mm ss SSS',
    }),
    timeZone: Type.Optional(
      Type.String({
        pattern: '^[+-](0\\d|1[0-4]):[0-5]\\d$',
        description: 'offset from UTC of a time that has none; +08:00, or that of the checkpoint',
      }),
    ),
  },
  strict,
)
export type MappedField = Static<typeof MappedField>

export const MappingConfig = Type.Object(
  {
    mappingId: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$',
      description: '`mapping` of a device names it',
    }),
    output: Type.Union([Type.Literal('passages'), Type.Literal('readings')], {
      description: 'what comes out',
    }),
    items: Type.String({
      pattern: '^\\$',
      maxLength: 400,
      default: '$',
      description: 'JSONPath (RFC 9535) of the items of a message; `$` if it is one itself',
    }),
    fields: Type.Array(MappedField, { minItems: 1, maxItems: 40 }),
  },
  strict,
)
export type MappingConfig = Static<typeof MappingConfig>
