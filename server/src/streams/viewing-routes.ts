/** /api/viewings: who watched which camera, for auditors. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ViewingMarkName, ViewingPage, ViewingRules } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Principal } from '../access/principal.ts'
import { parsePlace } from '../paging.ts'
import { Searches } from '../search/searches.ts'
import { allPages, Format, sendFile, timeCell } from '../search/take-out.ts'
import type { StreamsDeps } from './streams.ts'
import { rulesOf } from './viewing-marks.ts'
import { searchViewings, type ViewingTerms } from './viewing-search.ts'

const Word = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 100, description }))
const Moment = Type.Optional(Type.Integer({ minimum: 0 }))
const terms = {
  person: Word('part of a user name or full name'),
  camera: Word('id, or part of a name'),
  purpose: Type.Optional(Type.String({ pattern: '^[a-z_]{1,40}$' })),
  incident: Word('number or id'),
  mark: Type.Optional(
    Type.Unsafe<NonNullable<ViewingTerms['mark']>>(Type.Union([Type.Literal('any'), ViewingMarkName])),
  ),
  fromMs: Moment,
  toMs: Moment,
}
const Page = Type.Object({
  ...terms,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
  before: Type.Optional(Type.String({ maxLength: 100, description: '`next` of the page before' })),
})

export function viewingRoutes(deps: StreamsDeps): FastifyPluginAsyncTypebox {
  const { relational, config, now = Date.now } = deps
  const searches = new Searches(deps)
  const page = (caller: Principal, wanted: ViewingTerms, limit: number, before: string | undefined) =>
    searchViewings(relational.read, caller, {
      terms: wanted,
      limit,
      before: before === undefined ? undefined : parsePlace(before),
      nowMs: now(),
    })

  return async (app) => {
    app.get(
      '/api/viewings',
      {
        config: { access: 'audit.read' },
        schema: {
          summary: 'Who watched which camera, newest first, by what is searched for',
          description: 'Of cameras inside the scope. The search is on the record.',
          tags: ['audit'],
          querystring: Page,
          response: { 200: ViewingPage },
        },
      },
      async (request, reply) => {
        reply.header('cache-control', 'no-store')
        const { limit = 100, before, ...wanted } = request.query
        await searches.record(request.principal, 'viewings', wanted)
        return page(request.principal, wanted, limit, before)
      },
    )

    app.get(
      '/api/viewings/rules',
      {
        config: { access: 'audit.read' },
        schema: {
          summary: 'By which rules viewings are marked as unusual',
          tags: ['audit'],
          response: { 200: ViewingRules },
        },
      },
      async () => ({ items: rulesOf(config) }),
    )

    app.get(
      '/api/viewings/export',
      {
        config: { access: 'audit.read' },
        schema: {
          summary: 'Viewings as CSV or JSON Lines',
          description: 'At most 20,000; on the record with the search.',
          tags: ['audit'],
          querystring: Type.Object({ ...terms, format: Format }),
        },
      },
      async (request, reply) => {
        const { principal } = request
        const { format, ...wanted } = request.query
        const rows = await allPages((limit, before) => page(principal, wanted, limit, before))
        await searches.recordExport(principal, 'viewings', wanted, { format, rows: rows.length })
        return sendFile(reply, {
          name: 'viewings',
          format,
          rows,
          columns: {
            from: (viewing) => timeCell(viewing.openedAtMs),
            to: (viewing) => timeCell(viewing.closedAtMs),
            person: (viewing) => viewing.userName,
            camera: (viewing) => viewing.cameraName,
            camera_id: (viewing) => viewing.cameraId,
            region: (viewing) => viewing.region,
            history_from: (viewing) => timeCell(viewing.history?.fromMs),
            history_to: (viewing) => timeCell(viewing.history?.toMs),
            purpose: (viewing) => viewing.purpose,
            note: (viewing) => viewing.note,
            incident: (viewing) => viewing.incidentNumber ?? viewing.incidentId,
            drill: (viewing) => (viewing.isDrill ? 'drill' : ''),
            seconds: (viewing) => viewing.seconds,
            bytes: (viewing) => viewing.bytes,
            why_closed: (viewing) => viewing.whyClosed,
            marks: (viewing) => viewing.marks.map(({ mark }) => mark).join(' '),
          },
        })
      },
    )
  }
}
