/** Instants as devices write them. */

const COMPACT = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{3})?$/
const SEPARATED =
  /^(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ](\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,3})\d*)?\s*(Z|[+-]\d{2}:?\d{2})?$/i

/** Minutes east of UTC of `+08:00`. */
export function offsetMinutes(timeZone: string): number {
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(timeZone)
  if (!match) return 0
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]))
}

/**
 * Milliseconds since 1970 of a `PassTime` (GA/T 1400: yyyyMMddHHmmss, local time; milliseconds may follow), also with
 * separators, and then with an offset of its own if it has one. `undefined` for anything else and for days that the
 * calendar does not have.
 */
export function parsePassTime(text: string, timeZone: string): number | undefined {
  const match = COMPACT.exec(text) ?? SEPARATED.exec(text)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const millisecond = Number((match[7] ?? '0').padEnd(3, '0'))
  if (year < 2000 || year > 2199 || hour > 23 || minute > 59 || second > 59) return undefined
  const utcMs = Date.UTC(year, month - 1, day, hour, minute, second, millisecond)
  const date = new Date(utcMs)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  const own = match[8]?.toUpperCase()
  return utcMs - offsetMinutes(own === undefined ? timeZone : own === 'Z' ? '+00:00' : own) * 60_000
}
