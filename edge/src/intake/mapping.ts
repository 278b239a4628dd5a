/**
 * Other makers' JSON into the fields that our own parsers read. A mapping only finds and converts values; what they
 * mean, and whether they can be used, is decided by the parser of passages or readings, as for every other device.
 */
import { compile, type JSONPathQuery, type JSONValue } from 'json-p3'
import { MAPPED_FIELDS, type MappedField, type MappingConfig, SPEED_UNITS } from '../config/mapping-schema.ts'
import { MAX_ITEMS, type Refusal } from './fields.ts'
import { parsePassTime } from './pass-time.ts'
import { TimePattern } from './time-pattern.ts'

/** Names that the parsers know the fields by. */
const PARSED_AS: Readonly<Record<string, string>> = {
  lane: 'LaneNo',
  speedKmh: 'Speed',
  vehicleClass: 'VehicleClass',
  plateColour: 'PlateColor',
  direction: 'Direction',
  plate: 'PlateNo',
  id: 'MotorVehicleID',
}

const REQUIRED = { passages: ['time'], readings: ['value'] } as const

interface CompiledField extends MappedField {
  query: JSONPathQuery | undefined
  pattern: TimePattern | undefined
}

/** What is wrong with a mapping: the setting, from the mapping on, and why. */
export interface MappingProblem {
  place: string
  why: string
}

export class Mapping {
  readonly output: 'passages' | 'readings'
  readonly #items: JSONPathQuery
  readonly #fields: readonly CompiledField[]
  readonly #fixed: Readonly<Record<string, string>>

  /**
   * @param fixed values of fields that the mapping leaves open, e.g. the quantity of the sensor.
   * The mapping must have no problems, see `mappingProblems`.
   */
  constructor(config: MappingConfig, fixed: Readonly<Record<string, string>> = {}) {
    this.output = config.output
    this.#items = compile(config.items)
    this.#fixed = fixed
    this.#fields = config.fields.map((field) => ({
      ...field,
      query: field.path === undefined ? undefined : compile(field.path),
      pattern: isPattern(field) ? TimePattern.compile(field.timeFormat) : undefined,
    }))
  }

  /**
   * The items of a message with the names that our parsers know, or why an item cannot be read. Never throws.
   * @param timeZone of the device, for times that have none.
   */
  apply(message: unknown, timeZone: string): (Record<string, unknown> | Refusal)[] {
    try {
      const found: (Record<string, unknown> | Refusal)[] = []
      for (const { value } of this.#items.lazyQuery(message as JSONValue)) {
        // One more than is taken, so that the parser tells of it.
        if (found.length > MAX_ITEMS) break
        found.push(this.#item(value, message, timeZone))
      }
      return found
    } catch (error) {
      return [{ field: '(message)', reason: `could not be searched (${(error as Error).message})` }]
    }
  }

  /** The engineer's name of a field that a parser refused. */
  nameOf(parsedField: string): string {
    const name = Object.entries(PARSED_AS).find(([, parsed]) => parsed === parsedField)?.[0]
    return name ?? (parsedField === 'PassTime' || parsedField === 'atMs' ? 'time' : parsedField)
  }

  #item(item: unknown, message: unknown, timeZone: string): Record<string, unknown> | Refusal {
    const values: Record<string, unknown> = { ...this.#fixed }
    for (const field of this.#fields) {
      const raw = rawValue(field, item, message)
      if (raw === undefined || raw === null) continue
      if (field.field === 'time') {
        const atMs = instant(field, raw, timeZone)
        if (atMs === undefined) {
          const shown = String(raw).slice(0, 40)
          return { field: 'time', reason: `${shown} is not a time of the form ${field.timeFormat}` }
        }
        values[this.output === 'passages' ? 'PassTime' : 'atMs'] =
          this.output === 'passages' ? new Date(atMs).toISOString() : atMs
        continue
      }
      const value = converted(field, raw)
      if (value !== undefined) values[PARSED_AS[field.field] ?? field.field] = value
    }
    return values
  }
}

/** Every problem of a mapping that its schema cannot see. */
export function mappingProblems(config: MappingConfig): MappingProblem[] {
  const problems: MappingProblem[] = []
  const check = (place: string, path: string) => {
    try {
      compile(path)
    } catch (error) {
      const why = (error as Error).message.split('\n')[0]!
      problems.push({ place, why: `${path} is not a JSONPath (${why})` })
    }
  }
  check('items', config.items)
  const seen = new Set<string>()
  for (const [index, field] of config.fields.entries()) {
    const place = `fields/${index}`
    const known: readonly string[] = MAPPED_FIELDS[config.output]
    if (!known.includes(field.field)) {
      const why = `${field.field} is no field of ${config.output}, which have ${known.join(', ')}`
      problems.push({ place: `${place}/field`, why })
    }
    if (seen.has(field.field))
      problems.push({ place: `${place}/field`, why: `${field.field} is filled twice` })
    seen.add(field.field)
    if ((field.path === undefined) === (field.constant === undefined)) {
      problems.push({ place, why: 'needs path or constant, not both' })
    }
    if (field.path !== undefined) check(`${place}/path`, field.path)
    if (field.speedUnit !== undefined && field.field !== 'speedKmh') {
      problems.push({ place: `${place}/speedUnit`, why: `${field.field} is no speed` })
    }
    if (field.otherwise !== undefined && field.table === undefined) {
      problems.push({ place: `${place}/otherwise`, why: 'has a meaning with a table only' })
    }
    if (isPattern(field) && !TimePattern.compile(field.timeFormat)) {
      const why = `${field.timeFormat} is neither local, epoch-ms, epoch-s nor a pattern with yyyy, MM, dd, HH and mm`
      problems.push({ place: `${place}/timeFormat`, why })
    }
  }
  for (const needed of REQUIRED[config.output]) {
    if (!seen.has(needed)) problems.push({ place: 'fields', why: `${needed} is filled by none of them` })
  }
  return problems
}

function isPattern({ field, timeFormat }: MappedField): boolean {
  return field === 'time' && !['local', 'epoch-ms', 'epoch-s'].includes(timeFormat)
}

function rawValue({ constant, query, from }: CompiledField, item: unknown, message: unknown): unknown {
  if (constant !== undefined) return constant
  return query?.match((from === 'message' ? message : item) as JSONValue)?.value
}

function instant(field: CompiledField, raw: unknown, deviceZone: string): number | undefined {
  const zone = field.timeZone ?? deviceZone
  const text = String(raw).trim()
  if (field.timeFormat === 'local') return parsePassTime(text, zone)
  if (field.pattern) return field.pattern.parse(text, zone)
  const value = text === '' ? Number.NaN : Number(text) * (field.timeFormat === 'epoch-s' ? 1000 : 1)
  // Beyond this there is no date; whether the year makes sense is asked by the parser.
  return Number.isFinite(value) && Math.abs(value) <= 8.64e15 ? Math.round(value) : undefined
}

function converted(field: CompiledField, raw: unknown): unknown {
  if (field.table) {
    const key = String(raw).trim()
    return Object.hasOwn(field.table, key) ? field.table[key] : field.otherwise
  }
  const factor = field.scale * (field.speedUnit ? SPEED_UNITS[field.speedUnit] : 1)
  if (factor === 1 && field.offset === 0) return raw
  const value = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw
  // Not a number: as it came, so that the refusal shows what the device sent.
  if (typeof value !== 'number' || !Number.isFinite(value)) return raw
  // Without the last digits, which are noise of the binary form: 9 × 3.6 is 32.4 and not 32.400000000000006.
  return Number((value * factor + field.offset).toPrecision(12))
}
