/** Readings of sensors: our own small JSON, one or a list, numbers also as text. */
import { type Fields, type ParsedItems, parseItems, type Refusal, readJson, refused } from './fields.ts'

export interface Reading {
  /** `undefined`: the moment of arrival. */
  atMs?: number
  quantity: string
  value: number
  unit?: string
}

/** Device clocks before this never had their time set. */
const EARLIEST_MS = Date.UTC(2000, 0)
const LATEST_MS = Date.UTC(2200, 0)

/** Beyond this a number is a fault of the device, and sums of squares would overflow. */
const LARGEST_VALUE = 1e15

/** Arbitrary bytes give refusals, never an exception. */
export function parseDeviceReadings(payload: Uint8Array): ParsedItems<Reading> {
  const json = readJson(payload)
  if (!json.ok) return refused('(message)', json.reason)
  return parseReadings(Array.isArray(json.value) ? json.value : [json.value])
}

/** As `parseDeviceReadings`, from a list of objects. */
export function parseReadings(objects: readonly unknown[]): ParsedItems<Reading> {
  return parseItems(objects, parseReading)
}

function parseReading(fields: Fields): Reading | Refusal {
  const quantity = fields.text('quantity', 40)?.toLowerCase().replaceAll('-', '_')
  if (quantity === undefined) return { field: 'quantity', reason: 'is missing' }
  if (!/^[a-z][a-z0-9_]*$/.test(quantity)) {
    return { field: 'quantity', reason: `${quantity} is not a name such as water_level` }
  }
  const value = fields.number('value')
  if (value === undefined) return { field: 'value', reason: 'is missing' }
  if (Number.isNaN(value)) return { field: 'value', reason: 'is not a number' }
  if (Math.abs(value) > LARGEST_VALUE) return { field: 'value', reason: 'is larger than any quantity' }
  const reading: Reading = { quantity, value }
  const atMs = fields.number('atMs')
  if (atMs !== undefined) {
    if (!(atMs >= EARLIEST_MS && atMs < LATEST_MS)) {
      return { field: 'atMs', reason: 'is not a time in milliseconds since 1970' }
    }
    reading.atMs = Math.round(atMs)
  }
  const unit = fields.text('unit', 16)
  if (unit !== undefined) reading.unit = unit
  return reading
}
