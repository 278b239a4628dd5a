/**
 * The hub's wall clock, as far as it can be known here. Grants, deadlines and ages are the hub's instants; the clock of a
 * phone or an old machine may be minutes off, and a grant must not seem over because of that.
 */

/** HTTP dates have whole seconds, and an answer takes its time: smaller differences mean nothing. */
const TOLERANCE_MS = 3_000

let offsetMs = 0

/** How far the hub is ahead of this clock; 0 if it cannot be told from none. `date` is the header of an answer. */
export function offsetFrom(date: string | null, nowMs: number): number {
  const hubMs = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(hubMs)) return 0
  const difference = hubMs + 500 - nowMs
  return Math.abs(difference) < TOLERANCE_MS ? 0 : difference
}

/** Takes notice of the hub's time in an answer that has just arrived. */
export function noteHubDate(date: string | null): void {
  if (date !== null) offsetMs = offsetFrom(date, Date.now())
}

/** Milliseconds since 1970, by the hub's clock. */
export function hubNowMs(): number {
  return Date.now() + offsetMs
}
