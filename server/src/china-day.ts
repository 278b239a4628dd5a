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
