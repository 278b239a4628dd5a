/** Keeps the record: appends inside others' transactions, answers searches inside a scope, checks all of it. */
import { Searches } from '../search/searches.ts'
import type { Audit, AuditDeps } from './audit.ts'
import { auditRoutes } from './audit-routes.ts'
import { CHAIN_START, canonicalJson, entryHash } from './chain.ts'
import { verifyRows } from './record-rows.ts'

export function auditFeature(deps: AuditDeps): Audit {
  const { relational, config, now = Date.now } = deps

  const append: Audit['append'] = async (trx, { actor, action, subject, detail }) => {
    const last = await trx
      .selectFrom('audit')
      .select(['seq', 'hash'])
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    const previousHash = last?.hash ?? CHAIN_START
    const fields = {
      seq: (last?.seq ?? 0) + 1,
      atMs: now(),
      actorId: actor?.userId ?? null,
      actorName: actor?.displayName ?? 'system',
      action,
      subject,
      detail,
    }
    const hash = entryHash(fields, previousHash)
    await trx
      .insertInto('audit')
      .values({
        seq: fields.seq,
        at_ms: fields.atMs,
        actor_id: fields.actorId,
        actor_name: fields.actorName,
        action,
        subject,
        detail: canonicalJson(detail),
        previous_hash: previousHash,
        hash,
      })
      .execute()
    return { seq: fields.seq, hash }
  }

  return {
    append,
    verify: () => verifyRows(relational.read),
    routes: auditRoutes({
      relational,
      searches: new Searches({ relational, audit: { append }, now }),
      rootScope: config.rootScope,
    }),
  }
}
