/** The settings as rows, for `--help` and for the generated reference page. */
import { EdgeFile } from './schema.ts'

export interface ConfigRow {
  /** `cameras[].rules[].minSeconds` */
  path: string
  type: string
  /** As written in YAML; empty if there is none. */
  default: string
  isRequired: boolean
  unit: string
  description: string
  isSecret: boolean
}

interface Schema {
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  const?: unknown
  default?: unknown
  description?: string
  unit?: string
  secret?: boolean
  pattern?: string
  minimum?: number
  maximum?: number
}

/** One row a setting, in the order of the schema. Groups and lists of groups have none of their own. */
export function describeConfig(): ConfigRow[] {
  const rows: ConfigRow[] = []
  collect(EdgeFile as Schema, '', rows)
  return rows
}

function collect(schema: Schema, path: string, rows: ConfigRow[]): void {
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    const place = path ? `${path}.${key}` : key
    const isRequired = (schema.required?.includes(key) ?? false) && inner.default === undefined
    if (inner.properties) collect(inner, place, rows)
    else if (inner.type === 'array' && inner.items?.properties) collect(inner.items, `${place}[]`, rows)
    else if (inner.type === 'array' && inner.items?.anyOf?.every((variant) => variant.properties)) {
      for (const variant of inner.items.anyOf) {
        collect(variant, `${place}[${String(variant.properties?.kind?.const ?? '')}]`, rows)
      }
    } else rows.push(row(place, inner, isRequired))
  }
}

function row(path: string, schema: Schema, isRequired: boolean): ConfigRow {
  return {
    path,
    type: typeOf(schema),
    default: schema.default === undefined ? '' : JSON.stringify(schema.default),
    isRequired,
    unit: schema.unit ?? unitOf(path),
    description: schema.description ?? '',
    isSecret: schema.secret ?? false,
  }
}

function typeOf(schema: Schema): string {
  if (schema.anyOf) return schema.anyOf.map((variant) => String(variant.const)).join(' \\| ')
  if (schema.const !== undefined) return String(schema.const)
  if (schema.type === 'array')
    return `list of ${schema.items?.type === 'array' ? 'points' : (schema.items?.type ?? '')}`
  const range =
    schema.minimum !== undefined && schema.maximum !== undefined ? ` ${schema.minimum}…${schema.maximum}` : ''
  return `${schema.type ?? 'any'}${range}`
}

const UNIT_BY_SUFFIX: readonly [RegExp, string][] = [
  [/Seconds$/, 's'],
  [/Px$/, 'px'],
  [/Bytes$/, 'bytes'],
  [/(latitude|longitude)$/, '°'],
]

function unitOf(path: string): string {
  return UNIT_BY_SUFFIX.find(([suffix]) => suffix.test(path))?.[1] ?? ''
}
