/** What a camera asks of who wants to watch it: rows by sensitivity, which an administrator changes. */
import type { CameraPolicy } from '@patrolhub/protocol'
import { type Expression, sql } from 'kysely'
import type { DbOrTransaction } from '../ports/relational.ts'
import type { GrantPolicyTable } from '../ports/tables.ts'

/** Stands in where there is no row: nothing is let through because a row is missing. */
export const STRICTEST: CameraPolicy = {
  maxMinutes: 60,
  maxHistoryMinutes: 0,
  needsNote: true,
  needsIncident: false,
  needsSecondPerson: true,
  outside: 'no',
}

/** The row that holds for a camera; a sensitivity that is not known counts as restricted. */
export function policyKey(sensitivity: Expression<string | null>) {
  return sql<string>`case when ${sensitivity} in ('public', 'controlled') then ${sensitivity} else 'restricted' end`
}

export function toPolicy(row: Omit<GrantPolicyTable, 'sensitivity'>): CameraPolicy {
  return {
    maxMinutes: row.max_minutes,
    maxHistoryMinutes: row.max_history_minutes,
    needsNote: row.needs_note === 1,
    needsIncident: row.needs_incident === 1,
    needsSecondPerson: row.needs_second_person === 1,
    outside: row.outside as CameraPolicy['outside'],
  }
}

/** What `policyIn` reads out of a join. */
export const POLICY_COLUMNS = [
  'max_minutes',
  'max_history_minutes',
  'needs_note',
  'needs_incident',
  'needs_second_person',
  'outside',
] as const satisfies readonly (keyof GrantPolicyTable)[]

/** Of a camera, wherever it is, with what it asks for. No scope check: the decision makes it. */
export async function cameraWithPolicy(db: DbOrTransaction, cameraId: string) {
  const row = await db
    .selectFrom('device')
    .leftJoin('grant_policy', (join) =>
      join.on((eb) => eb('grant_policy.sensitivity', '=', policyKey(eb.ref('device.sensitivity')))),
    )
    .select(['device.device_id', 'device.edge_id', 'device.region', 'device.sensitivity', 'device.name'])
    .select(POLICY_COLUMNS)
    .where('device.device_id', '=', cameraId)
    .where('device.kind', '=', 'camera')
    .executeTakeFirst()
  if (!row) return undefined
  const { edge_id: edgeId, region, sensitivity, name } = row
  return { cameraId, edgeId, region, name, sensitivity, policy: policyIn(row) }
}

type Joined = { [column in keyof Omit<GrantPolicyTable, 'sensitivity'>]: GrantPolicyTable[column] | null }

/** Out of a left join: the strictest where there is no row. */
export function policyIn(row: Joined): CameraPolicy {
  return row.max_minutes === null ? STRICTEST : toPolicy(row as Omit<GrantPolicyTable, 'sensitivity'>)
}
