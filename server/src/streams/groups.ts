/**
 * Groups of cameras: making, changing and dissolving them, on the record. Whoever watches a camera that goes from a group
 * is cut by the grants that are noted as changed, at every hub.
 */
import { randomUUID } from 'node:crypto'
import {
  type CameraGroup,
  type CameraGroupChange,
  covers,
  type NewCameraGroup,
  type Sensitivity,
} from '@patrolhub/protocol'
import type { AuditTrail } from '../access/audit-trail.ts'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { inScope } from '../access/scope.ts'
import type { ChangeLog } from '../changes/changes.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import { camerasOfGroups, strictestOf } from './grant-cameras.ts'
import { openGrantIdsForGroup } from './grant-store.ts'

export interface GroupsDeps {
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
}

interface Group {
  group_id: string
  name: string
  region: string
}

export class Groups {
  readonly #deps: GroupsDeps

  constructor(deps: GroupsDeps) {
    this.#deps = deps
  }

  /** Those whose region lies inside the caller's scope, by name. */
  async list(actor: Principal): Promise<CameraGroup[]> {
    const { read } = this.#deps.relational
    const groups = await read
      .selectFrom('camera_group')
      .selectAll()
      .where((eb) => inScope(actor, eb.ref('region')))
      .orderBy('name')
      .orderBy('group_id')
      .execute()
    return viewsOf(read, groups)
  }

  /** Throws HUB_OUT_OF_SCOPE, HUB_BAD_REQUEST for a camera that does not lie in the region. */
  async create(actor: Principal, { name, region, cameraIds }: NewCameraGroup): Promise<CameraGroup> {
    if (!may(actor, 'group.write', { region })) {
      throw new HubError('HUB_OUT_OF_SCOPE', `region ${region} lies outside your scope (${actor.scope})`)
    }
    const group = { group_id: randomUUID(), name: name.trim(), region }
    return this.#change(async (trx) => {
      await requireInside(trx, region, cameraIds)
      await trx.insertInto('camera_group').values(group).execute()
      await setMembers(trx, group.group_id, cameraIds)
      await this.#deps.audit.append(trx, {
        actor,
        action: 'camera-group.created',
        subject: `group:${group.group_id}`,
        detail: { name: group.name, region, cameraIds },
      })
      return group
    })
  }

  /** Throws HUB_NOT_FOUND outside the scope, HUB_BAD_REQUEST for a camera that does not lie in the group's region. */
  async change(actor: Principal, groupId: string, change: CameraGroupChange): Promise<CameraGroup> {
    const { audit, changes } = this.#deps
    return this.#change(async (trx) => {
      const group = await requireGroup(trx, actor, groupId)
      const before = await memberIds(trx, groupId)
      // One that has left its region meanwhile may stay in the list: it is not opened.
      const added = change.cameraIds.filter((cameraId) => !before.includes(cameraId))
      await requireInside(trx, group.region, added)
      const name = change.name.trim()
      await trx.updateTable('camera_group').set({ name }).where('group_id', '=', groupId).execute()
      await setMembers(trx, groupId, change.cameraIds)
      await audit.append(trx, {
        actor,
        action: 'camera-group.changed',
        subject: `group:${groupId}`,
        detail: {
          before: { name: group.name, cameraIds: before },
          after: { name, cameraIds: change.cameraIds },
        },
      })
      await changes.note(trx, 'grant', await openGrantIdsForGroup(trx, groupId))
      const plans = await trx
        .selectFrom('plan_group')
        .select('plan_id')
        .where('group_id', '=', groupId)
        .execute()
      await changes.note(
        trx,
        'plan',
        plans.map((row) => row.plan_id),
      )
      return { ...group, name }
    })
  }

  /** Grants for it end. Throws HUB_NOT_FOUND outside the scope, HUB_CONFLICT while a plan names it. */
  async dissolve(actor: Principal, groupId: string): Promise<void> {
    const { relational, audit, changes } = this.#deps
    await relational.write.transaction().execute(async (trx) => {
      const group = await requireGroup(trx, actor, groupId)
      const plan = await trx
        .selectFrom('plan_group')
        .innerJoin('plan', 'plan.plan_id', 'plan_group.plan_id')
        .select('plan.name')
        .where('plan_group.group_id', '=', groupId)
        .executeTakeFirst()
      if (plan) throw new HubError('HUB_CONFLICT', `the plan ${plan.name} names this group`)
      const cameraIds = await memberIds(trx, groupId)
      await changes.note(trx, 'grant', await openGrantIdsForGroup(trx, groupId))
      await trx.deleteFrom('camera_group_member').where('group_id', '=', groupId).execute()
      await trx.deleteFrom('camera_group').where('group_id', '=', groupId).execute()
      await audit.append(trx, {
        actor,
        action: 'camera-group.dissolved',
        subject: `group:${groupId}`,
        detail: { name: group.name, region: group.region, cameraIds },
      })
    })
  }

  async #change(make: (trx: DbOrTransaction) => Promise<Group>): Promise<CameraGroup> {
    const { read, write } = this.#deps.relational
    const group = await write.transaction().execute(make)
    return (await viewsOf(read, [group]))[0]!
  }
}

