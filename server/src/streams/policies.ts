/** What cameras ask of who wants to watch them: reading and changing the rows. */
import type { CameraPolicy, GrantPolicies, Sensitivity } from '@patrolhub/protocol'
import type { AuditTrail } from '../access/audit-trail.ts'
import { STRICTEST, toPolicy } from '../access/camera-policy.ts'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'

const SENSITIVITIES: readonly Sensitivity[] = ['public', 'controlled', 'restricted']

export interface PoliciesDeps {
  relational: Relational
  audit: AuditTrail
  rootScope: string
  /** Running grants that ask for more now are ended. */
  changed(): void
}

export class Policies {
  readonly #deps: PoliciesDeps

  constructor(deps: PoliciesDeps) {
    this.#deps = deps
  }

  async list(db: DbOrTransaction = this.#deps.relational.read): Promise<GrantPolicies> {
    const rows = await db.selectFrom('grant_policy').selectAll().execute()
    const items = SENSITIVITIES.map((sensitivity) => {
      const row = rows.find((one) => one.sensitivity === sensitivity)
      return { sensitivity, policy: row ? toPolicy(row) : STRICTEST }
    })
    return { items }
  }

  /** Throws HUB_OUT_OF_SCOPE unless the actor is responsible for the whole hub. */
  async change(actor: Principal, sensitivity: Sensitivity, policy: CameraPolicy): Promise<GrantPolicies> {
    const { relational, audit, rootScope } = this.#deps
    if (!may(actor, 'policy.write', { region: rootScope })) {
      throw new HubError(
        'HUB_OUT_OF_SCOPE',
        `the policy holds for the whole hub (${rootScope}), which is not in your scope`,
      )
    }
    await relational.write.transaction().execute(async (trx) => {
      const { items } = await this.list(trx)
      const before = items.find((one) => one.sensitivity === sensitivity)?.policy
      const row = {
        max_minutes: policy.maxMinutes,
        max_history_minutes: policy.maxHistoryMinutes,
        needs_note: policy.needsNote ? 1 : 0,
        needs_incident: policy.needsIncident ? 1 : 0,
        needs_second_person: policy.needsSecondPerson ? 1 : 0,
        outside: policy.outside,
      }
      await trx
        .insertInto('grant_policy')
        .values({ sensitivity, ...row })
        .onConflict((conflict) => conflict.column('sensitivity').doUpdateSet(row))
        .execute()
      await audit.append(trx, {
        actor,
        action: 'grant-policy.changed',
        subject: `sensitivity:${sensitivity}`,
        detail: { before, after: policy },
      })
    })
    this.#deps.changed()
    return this.list()
  }
}
