/** What the audit feature offers: appending (AuditTrail), reading a page, checking the whole chain. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { HubConfig } from '../config.ts'
import type { Relational } from '../ports/relational.ts'
import type { ChainCheck } from './chain.ts'

export interface AuditDeps {
  config: Pick<HubConfig, 'rootScope'>
  relational: Relational
  now?: () => number
}

export interface Audit extends AuditTrail {
  /** Reads the whole chain, a page at a time, and names the first entry that does not fit. */
  verify(): Promise<ChainCheck>
  routes: FastifyPluginAsyncTypebox
}
