/** /api/passages: what passed where and when; without plates, but for whoever may look for one. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  type FoundPassage,
  PassagePage,
  PassagePaging,
  PassageTerms,
  type PlateReading,
  PlateSearch,
} from '@patrolhub/protocol'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Principal } from '../access/principal.ts'
import { allPages, Format, sendFile, timeCell } from '../search/take-out.ts'
import { type Paging, PassageSearch, type PassageSearchDeps } from './passage-search.ts'

const { limit: _limit, before: _before, ...wholeSearch } = PlateSearch.properties
const DEFAULT_LIMIT = 100

export function passageRoutes(deps: PassageSearchDeps): FastifyPluginAsyncTypebox {
  const search = new PassageSearch(deps)

  async function ofPlate(
    caller: Principal,
    reply: FastifyReply,
    { plate, purpose, reason, incidentId, limit = DEFAULT_LIMIT, before, ...terms }: PlateSearch,
  ) {
    const paging: Paging = { limit, before }
    const outcome = await search.pageOfPlate(
      caller,
      { ...terms, plate },
      readingOf({ purpose, reason, incidentId }),
      paging,
    )
    return 'waitMs' in outcome ? deps.limit.refuse(reply, outcome.waitMs) : outcome.page
  }

  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/passages',
      {
        config: { access: 'series.read' },
        schema: {
          summary: 'Passages by time, place and what was measured, newest first, without plates',
          tags: ['analytics'],
          querystring: Type.Object({ ...PassageTerms.properties, ...PassagePaging.properties }),
          response: { 200: PassagePage },
        },
      },
      ({ principal, query: { limit = DEFAULT_LIMIT, before, ...terms } }) =>
        search.page(principal, terms, { limit, before }),
    )

    app.get(
      '/api/passages/export',
      {
        config: { access: 'series.read' },
        schema: {
          summary: 'Passages as CSV or JSON Lines, without plates',
          description: 'At most 20,000; on the record.',
          tags: ['analytics'],
          querystring: Type.Object({ ...PassageTerms.properties, format: Format }),
        },
      },
      async ({ principal, query: { format, ...terms } }, reply) => {
        const rows = await allPages((limit, before) => search.page(principal, terms, { limit, before }))
        await search.recordExport(principal, terms, { format, rows: rows.length })
        return sendPassages(reply, format, rows)
      },
    )

    app.post(
      '/api/passages/by-plate',
      {
        config: { access: 'plate.read' },
        schema: {
          summary: 'The passages of one plate, with a reason; on the record',
          description:
            'Counts as reading a plate: `plateReadsPerHour` within an hour, 429 with Retry-After. The pages of one search count once.',
          tags: ['plates'],
          body: PlateSearch,
          response: { 200: PassagePage },
        },
      },
      ({ principal, body }, reply) => ofPlate(principal, reply, body),
    )

    app.post(
      '/api/passages/by-plate/export',
      {
        config: { access: 'plate.read' },
        schema: {
          summary: 'The passages of one plate as CSV or JSON Lines, with a reason; on the record',
          tags: ['plates'],
          body: Type.Object({ ...wholeSearch, format: Format }, { additionalProperties: false }),
        },
      },
      async ({ principal, body: { format, ...wanted } }, reply) => {
        const rows = await allPages((limit, before) =>
          ofPlate(principal, reply, { ...wanted, limit, ...(before === undefined ? {} : { before }) }),
        )
        const { plate: _plate, purpose, reason, incidentId, ...terms } = wanted
        const reading = readingOf({ purpose, reason, incidentId })
        await search.recordExport(principal, terms, { format, rows: rows.length }, reading)
        return sendPassages(reply, format, rows)
      },
    )
  }
}

function readingOf({
  purpose,
  reason,
  incidentId,
}: { [Name in keyof PlateReading]: PlateReading[Name] | undefined }) {
  return { purpose, reason, ...(incidentId === undefined ? {} : { incidentId }) } as PlateReading
}

function sendPassages(
  reply: FastifyReply,
  format: 'csv' | 'jsonl',
  rows: readonly FoundPassage[],
): FastifyReply {
  return sendFile(reply, {
    name: 'passages',
    format,
    rows,
    columns: {
      time: ({ atMs }) => timeCell(atMs),
      checkpoint: ({ checkpointName }) => checkpointName,
      checkpoint_id: ({ checkpointId }) => checkpointId,
      region: ({ region }) => region,
      lane: ({ lane }) => lane,
      speed_kmh: ({ speedKmh }) => speedKmh,
      vehicle_class: ({ vehicleClass }) => vehicleClass,
      plate_colour: ({ plateColour }) => plateColour,
      direction: ({ direction }) => direction,
      passage_id: ({ passageId }) => passageId,
    },
  })
}
