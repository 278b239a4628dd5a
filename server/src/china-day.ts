/** Days as the people in the room count them. China has one time zone without summer time: a container's is UTC. Pure. */
const UTC_OFFSET_MS = 8 * 3_600_000
const DAY_MS = 24 * 3_600_000

/** `20261122` for the day that holds this instant. */
export function dayOf(atMs: number): string {
  return new Date(atMs + UTC_OFFSET_MS).toISOString().slice(0, 10).replaceAll('-', '')
}

/** The midnight that this instant's day began with. */
export function startOfDay(atMs: number): number {
  return Math.floor((atMs + UTC_OFFSET_MS) / DAY_MS) * DAY_MS - UTC_OFFSET_MS
}

/** `2026-11-22 18:30:05`, as the clock on the wall showed it. */
export function chinaClock(atMs: number): string {
  return new Date(atMs + UTC_OFFSET_MS).toISOString().slice(0, 19).replace('T', ' ')
}

const CLOCK = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?(Z|[+-]\d{2}:\d{2})?$/

/** The instant of `2026-11-22` (its midnight) or `2026-11-22T18:30`, in the time of China unless the text names another. */
export function chinaTime(text: string): number | undefined {
  const match = CLOCK.exec(text)
  if (!match) return undefined
  const [, clock, , zone] = match
  const atMs = Date.parse(zone ? text : `${text}${clock ? '' : 'T00:00'}+08:00`)
  return Number.isNaN(atMs) ? undefined : atMs
}
