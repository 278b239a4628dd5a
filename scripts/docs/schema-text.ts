/** JSON schemas as short, readable type text for the reference pages. */
import * as protocol from '@patrolhub/protocol'

export interface JsonSchema {
  type?: string
  properties?: Record<string, JsonSchema>
  required?: string[]
  items?: JsonSchema | JsonSchema[]
  prefixItems?: JsonSchema[]
  anyOf?: JsonSchema[]
  const?: unknown
  enum?: unknown[]
  description?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  pattern?: string
  patternProperties?: Record<string, JsonSchema>
  additionalProperties?: boolean | JsonSchema
  default?: unknown
}

/** What OpenAPI rewrites or leaves out, and what says nothing about the form. */
const NO_IDENTITY = new Set(['description', 'additionalProperties', 'patternProperties'])

/**
 * The objects of the protocol by their text, so that a route says `Incident` and not all that is in one. Of two that are
 * alike the first by name: a module lists its names in an order of the program that loads it.
 */
const NAMES = new Map(
  Object.entries(protocol)
    .filter(([, value]) => isObjectSchema(value))
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([name, value]) => [identityOf(value as JsonSchema), name]),
)

function isObjectSchema(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (value as JsonSchema).properties !== undefined
}

function identityOf(schema: JsonSchema): string {
  const normal = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(normal)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => !NO_IDENTITY.has(key))
        .map(([key, inner]) => (key === 'const' ? ['enum', [inner]] : [key, normal(inner)]))
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    )
  }
  return JSON.stringify(normal(schema))
}

/** The protocol's name of the schema, if it has one; `used` collects the names for a list of types. */
export function typeText(schema: JsonSchema, used?: Set<string>): string {
  const name = NAMES.get(identityOf(schema))
  if (name === undefined) return inlineText(schema, used)
  used?.add(name)
  return name
}

function inlineText(schema: JsonSchema, used?: Set<string>): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.anyOf) return schema.anyOf.map((inner) => typeText(inner, used)).join(' | ')
  switch (schema.type) {
    case 'object':
      return objectText(schema, used)
    case 'array':
      return arrayText(schema, used)
    case 'null':
      return 'null'
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
    case 'boolean':
      return schema.type
    default:
      return 'unknown'
  }
}

function objectText(schema: JsonSchema, used?: Set<string>): string {
  const values = schema.patternProperties && Object.values(schema.patternProperties)[0]
  if (values) return `{ [name]: ${typeText(values, used)} }`
  const members = Object.entries(schema.properties ?? {}).map(
    ([key, inner]) => `${memberName(schema, key)}: ${typeText(inner, used)}`,
  )
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

function arrayText(schema: JsonSchema, used?: Set<string>): string {
  const tuple = schema.prefixItems ?? (Array.isArray(schema.items) ? schema.items : undefined)
  if (tuple) return `[${tuple.map((inner) => typeText(inner, used)).join(', ')}]`
  const inner = typeText((schema.items as JsonSchema) ?? {}, used)
  return inner.includes(' ') ? `(${inner})[]` : `${inner}[]`
}

function memberName(schema: JsonSchema, key: string): string {
  return schema.required?.includes(key) ? key : `${key}?`
}

/** Limits and meaning of one member, for a table. */
function factsOf(schema: JsonSchema): string {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems } = schema
  const range = (low: number | undefined, high: number | undefined, unit: string) =>
    low === undefined && high === undefined ? '' : `${low ?? ''}…${high ?? ''}${unit}`
  return [
    schema.description,
    maximum === Number.MAX_SAFE_INTEGER ? range(minimum, undefined, '') : range(minimum, maximum, ''),
    range(minLength, maxLength, ' characters'),
    range(minItems, maxItems, ' entries'),
  ]
    .filter(Boolean)
    .join('; ')
}

/** A heading and a table for each of these types of the protocol and for every type that they use. */
export function typeSections(names: ReadonlySet<string>, level: string): string {
  const schemas = protocol as unknown as Record<string, JsonSchema>
  const done = new Map<string, string>()
  const waiting = [...names]
  while (waiting.length > 0) {
    const name = waiting.shift()!
    if (done.has(name)) continue
    const schema = schemas[name]!
    const used = new Set<string>()
    const rows = Object.entries(schema.properties ?? {}).map(
      ([key, inner]) =>
        `| \`${memberName(schema, key)}\` | ${cell(`\`${typeText(inner, used)}\``)} | ${cell(factsOf(inner))} |`,
    )
    done.set(name, `${level} ${name}\n\n| member | type | |\n|---|---|---|\n${rows.join('\n')}\n`)
    waiting.push(...used)
  }
  return [...done.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
    .join('\n')
}

/** Text that does not break a Markdown table. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
