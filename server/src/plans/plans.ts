/** What the plans feature needs and offers: emergency plans, and their activations that open cameras to a command. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Plan } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { Access } from '../access/access.ts'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { ChangeLog } from '../changes/changes.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import type { PlanStreams } from './needs.ts'

export interface PlansDeps {
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
  access: Pick<Access, 'onUsersChanged'>
  /** Gives, ends and shows the grants. */
  streams: PlanStreams
  log: Logger
  /** Wall clock; tests give their own. */
  now?: () => number
}

export interface Plans {
  /** Begins to look after the command when users change. */
  start(): void
  close(): Promise<void>
  /**
   * Looks after every activation: ends those whose time is over, and gives their grants to those who have come into the
   * command. For a timer; harmless when it runs twice.
   */
  tend(nowMs: number): Promise<void>
  /** As screens show them. No scope check: the caller has one. */
  views(db: DbOrTransaction, planIds: readonly string[]): Promise<Plan[]>
  routes: FastifyPluginAsyncTypebox
}
