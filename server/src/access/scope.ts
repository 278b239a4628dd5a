/**
 * The one place that decides whether something lies inside a user's scope. SQL queries, socket rooms, the stream gate
 * and evidence downloads all ask here.
 */
import { covers, selfAndAncestors } from '@patrolhub/protocol'
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'

export interface Scoped {
  readonly scope: string
}

/** True if the region lies inside the scope. */
export function mayReach(who: Scoped, region: string): boolean {
  return covers(who.scope, region)
}

/** SQL condition: the region column lies inside the scope. A range, so that an index on the column serves it. */
export function inScope(who: Scoped, column: Expression<string>): RawBuilder<SqlBool> {
  // ':' is the character after '9', so the range holds exactly the codes that start with the scope.
  return sql<SqlBool>`(${column} >= ${who.scope} and ${column} < ${`${who.scope}:`})`
}

/** The socket room of a scope: a client joins the room of its own scope only. */
export function roomOfScope(scope: string): string {
  return `scope:${scope}`
}

/** The rooms that something in this region is sent to: those of every scope that covers it. */
export function roomsOfRegion(region: string): string[] {
  return selfAndAncestors(region).map(roomOfScope)
}
