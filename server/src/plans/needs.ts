/** What plans need of the streams feature; app.ts hands it over. */
import type { Grant } from '@patrolhub/protocol'
import type { Principal } from '../access/principal.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

/** The activation that gives grants. */
export interface PlanGround {
  planId: string
  activationId: string
  isDrill: boolean
  reason: string
  endAtMs: number
}

/** A grant to give: a group of cameras to a user. */
export interface PlanGift {
  userId: string
  groupId: string
  region: string
  /** The second person behind the plan, who is not its user; `null`: nobody has agreed to the plan as it stands. */
  approverId: string | null
  /** The cameras of the group that the second person agreed to. */
  askedCameras: readonly string[]
}

export interface PlanStreams {
  /** Inside the caller's transaction, each with its entry in the record. `actor` undefined: the hub by itself. */
  readonly underPlan: {
    give(
      trx: DbOrTransaction,
      order: { actor: Principal | undefined; ground: PlanGround; gifts: readonly PlanGift[]; nowMs: number },
    ): Promise<void>
    /** Somebody has agreed to the plan and these cameras: its open grants have that second person from now on. */
    agree(
      trx: DbOrTransaction,
      order: {
        actor: Principal
        activationId: string
        secondFor(userId: string): string
        askedCameras(groupId: string): readonly string[]
      },
    ): Promise<void>
    /** Ends every open grant of the activation and answers their ids. */
    end(
      trx: DbOrTransaction,
      order: { actor: Principal | undefined; ground: PlanGround; nowMs: number },
    ): Promise<string[]>
  }
  /** Cuts what these do not open any more. */
  grantsChanged(grantIds: ReadonlySet<string>): Promise<void>
  grantViews(grantIds: readonly string[]): Promise<{ grant: Grant }[]>
}
