/**
 * Passages out of GA/T 1400 `MotorVehicle` JSON, read leniently: one object or a list, bare or inside
 * `MotorVehicleObject` or `MotorVehicleListObject`, field names in any case, numbers as text. An instant is needed; whatever else is
 * missing or makes no sense is left out. Arbitrary bytes give refusals, never an exception.
 */
import { type Plate, readPlate } from '@patrolhub/protocol'
import {
  type Fields,
  isGroup,
  isRefusal,
  MAX_ITEMS,
  type ParsedItems,
  parseItems,
  type Refusal,
  readJson,
  refused,
} from './fields.ts'
import { parsePassTime } from './pass-time.ts'
import { type PassagePicture, type PictureLimits, readPictures } from './picture.ts'

export interface Passage {
  atMs: number
  /** 0 if the device does not say. */
  lane: number
  speedKmh?: number
  vehicleClass?: string
  plateColour?: string
  direction?: string
  plate?: Plate
  pictures?: PassagePicture[]
}

/** What a message held: the passages, and for every object of it the name that the device gave it, if any. */
export interface ParsedPassages extends ParsedItems<Passage> {
  ids: string[]
  /** Pictures that were no JPEG file, too large or too many. */
  unusablePictures: number
}

/** At most three pictures of 2 MB: a close one, the whole scene and the driver's side are usual. */
const PICTURE_LIMITS: PictureLimits = { count: 3, bytes: 2 * 1024 * 1024 }

const WRAPPERS = ['motorvehiclelistobject', 'motorvehicleobjectlist', 'motorvehicleobject', 'motorvehicle']
const MAX_WRAPPERS = 3

/** @param timeZone offset of the station's clock, e.g. `+08:00`. */
export function parseMotorVehicles(payload: Uint8Array, timeZone: string): ParsedPassages {
  const json = readJson(payload)
  if (!json.ok) return { ...refused<Passage>('(message)', json.reason), ids: [], unusablePictures: 0 }
  return parsePassages(unwrapMotorVehicles(json.value), timeZone)
}

/**
 * As `parseMotorVehicles`, from a list of objects.
 * @param tollgateId of the station, if it is known: an object that names another one is refused.
 */
export function parsePassages(
  objects: readonly unknown[],
  timeZone: string,
  tollgateId?: string,
): ParsedPassages {
  const ids: string[] = objects.slice(0, MAX_ITEMS).map(() => '')
  let unusablePictures = 0
  const parsed = parseItems(objects, (fields, index) => {
    ids[index] = fields.text('MotorVehicleID', 64) ?? ''
    const named = fields.text('TollgateID', 64)
    if (tollgateId !== undefined && named !== undefined && named !== tollgateId) {
      return { field: 'TollgateID', reason: `${named} is not the station of this device` }
    }
    const passage = parsePassage(fields, timeZone)
    if (isRefusal(passage)) return passage
    const { pictures, unusable } = readPictures(fields.get('SubImageList'), PICTURE_LIMITS)
    unusablePictures += unusable
    if (pictures.length > 0) passage.pictures = pictures
    return passage
  })
  return { ...parsed, ids, unusablePictures }
}

/** The objects of a message, out of whatever groups they are wrapped in. */
export function unwrapMotorVehicles(input: unknown): unknown[] {
  let value = input
  for (let depth = 0; depth < MAX_WRAPPERS && isGroup(value); depth++) {
    const inner = Object.entries(value).find(([name]) => WRAPPERS.includes(name.toLowerCase()))
    if (!inner) break
    value = inner[1]
  }
  return Array.isArray(value) ? value : [value]
}

function parsePassage(fields: Fields, timeZone: string): Passage | Refusal {
  const time = fields.text('PassTime', 40)
  if (time === undefined) return { field: 'PassTime', reason: 'is missing' }
  const atMs = parsePassTime(time, timeZone)
  if (atMs === undefined)
    return { field: 'PassTime', reason: `${time} is not an instant of the form yyyyMMddHHmmss` }
  const lane = fields.number('LaneNo') ?? 0
  if (!Number.isInteger(lane) || lane < 0 || lane > 99) {
    return {
      field: 'LaneNo',
      reason: `${String(fields.get('LaneNo')).slice(0, 20)} is not a lane from 0 to 99`,
    }
  }
  const passage: Passage = { atMs, lane }
  const speedKmh = fields.number('Speed')
  // Devices write -1 or 0 for a speed that they could not measure; NaN fails both comparisons.
  if (speedKmh !== undefined && speedKmh > 0 && speedKmh <= 400) passage.speedKmh = speedKmh
  const vehicleClass = fields.text('VehicleClass')
  if (vehicleClass !== undefined) passage.vehicleClass = vehicleClass
  const plateColour = readColour(fields.text('PlateColor'))
  if (plateColour !== undefined) passage.plateColour = plateColour
  const direction = fields.text('Direction')
  if (direction !== undefined) passage.direction = direction
  const plate = readPlate(fields.text('PlateNo', 40))
  if (plate) passage.plate = plate
  return passage
}

/** Names of GA/T 1400's `ColorType`, by code. */
const COLOURS = [
  ['1', 'black', '黑'],
  ['2', 'white', '白'],
  ['3', 'grey', '灰'],
  ['4', 'red', '红'],
  ['5', 'blue', '蓝'],
  ['6', 'yellow', '黄'],
  ['7', 'orange', '橙'],
  ['8', 'brown', '棕'],
  ['9', 'green', '绿'],
  ['10', 'purple', '紫'],
  ['11', 'cyan', '青'],
  ['12', 'pink', '粉'],
  ['13', 'transparent', '透明'],
  ['99', 'other', '其他'],
] as const

/** A colour from its code, its English name or its Chinese one; `unknown` for a word that is none of them. */
export function readColour(input: string | undefined): string | undefined {
  if (input === undefined) return undefined
  const text = input.toLowerCase().replace(/色$/, '')
  const code = text.replace(/^0+(?=\d)/, '')
  const known = COLOURS.find(
    ([number, name, chinese]) => number === code || name === text || chinese === text,
  )
  return known?.[1] ?? (text === 'gray' ? 'grey' : 'unknown')
}
