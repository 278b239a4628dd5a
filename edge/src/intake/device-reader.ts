/** Reads the messages of one device: our own form or GA/T 1400, or another maker's by a mapping. Never throws. */
import type { CheckpointConfig, MappingConfig, SensorConfig } from '../config.ts'
import { parseReadings, type Reading } from './device-reading.ts'
import { isRefusal, type ParsedItems, type Refusal, readJson, refused } from './fields.ts'
import { Mapping } from './mapping.ts'
import { type ParsedPassages, parsePassages, unwrapMotorVehicles } from './motor-vehicle.ts'

const BEIJING = '+08:00'

export type ReadPassages = (payload: Uint8Array) => ParsedPassages
export type ReadReadings = (payload: Uint8Array) => ParsedItems<Reading>

export function passageReader(
  checkpoint: Pick<CheckpointConfig, 'timeZone' | 'mapping' | 'tollgateId'>,
  mappings: readonly MappingConfig[],
): ReadPassages {
  const { timeZone } = checkpoint
  const mapping = findMapping(checkpoint.mapping, mappings)
  return (payload) => {
    const json = readJson(payload)
    if (!json.ok) return { ...refused('(message)', json.reason), ids: [], unusablePictures: 0 }
    if (!mapping) return parsePassages(unwrapMotorVehicles(json.value), timeZone, checkpoint.tollgateId)
    return readMapped(mapping, json.value, timeZone, (objects) => parsePassages(objects, timeZone))
  }
}

export function readingReader(sensor: SensorConfig, mappings: readonly MappingConfig[]): ReadReadings {
  const { quantity, unit } = sensor
  const mapping = findMapping(sensor.mapping, mappings, { quantity, unit })
  return (payload) => {
    const json = readJson(payload)
    if (!json.ok) return refused('(message)', json.reason)
    if (!mapping) return parseReadings(Array.isArray(json.value) ? json.value : [json.value])
    return readMapped(mapping, json.value, BEIJING, parseReadings)
  }
}

function findMapping(
  mappingId: string | undefined,
  mappings: readonly MappingConfig[],
  fixed?: Record<string, string>,
): Mapping | undefined {
  const config = mappings.find((each) => each.mappingId === mappingId)
  return config && new Mapping(config, fixed)
}

/** What the mapping could not read and what the parser refused, under the numbers that the items have in the message. */
function readMapped<P extends ParsedItems<unknown>>(
  mapping: Mapping,
  message: unknown,
  timeZone: string,
  parse: (objects: readonly unknown[]) => P,
): P {
  const found = mapping.apply(message, timeZone)
  const unread: Refusal[] = []
  const objects: unknown[] = []
  const places: number[] = []
  for (const [index, each] of found.entries()) {
    if (isRefusal(each)) unread.push({ ...each, item: index })
    else {
      objects.push(each)
      places.push(index)
    }
  }
  const parsed = parse(objects)
  const renamed = parsed.refusals.map((refusal) => ({
    ...refusal,
    field: mapping.nameOf(refusal.field),
    ...(refusal.item === undefined ? {} : { item: places[refusal.item]! }),
  }))
  // Of a message in which nothing could be read, that it holds nothing is not what has to be said.
  return { ...parsed, refusals: objects.length === 0 && unread.length > 0 ? unread : [...unread, ...renamed] }
}
