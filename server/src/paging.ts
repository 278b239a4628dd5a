/**
 * Places in a list that is ordered by time and id, newest first. New entries do not move a page, and entries of the same
 * millisecond are neither skipped nor repeated.
 */
import { HubError } from './errors.ts'
import type { Place } from './newest-in-scope.ts'

/** The text that a page hands out as `next` and takes as `before`. */
export function placeText({ atMs, id }: Place): string {
  return `${atMs}.${id}`
}

/** Throws HUB_BAD_REQUEST for text that no page has handed out. */
export function parsePlace(text: string): Place {
  const match = /^(\d{1,16})\.([\w-]{1,64})$/.exec(text)
  if (!match) throw new HubError('HUB_BAD_REQUEST', 'before: use the `next` of the page before')
  return { atMs: Number(match[1]), id: match[2]! }
}

/** One page out of `limit + 1` rows: the extra row tells that there is another page. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  placeOf: (row: T) => Place,
): { rows: T[]; next?: string } {
  const page = rows.slice(0, limit)
  return rows.length > limit ? { rows: page, next: placeText(placeOf(page.at(-1)!)) } : { rows: page }
}
