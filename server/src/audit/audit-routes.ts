/** /api/audit: the record, searched and taken out by auditors. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AuditPage } from '@patrolhub/protocol'
import { type Static, Type } from 'typebox'
import type { Principal } from '../access/principal.ts'
import type { Relational } from '../ports/relational.ts'
import type { Searches } from '../search/searches.ts'
import { allPages, Format, sendFile, timeCell } from '../search/take-out.ts'
import { type EntryTerms, searchEntries } from './audit-search.ts'

const Word = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 100, description }))
const Moment = Type.Optional(Type.Integer({ minimum: 0 }))
const terms = {
  person: Word('part of a user name or full name; `system` for what nobody in particular did'),
  kind: Type.Optional(
    Type.String({
      pattern: '^[a-z-]{1,40}(\\.[a-z-]{1,40})?$',
      description: '`viewing`, or `viewing.opened`',
    }),
  ),
  camera: Word('id, or part of a name'),
  incident: Word('number or id'),
  fromMs: Moment,
  toMs: Moment,
}
const Page = Type.Object({
  ...terms,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
  before: Type.Optional(Type.String({ pattern: '^\\d{1,15}$', description: '`next` of the page before' })),
})
const TakeOut = Type.Object({ ...terms, format: Format })

export function auditRoutes({
  relational,
  searches,
  rootScope,
}: {
  relational: Relational
  searches: Searches
  rootScope: string
}): FastifyPluginAsyncTypebox {
  const page = (caller: Principal, wanted: EntryTerms, limit: number, before: string | undefined) =>
    searchEntries(relational.read, caller, {
      terms: wanted,
      limit,
      before: before === undefined ? Number.MAX_SAFE_INTEGER : Number(before),
      rootScope,
    })

  return async (app) => {
    app.get(
      '/api/audit',
      {
        config: { access: 'audit.read' },
        schema: {
          summary: 'The record, newest first, by what is searched for',
          description:
            'What people inside the scope did; over the whole hub everything. The search is on the record.',
          tags: ['audit'],
          querystring: Page,
          response: { 200: AuditPage },
        },
      },
      async (request, reply) => {
        reply.header('cache-control', 'no-store')
        const { limit = 100, before, ...wanted } = request.query
        await searches.record(request.principal, 'record', wanted)
        return page(request.principal, wanted, limit, before)
      },
    )

    app.get(
      '/api/audit/export',
      {
        config: { access: 'audit.read' },
        schema: {
          summary: 'Entries of the record as CSV or JSON Lines',
          description:
            'At most 20,000; on the record with the search. Without seals: see `audit export` for those.',
          tags: ['audit'],
          querystring: TakeOut,
        },
      },
      async (request, reply) => {
        const { principal } = request
        const { format, ...wanted } = request.query satisfies Static<typeof TakeOut>
        const rows = await allPages((limit, before) => page(principal, wanted, limit, before))
        await searches.recordExport(principal, 'record', wanted, { format, rows: rows.length })
        return sendFile(reply, {
          name: 'record',
          format,
          rows,
          columns: {
            seq: (entry) => entry.seq,
            time: (entry) => timeCell(entry.atMs),
            actor: (entry) => entry.actorName,
            action: (entry) => entry.action,
            subject: (entry) => entry.subject,
            detail: (entry) => JSON.stringify(entry.detail),
            hash: (entry) => entry.hash,
          },
        })
      },
    )
  }
}
