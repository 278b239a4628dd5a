/** Says where a configuration does not fit its schema, in words for the person who wrote it. */
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { type Document, isCollection, isNode, type LineCounter } from 'yaml'
import { redact } from '../redact.ts'

interface Schema {
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  const?: unknown
  default?: unknown
  minItems?: number
  maxItems?: number
  secret?: boolean
  description?: string
}

/**
 * Every problem, as `cameras/0/url: …`. Walks the schema itself instead of listing the validator's errors, so that a
 * union answers for the variant that was meant and an unknown setting is named once.
 */
export function problemsOf(schema: TSchema, value: unknown): string[] {
  const problems: string[] = []
  walk(schema as Schema, value, '', problems)
  return problems
}

/** The problem with the line of its setting, or of the group that it would stand in. */
export function withLine(problem: string, document: Document, lines: LineCounter): string {
  let node: unknown = document.contents
  for (const key of problem.slice(0, problem.indexOf(': ')).split('/')) {
    const inner = isCollection(node) ? node.get(key, true) : undefined
    if (!isNode(inner)) break
    node = inner
  }
  const offset = isNode(node) && node !== document.contents ? node.range?.[0] : undefined
  return offset === undefined ? problem : `${problem} (line ${lines.linePos(offset).line})`
}

function walk(schema: Schema, value: unknown, place: string, problems: string[]): void {
  const at = place || '(file)'
  if (schema.anyOf) {
    walkUnion(schema.anyOf, value, place, problems)
    return
  }
  if (schema.properties) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      problems.push(`${at}: must be a group of settings, is ${shown(schema, value)}`)
      return
    }
    const known = schema.properties
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(known, key))
        problems.push(`${join(place, key)}: unknown setting${suggestion(key, known)}`)
    }
    for (const [key, inner] of Object.entries(known)) {
      const item = (value as Record<string, unknown>)[key]
      if (item !== undefined) walk(inner, item, join(place, key), problems)
      // A default is not filled in where the rest of a variant is wrong.
      else if (schema.required?.includes(key) && inner.default === undefined)
        problems.push(`${join(place, key)}: is missing${meaning(inner)}`)
    }
    return
  }
  if (schema.type === 'array' && schema.items && !Array.isArray(schema.items)) {
    if (!Array.isArray(value)) {
      problems.push(`${at}: must be a list, is ${shown(schema, value)}`)
      return
    }
    if (value.length < (schema.minItems ?? 0))
      problems.push(`${at}: needs at least ${schema.minItems} entries`)
    if (value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) {
      problems.push(`${at}: has more than ${schema.maxItems} entries`)
      return
    }
    for (const [index, item] of value.entries())
      walk(schema.items, item, join(place, String(index)), problems)
    return
  }
  if ('const' in schema) {
    if (value !== schema.const) problems.push(`${at}: must be ${schema.const}, is ${shown(schema, value)}`)
    return
  }
  const first = [...Value.Errors(schema as TSchema, value)][0]
  if (first) problems.push(`${at}: ${first.message}, is ${shown(schema, value)}${meaning(schema)}`)
}

function walkUnion(variants: Schema[], value: unknown, place: string, problems: string[]): void {
  if (variants.every((variant) => 'const' in variant)) {
    if (variants.some((variant) => variant.const === value)) return
    problems.push(
      `${place}: must be one of ${variants.map((variant) => variant.const).join(', ')}, is ${shown({}, value)}`,
    )
    return
  }
  const kinds = variants.map((variant) => variant.properties?.kind?.const)
  const kind = (value as { kind?: unknown } | null | undefined)?.kind
  const index = kinds.indexOf(kind)
  if (index >= 0) walk(variants[index]!, value, place, problems)
  else problems.push(`${join(place, 'kind')}: must be one of ${kinds.join(', ')}, is ${shown({}, kind)}`)
}

function join(place: string, key: string): string {
  return place ? `${place}/${key}` : key
}

function meaning(schema: Schema): string {
  return schema.description ? ` (${schema.description})` : ''
}

function shown(schema: Schema, value: unknown): string {
  if (schema.secret) return 'not shown'
  // A whole group may hold secrets, and an address the credentials of a camera.
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'a group'
  const text = redact(JSON.stringify(value) ?? 'nothing')
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** Names the setting that was probably meant: one that differs in case, or by one or two letters. */
function suggestion(key: string, known: Record<string, Schema>): string {
  const best = Object.keys(known)
    .map((name) => ({ name, distance: distance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return best && best.distance <= 2 ? `, is ${best.name} meant?` : ''
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