async function requireGroup(trx: DbOrTransaction, actor: Principal, groupId: string): Promise<Group> {
  const group = await trx
    .selectFrom('camera_group')
    .selectAll()
    .where('group_id', '=', groupId)
    .executeTakeFirst()
  if (!group || !may(actor, 'group.write', { region: group.region })) {
    throw new HubError('HUB_NOT_FOUND', `no group ${groupId}`)
  }
  return group
}

/** A camera elsewhere is not told from one that does not exist. */
async function requireInside(
  trx: DbOrTransaction,
  region: string,
  cameraIds: readonly string[],
): Promise<void> {
  if (cameraIds.length === 0) return
  const rows = await trx
    .selectFrom('device')
    .select(['device_id', 'region'])
    .where('kind', '=', 'camera')
    .where('device_id', 'in', cameraIds)
    .execute()
  const inside = new Set(rows.filter((row) => covers(region, row.region)).map((row) => row.device_id))
  const problems = cameraIds
    .map((cameraId, index) => ({ cameraId, index }))
    .filter(({ cameraId }) => !inside.has(cameraId))
    .map(({ cameraId, index }) => `/cameraIds/${index}: no camera ${cameraId} in the region ${region}`)
  if (problems.length === 0) return
  throw new HubError('HUB_BAD_REQUEST', 'a group holds cameras of its region', { details: problems })
}

async function memberIds(trx: DbOrTransaction, groupId: string): Promise<string[]> {
  const rows = await trx
    .selectFrom('camera_group_member')
    .select('camera_id')
    .where('group_id', '=', groupId)
    .orderBy('camera_id')
    .execute()
  return rows.map((row) => row.camera_id)
}

async function setMembers(
  trx: DbOrTransaction,
  groupId: string,
  cameraIds: readonly string[],
): Promise<void> {
  await trx.deleteFrom('camera_group_member').where('group_id', '=', groupId).execute()
  if (cameraIds.length === 0) return
  await trx
    .insertInto('camera_group_member')
    .values(cameraIds.map((cameraId) => ({ group_id: groupId, camera_id: cameraId })))
    .execute()
}

async function viewsOf(db: DbOrTransaction, groups: readonly Group[]): Promise<CameraGroup[]> {
  const groupIds = groups.map((group) => group.group_id)
  const present = await camerasOfGroups(db, groupIds)
  const listed =
    groupIds.length === 0
      ? []
      : await db.selectFrom('camera_group_member').selectAll().where('group_id', 'in', groupIds).execute()
  return groups.map(({ group_id: groupId, name, region }) => {
    const cameras = present.get(groupId) ?? []
    const known = new Set(cameras.map(({ cameraId }) => cameraId))
    const missing = listed.filter((row) => row.group_id === groupId && !known.has(row.camera_id))
    return {
      groupId,
      name,
      region,
      cameras: [
        ...cameras.map((camera) => ({
          cameraId: camera.cameraId,
          name: camera.name,
          sensitivity: camera.sensitivity as Sensitivity,
        })),
        ...missing.map((row) => ({ cameraId: row.camera_id, name: row.camera_id })),
      ],
      policy: strictestOf(cameras),
    }
  })
}
