/** Keeps the record: appends inside others' transactions, answers pages inside a scope, checks the chain. */
import { AuditPage } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Principal } from '../access/principal.ts'
import { inScope, mayReach } from '../access/scope.ts'
import type { Db } from '../ports/relational.ts'
import type { Audit, AuditDeps } from './audit.ts'
import { CHAIN_START, canonicalJson, entryHash, entryOf } from './chain.ts'
import { verifyRows } from './record-rows.ts'

const PageQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
  before: Type.Optional(Type.String({ pattern: '^\\d{1,15}$', description: '`next` of the page before' })),
})

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
    routes: async (app) => {
      app.get(
        '/api/audit',
        {
          config: { access: 'audit.read' },
          schema: {
            summary: 'The record, newest first',
            tags: ['audit'],
            querystring: PageQuery,
            response: { 200: AuditPage },
          },
        },
        async (request, reply) => {
          reply.header('cache-control', 'no-store')
          const { limit = 100, before } = request.query
          const rows = await visible(relational.read, request.principal, config.rootScope)
            .where('audit.seq', '<', before === undefined ? Number.MAX_SAFE_INTEGER : Number(before))
            .orderBy('audit.seq', 'desc')
            .limit(limit + 1)
            .execute()
          const page = rows.slice(0, limit).map(entryOf)
          const isLast = rows.length <= limit
          return {
            items: page.map(({ actorId: _, ...entry }) => ({
              ...entry,
              detail: entry.detail as Record<string, unknown>,
            })),
            ...(isLast ? {} : { next: String(page.at(-1)!.seq) }),
          }
        },
      )
    },
  }
}

/**
 * What people inside the caller's scope did. What nobody in particular did (failed sign-ins, command lines) is shown to
 * those who are responsible for the whole hub.
 */
function visible(db: Db, caller: Principal, rootScope: string) {
  const seesAll = mayReach(caller, rootScope)
  return db
    .selectFrom('audit')
    .leftJoin('user_account', 'user_account.user_id', 'audit.actor_id')
    .selectAll('audit')
    .where((eb) =>
      seesAll
        ? eb.or([eb('audit.actor_id', 'is', null), inScope(caller, eb.ref('user_account.scope').$notNull())])
        : inScope(caller, eb.ref('user_account.scope').$notNull()),
    )
}
