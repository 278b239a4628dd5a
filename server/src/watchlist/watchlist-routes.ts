/** /api/watch-list for people, GET /api/edge/watch-list for edges. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  NewWatchEntry,
  PlateReason,
  ReadPlate,
  Uuid,
  WatchDecision,
  WatchEntry,
  WatchList,
  WatchListForEdge,
} from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { ReadingLimit } from '../access/plate-reading-limit.ts'
import type { WatchListService } from './watchlist.ts'

const Params = Type.Object({ entryId: Uuid })

export function watchListRoutes(list: WatchListService, limit: ReadingLimit): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/watch-list',
      {
        config: { access: 'watchlist.read' },
        schema: {
          summary: 'Plates that are or were looked for in the scope, without the plates',
          tags: ['watch list'],
          response: { 200: WatchList },
        },
      },
      async ({ principal }) => ({ items: await list.list(principal) }),
    )

    app.post(
      '/api/watch-list',
      {
        config: { access: 'watchlist.write' },
        schema: {
          summary: 'Ask that a plate be looked for; a second person has to agree',
          tags: ['watch list'],
          body: NewWatchEntry,
          response: { 201: WatchEntry },
        },
      },
      async ({ principal, body }, reply) => reply.code(201).send(await list.add(principal, body)),
    )

    app.post(
      '/api/watch-list/:entryId/decision',
      {
        config: { access: 'watchlist.approve' },
        schema: {
          summary: "Agree to somebody else's request, or refuse it",
          tags: ['watch list'],
          params: Params,
          body: WatchDecision,
          response: { 200: WatchEntry },
        },
      },
      ({ principal, params, body }) => list.decide(principal, params.entryId, body.approve),
    )

    app.delete(
      '/api/watch-list/:entryId',
      {
        config: { access: 'watchlist.write' },
        schema: {
          summary: 'Stop looking for a plate, or take a request back',
          tags: ['watch list'],
          params: Params,
          response: { 200: WatchEntry },
        },
      },
      ({ principal, params }) => list.end(principal, params.entryId),
    )

    app.post(
      '/api/watch-list/:entryId/plate',
      {
        config: { access: 'watchlist.approve' },
        schema: {
          summary: 'Read the plate in clear, with a reason; on the record',
          tags: ['watch list'],
          params: Params,
          body: PlateReason,
          response: { 200: ReadPlate },
        },
      },
      async ({ principal, params, body }, reply) => {
        const answer = await list.reveal(principal, params.entryId, body.reason)
        if ('plate' in answer) return answer
        return limit.refuse(reply, answer.waitMs)
      },
    )

    app.get(
      '/api/edge/watch-list',
      {
        config: { access: 'edge' },
        schema: {
          summary: 'What the edge that asks has to look for',
          tags: ['watch list'],
          response: { 200: WatchListForEdge },
        },
      },
      ({ edge }) => list.forEdge(edge),
    )
  }
}
