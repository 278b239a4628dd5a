/** Roles as rows: seeded with the built-in ones, composed and changed by administrators, on the record. */
import { BUILT_IN_ROLES, type NewRole, type RoleChange, type RoleView } from '@patrolhub/protocol'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { AuditTrail } from './audit-trail.ts'
import { may } from './decide.ts'
import {
  isPermission,
  KEPT_BY_ADMINISTRATOR,
  PERMISSIONS,
  type Permission,
  PRIVILEGED,
  ROLE_PERMISSIONS,
} from './permissions.ts'
import type { Principal } from './principal.ts'

export interface RolesDeps {
  relational: Relational
  audit: AuditTrail
  rootScope: string
}

export class Roles {
  readonly #deps: RolesDeps
  #seeded: Promise<void> | undefined

  constructor(deps: RolesDeps) {
    this.#deps = deps
  }

  /**
   * Makes the built-in roles, and gives them permissions that this store has not met yet (a new version brought them).
   * What an administrator has changed since stays. Once a process; a failure is tried again by the next call.
   */
  seed(): Promise<void> {
    this.#seeded ??= this.#seed().catch((error) => {
      this.#seeded = undefined
      throw error
    })
    return this.#seeded
  }

  async #seed(): Promise<void> {
    const known = await this.#deps.relational.read.selectFrom('permission_seen').selectAll().execute()
    const isKnown = new Set(known.map((row) => row.permission))
    if (PERMISSIONS.every((permission) => isKnown.has(permission))) return
    await this.#deps.relational.write.transaction().execute(async (trx) => {
      for (const role of BUILT_IN_ROLES) {
        await trx
          .insertInto('role')
          .values({ role_id: role, name: role, is_built_in: 1 })
          .onConflict((conflict) => conflict.column('role_id').doNothing())
          .execute()
      }
      for (const permission of PERMISSIONS) {
        const added = await trx
          .insertInto('permission_seen')
          .values({ permission })
          .onConflict((conflict) => conflict.column('permission').doNothing())
          .executeTakeFirst()
        if (added.numInsertedOrUpdatedRows === 0n) continue
        for (const role of BUILT_IN_ROLES.filter((one) => ROLE_PERMISSIONS[one].has(permission))) {
          await trx
            .insertInto('role_permission')
            .values({ role_id: role, permission })
            .onConflict((conflict) => conflict.columns(['role_id', 'permission']).doNothing())
            .execute()
        }
      }
    })
  }

  /** What a role may do now; nothing for a role that does not exist. */
  async permissionsOf(db: DbOrTransaction, role: string): Promise<ReadonlySet<Permission>> {
    await this.#seeded
    const rows = await db
      .selectFrom('role_permission')
      .select('permission')
      .where('role_id', '=', role)
      .execute()
    // A permission of a newer version means nothing here.
    return new Set(rows.map((row) => row.permission).filter(isPermission))
  }

  async list(): Promise<RoleView[]> {
    const { read } = this.#deps.relational
    const [roles, permissions, users] = await Promise.all([
      read.selectFrom('role').selectAll().orderBy('role_id').execute(),
      read.selectFrom('role_permission').selectAll().orderBy('permission').execute(),
      read
        .selectFrom('user_account')
        .select((eb) => ['role', eb.fn.countAll<number>().as('users')])
        .groupBy('role')
        .execute(),
    ])
    const byRole = Map.groupBy(permissions, (row) => row.role_id)
    const order = (role: string) => {
      const place = (BUILT_IN_ROLES as readonly string[]).indexOf(role)
      return place < 0 ? BUILT_IN_ROLES.length : place
    }
    return roles
      .map((row) => ({
        role: row.role_id,
        name: row.name,
        isBuiltIn: row.is_built_in === 1,
        permissions: (byRole.get(row.role_id) ?? []).map(({ permission }) => permission),
        userCount: Number(users.find((count) => count.role === row.role_id)?.users ?? 0),
      }))
      .sort((a, b) => order(a.role) - order(b.role))
  }

  /** Throws HUB_CONFLICT if the name is taken; else as `change`. */
  async create(actor: Principal, { role, name, permissions }: NewRole): Promise<RoleView> {
    const { relational, audit } = this.#deps
    const wanted = this.#check(actor, permissions)
    try {
      await relational.write.transaction().execute(async (trx) => {
        await trx.insertInto('role').values({ role_id: role, name, is_built_in: 0 }).execute()
        await write(trx, role, wanted)
        const detail = { name, permissions: [...wanted].sort() }
        await audit.append(trx, { actor, action: 'role.created', subject: `role:${role}`, detail })
      })
    } catch (error) {
      if (relational.violation(error) !== 'unique') throw error
      throw new HubError('HUB_CONFLICT', `there is already a role ${role}`, { cause: error })
    }
    return this.#find(role)
  }

  /**
   * Replaces name and permissions; answers the users it concerns: tell of them. Throws HUB_OUT_OF_SCOPE unless the
   * actor is responsible for the whole hub, HUB_BAD_REQUEST for an unknown permission, HUB_FORBIDDEN for handing out
   * power that the actor does not have, HUB_CONFLICT if nobody could repair the roles afterwards.
   */
  async change(
    actor: Principal,
    role: string,
    { name, permissions }: RoleChange,
  ): Promise<{ role: RoleView; userIds: string[] }> {
    const { relational, audit } = this.#deps
    const wanted = this.#check(actor, permissions)
    const userIds = await relational.write.transaction().execute(async (trx) => {
      await this.#require(trx, role)
      const before = await this.permissionsOf(trx, role)
      const lacking = KEPT_BY_ADMINISTRATOR.filter((permission) => !wanted.has(permission))
      if (role === 'administrator' && lacking.length > 0) {
        throw new HubError('HUB_CONFLICT', `the role administrator keeps ${lacking.join(', ')}`)
      }
      const lost = [...before].filter((permission) => !wanted.has(permission))
      if (role === actor.role && lost.some((permission) => PRIVILEGED.has(permission))) {
        throw new HubError('HUB_CONFLICT', 'nobody takes power from the role that they have themselves')
      }
      this.#checkPower(actor, before)
      await trx.updateTable('role').set({ name }).where('role_id', '=', role).execute()
      await trx.deleteFrom('role_permission').where('role_id', '=', role).execute()
      await write(trx, role, wanted)
      const added = [...wanted].filter((permission) => !before.has(permission))
      const detail = { name, added: added.sort(), removed: lost.sort() }
      await audit.append(trx, { actor, action: 'role.changed', subject: `role:${role}`, detail })
      const users = await trx.selectFrom('user_account').select('user_id').where('role', '=', role).execute()
      return users.map((row) => row.user_id)
    })
    return { role: await this.#find(role), userIds }
  }

  /** Throws HUB_NOT_FOUND, or HUB_CONFLICT for a built-in role and for one that somebody has. */
  async remove(actor: Principal, role: string): Promise<void> {
    const { relational, audit } = this.#deps
    this.#check(actor, [])
    await relational.write.transaction().execute(async (trx) => {
      const { isBuiltIn } = await this.#require(trx, role)
      if (isBuiltIn) throw new HubError('HUB_CONFLICT', `the role ${role} is built in`)
      const user = await trx
        .selectFrom('user_account')
        .select('username')
        .where('role', '=', role)
        .executeTakeFirst()
      if (user) throw new HubError('HUB_CONFLICT', `${user.username} has the role ${role}`)
      await trx.deleteFrom('role_permission').where('role_id', '=', role).execute()
      await trx.deleteFrom('role').where('role_id', '=', role).execute()
      await audit.append(trx, { actor, action: 'role.removed', subject: `role:${role}`, detail: {} })
    })
  }

  /** Throws HUB_BAD_REQUEST for a role that does not exist, HUB_FORBIDDEN for power that the actor does not have. */
  async requireGivable(trx: DbOrTransaction, actor: Principal | undefined, role: string): Promise<void> {
    const row = await trx.selectFrom('role').select('role_id').where('role_id', '=', role).executeTakeFirst()
    if (!row) throw new HubError('HUB_BAD_REQUEST', `there is no role ${role}`)
    if (actor) this.#checkPower(actor, await this.permissionsOf(trx, role))
  }

  #check(actor: Principal, permissions: readonly string[]): ReadonlySet<Permission> {
    const { rootScope } = this.#deps
    if (!may(actor, 'role.write', { region: rootScope })) {
      throw new HubError(
        'HUB_OUT_OF_SCOPE',
        `roles hold for the whole hub (${rootScope}), which is not in your scope`,
      )
    }
    const unknown = permissions.filter((name) => !isPermission(name))
    if (unknown.length > 0) {
      throw new HubError('HUB_BAD_REQUEST', `there is no permission ${unknown.join(', ')}`)
    }
    const wanted = new Set(permissions.filter(isPermission))
    this.#checkPower(actor, wanted)
    return wanted
  }

  /** Nobody hands out, or takes from somebody, power that they do not have. */
  #checkPower(actor: Principal, permissions: Iterable<Permission>): void {
    const missing = [...permissions].filter((one) => PRIVILEGED.has(one) && !actor.permissions.has(one))
    if (missing.length > 0) {
      throw new HubError('HUB_FORBIDDEN', `you do not have ${missing.join(', ')} yourself`)
    }
  }

  async #require(db: DbOrTransaction, role: string): Promise<{ isBuiltIn: boolean }> {
    const row = await db.selectFrom('role').selectAll().where('role_id', '=', role).executeTakeFirst()
    if (!row) throw new HubError('HUB_NOT_FOUND', `no role ${role}`)
    return { isBuiltIn: row.is_built_in === 1 }
  }

  async #find(role: string): Promise<RoleView> {
    const found = (await this.list()).find((one) => one.role === role)
    if (!found) throw new HubError('HUB_NOT_FOUND', `no role ${role}`)
    return found
  }
}

async function write(trx: DbOrTransaction, role: string, permissions: Iterable<Permission>): Promise<void> {
  const rows = [...permissions].map((permission) => ({ role_id: role, permission }))
  if (rows.length > 0) await trx.insertInto('role_permission').values(rows).execute()
}
