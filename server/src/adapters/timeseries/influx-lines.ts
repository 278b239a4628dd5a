/**
 * Points as InfluxDB line protocol (https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/).
 * Tags make the identity and the index, so only what has few values becomes a tag; everything that is different for
 * every vehicle becomes a field. The tie break goes into the nanoseconds below the millisecond: two records of one
 * millisecond stay two points without a tag that would make every point a series of its own.
 */
import type { Point } from '../../ports/timeseries.ts'

/** Labels with few distinct values; every other label is a string field. */
const TAG_LABELS = new Set(['vehicleClass', 'plateColour', 'direction', 'unit', 'state'])
/** Every tag that a point may have. */
export const POINT_TAGS = ['device', 'edge', 'region', 'series', ...TAG_LABELS] as const
const NANOSECONDS_A_MS = 1_000_000

/** One line without its line end. Control characters in text become spaces: a line end would begin another point. */
export function toLine(point: Point): string {
  const tags: [string, string][] = [
    ['device', point.deviceId],
    ['edge', point.edgeId],
    ['region', point.region],
    ['series', point.series],
  ]
  const fields: string[] = []
  for (const [name, value] of Object.entries(point.labels)) {
    if (TAG_LABELS.has(name)) tags.push([name, value])
    else fields.push(textField(name, value))
  }
  for (const [name, value] of Object.entries(point.fields)) fields.push(`${escapeKey(name)}=${value}`)
  return `${point.measurement}${tagsText(tags)} ${fields.join(',')} ${influxNanoseconds(point)}`
}

/** A point's time in InfluxDB: the tie break stands below the millisecond. */
export function influxNanoseconds({ atMs, tieBreak }: { atMs: number; tieBreak: number }): bigint {
  return BigInt(atMs) * 1_000_000n + BigInt(tieBreak % NANOSECONDS_A_MS)
}

/** The same from a time as InfluxDB writes it, RFC 3339 with as many digits as it needs. */
export function influxTime(time: string): { atMs: number; tieBreak: number } {
  const [, seconds, fraction = ''] = /^([^.Z]+)(?:\.(\d{1,9}))?Z$/.exec(time)!
  const nanoseconds = Number(fraction.padEnd(9, '0'))
  const tieBreak = nanoseconds % NANOSECONDS_A_MS
  return { atMs: Date.parse(`${seconds}Z`) + (nanoseconds - tieBreak) / NANOSECONDS_A_MS, tieBreak }
}

/** A line of numbers under tags, for what the store derives itself. Empty tags and fields without a value are left out. */
export function toNumbersLine(
  measurement: string,
  tags: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, number | null>>,
  atMs: number,
): string {
  const fieldText = Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${escapeKey(name)}=${value}`)
    .join(',')
  return `${measurement}${tagsText(Object.entries(tags))} ${fieldText} ${BigInt(atMs) * 1_000_000n}`
}

/** A line that writes these text fields of a stored point anew; its other fields stay. */
export function toTextLine(
  measurement: string,
  tags: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, string>>,
  nanoseconds: bigint,
): string {
  const fieldText = Object.entries(fields).map(([name, value]) => textField(name, value))
  return `${measurement}${tagsText(Object.entries(tags))} ${fieldText.join(',')} ${nanoseconds}`
}

function textField(name: string, value: string): string {
  return `${escapeKey(name)}="${clean(value).replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/** Empty ones are left out: some versions have no empty tag. */
function tagsText(tags: readonly (readonly [string, string])[]): string {
  return tags
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `,${escapeKey(name)}=${escapeKey(value)}`)
    .join('')
}

/** Keys and tag values: comma, equals sign and space are escaped; a backslash cannot end one, so it becomes a slash. */
function escapeKey(text: string): string {
  return clean(text).replaceAll('\\', '/').replaceAll(/[,= ]/g, String.raw`\$&`)
}

function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f]/g, ' ')
}

/** A string literal of InfluxQL. */
export function influxText(text: string): string {
  return `'${clean(text).replaceAll(/['\\]/g, String.raw`\$&`)}'`
}
