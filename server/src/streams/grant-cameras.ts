/** The cameras that a grant is for, each with what decides whether it may be watched: one, or those of a group. */
import type { CameraPolicy } from '@patrolhub/protocol'
import { covers } from '@patrolhub/protocol'
import { cameraWithPolicy, POLICY_COLUMNS, policyIn, policyKey, STRICTEST } from '../access/camera-policy.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

export interface TargetCamera {
  cameraId: string
  name: string
  edgeId: string
  region: string
  sensitivity: string
  policy: CameraPolicy
}

export interface GrantTargetRecord {
  kind: 'camera' | 'group'
  id: string
  name: string
  region: string
  cameras: readonly TargetCamera[]
}

/** What somebody asks for, wherever it is; `undefined` if there is none. No scope check: the decision makes it. */
export async function findTarget(
  db: DbOrTransaction,
  wish: { cameraId: string } | { groupId: string },
): Promise<GrantTargetRecord | undefined> {
  if ('cameraId' in wish) {
    const camera = await cameraWithPolicy(db, wish.cameraId)
    if (!camera) return undefined
    return {
      kind: 'camera',
      id: camera.cameraId,
      name: camera.name,
      region: camera.region,
      cameras: [camera],
    }
  }
  const group = await db
    .selectFrom('camera_group')
    .selectAll()
    .where('group_id', '=', wish.groupId)
    .executeTakeFirst()
  if (!group) return undefined
  const members = await camerasOfGroups(db, [group.group_id])
  const { group_id: id, name, region } = group
  return { kind: 'group', id, name, region, cameras: members.get(id) ?? [] }
}

/**
 * The cameras of each group that has any, by name: those that an edge has and that lie in the group's region. One that has been
 * moved out of it belongs to the group no more, whatever the row says.
 */
export async function camerasOfGroups(
  db: DbOrTransaction,
  groupIds: readonly string[],
): Promise<Map<string, TargetCamera[]>> {
  if (groupIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('camera_group_member as member')
    .innerJoin('camera_group', 'camera_group.group_id', 'member.group_id')
    .innerJoin('device', (join) =>
      join.onRef('device.device_id', '=', 'member.camera_id').on('device.kind', '=', 'camera'),
    )
    .leftJoin('grant_policy', (join) =>
      join.on((eb) => eb('grant_policy.sensitivity', '=', policyKey(eb.ref('device.sensitivity')))),
    )
    .select(['member.group_id', 'camera_group.region as group_region'])
    .select(['device.device_id', 'device.name', 'device.edge_id', 'device.region', 'device.sensitivity'])
    .select(POLICY_COLUMNS)
    .where('member.group_id', 'in', groupIds)
    .orderBy('device.name')
    .orderBy('device.device_id')
    .execute()
  const inside = rows.filter((row) => covers(row.group_region, row.region))
  return new Map(
    [...Map.groupBy(inside, (row) => row.group_id)].map(([groupId, members]) => [
      groupId,
      members.map((row) => ({
        cameraId: row.device_id,
        name: row.name,
        edgeId: row.edge_id,
        region: row.region,
        sensitivity: row.sensitivity,
        policy: policyIn(row),
      })),
    ]),
  )
}

const OPENNESS = ['no', 'id', 'name'] as const satisfies readonly CameraPolicy['outside'][]

/** What these cameras ask for all together: each thing that any of them asks for. Of none: the strictest there is. */
export function strictestOf(cameras: readonly TargetCamera[]): CameraPolicy {
  if (cameras.length === 0) return STRICTEST
  const policies = cameras.map(({ policy }) => policy)
  return {
    maxMinutes: Math.min(...policies.map(({ maxMinutes }) => maxMinutes)),
    maxHistoryMinutes: Math.min(...policies.map(({ maxHistoryMinutes }) => maxHistoryMinutes)),
    needsNote: policies.some(({ needsNote }) => needsNote),
    needsIncident: policies.some(({ needsIncident }) => needsIncident),
    needsSecondPerson: policies.some(({ needsSecondPerson }) => needsSecondPerson),
    outside: OPENNESS.find((openness) => policies.some(({ outside }) => outside === openness)) ?? 'no',
  }
}
