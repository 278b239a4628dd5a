/** What the audit feature offers: appending (AuditTrail), reading a page, checking the whole record. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { HubConfig } from '../config.ts'
import type { Relational } from '../ports/relational.ts'
import type { Verdict } from './verify-record.ts'

export interface AuditDeps {
  config: Pick<HubConfig, 'rootScope'>
  relational: Relational
  now?: () => number
}

export interface Audit extends AuditTrail {
  /** Checks all of it, a page at a time: the first entry or seal that does not fit, or what is proven. */
  verify(): Promise<Verdict>
  routes: FastifyPluginAsyncTypebox
}
