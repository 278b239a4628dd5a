/** /media: video, live and recorded, out to players and in from edges. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  DeviceId,
  HISTORY_SPEEDS,
  type HistorySpeed,
  HistoryStretches,
  Rendition,
  Uuid,
} from '@patrolhub/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { HubError } from '../errors.ts'
import type { EdgeAsks } from './edge-asks.ts'
import type { Gate, ToWatch } from './gate.ts'
import type { HistoryAccess } from './history-access.ts'
import { HttpPlayerSink } from './http-player-sink.ts'
import { routeUpgrades, WsPlayerSink } from './ws-player-sink.ts'

/** Of a clip, which is written to the disk as it comes; who asks for it says how large it may be. */
const MAX_ANSWER_BYTES = 8 * 1024 ** 3

export interface GateRoutesDeps {
  /** False for a request that a page of another origin makes in the browser of somebody who is signed in. */
  isSameOrigin(headers: IncomingHttpHeaders): boolean
  history: HistoryAccess
  asks: EdgeAsks
}

export function gateRoutes(gate: Gate, deps: GateRoutesDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    // Otherwise the server would wait for its players while it stops.
    app.addHook('preClose', async () => gate.cutAll())
    await app.register(playRoutes(gate, deps))
    await app.register(recordedRoute(deps.history))
    await app.register(edgeRoutes(gate, deps.asks))
  }
}

const Params = Type.Object({ grantId: Uuid })
const Camera = Type.Object({
  camera: Type.Optional(Type.String({ maxLength: 64, description: 'which camera, for a grant for a group' })),
})
const Live = Type.Object({
  camera: Camera.properties.camera,
  h265: Type.Optional(
    Type.Boolean({ description: 'the player can play H.265; otherwise it is converted at the edge' }),
  ),
})
const Position = Type.Object({
  camera: Camera.properties.camera,
  at: Type.Optional(Type.Integer({ minimum: 0, description: 'where to begin, ms since 1970-01-01 UTC' })),
  speed: Type.Optional(Type.Unsafe<HistorySpeed>({ type: 'integer', enum: [...HISTORY_SPEEDS] })),
})

function playRoutes(gate: Gate, { isSameOrigin }: GateRoutesDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    const upgrades = routeUpgrades(app as unknown as FastifyInstance)

    async function play(request: FastifyRequest, reply: FastifyReply, wanted: ToWatch) {
      reply.header('cache-control', 'no-store')
      const left = new AbortController()
      const upgrade = upgrades.get(request.raw)
      // Nothing else keeps another page from opening a WebSocket with the cookie of who reads it.
      if (upgrade && !isSameOrigin(request.headers)) {
        throw new HubError('HUB_FORBIDDEN', 'a WebSocket from another origin')
      }
      const connection = upgrade ? upgrade.socket : reply.raw
      connection.once('close', () => left.abort())
      // It may have left while its session was read: nothing tells of that any more.
      if (reply.raw.destroyed || request.raw.socket.destroyed) left.abort()
      const sink = upgrade ? new WsPlayerSink(reply, upgrade) : new HttpPlayerSink(reply)
      await gate.watch(request.principal, wanted, { sink, left: left.signal })
      // A player that left before its first picture: there is nobody to answer.
      if (!reply.sent) reply.hijack()
      return reply
    }

    app.get(
      '/media/live/:grantId.flv',
      {
        config: { access: 'signed-in' },
        exposeHeadRoute: false,
        schema: {
          summary:
            'Live video as HTTP-FLV or WS-FLV, under an active grant of the caller; lasts until the grant ends',
          tags: ['streams'],
          params: Params,
          querystring: Live,
        },
      },
      (request, reply) => {
        const { grantId } = request.params
        const { camera: cameraId, h265: playsH265 } = request.query
        return play(request, reply, { grantId, cameraId, playsH265, kind: 'live' })
      },
    )

    app.get(
      '/media/history/:grantId.flv',
      {
        config: { access: 'signed-in' },
        exposeHeadRoute: false,
        schema: {
          summary:
            'What was recorded in the span of an active grant, as HTTP-FLV or WS-FLV; script tags `onPatrolhubTime` tell the time of the pictures',
          tags: ['streams'],
          params: Params,
          querystring: Position,
        },
      },
      (request, reply) => {
        const { grantId } = request.params
        const { camera: cameraId, at: atMs, speed } = request.query
        return play(request, reply, { grantId, cameraId, atMs, speed, kind: 'history' })
      },
    )
  }
}

function recordedRoute(history: HistoryAccess): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/media/recorded/:grantId',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: 'Which times of the span of an active grant are recorded, oldest first; the edge is asked',
          tags: ['streams'],
          params: Params,
          querystring: Camera,
          response: { 200: HistoryStretches },
        },
      },
      async (request, reply) => {
        reply.header('cache-control', 'no-store')
        const { grantId } = request.params
        const admitted = await history.admit(request.principal, { grantId, cameraId: request.query.camera })
        return { stretches: await history.stretches(admitted) }
      },
    )
  }
}

function edgeRoutes(gate: Gate, asks: EdgeAsks): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.post(
      '/media/publish/:cameraId',
      {
        config: { access: 'edge' },
        schema: {
          summary: 'FLV of one camera from its edge, as long as somebody watches it',
          tags: ['streams'],
          params: Type.Object({ cameraId: DeviceId }),
          querystring: Type.Object({ rendition: Type.Optional(Rendition) }),
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const source = request.body as Readable | undefined
        // An aborted publisher is an ordinary end; without a listener it would be an exception.
        source?.on('error', () => undefined)
        try {
          const { cameraId } = request.params
          const { rendition = 'source' } = request.query
          await gate.publish(request.edge, { cameraId, rendition }, source)
        } finally {
          source?.resume()
        }
        return reply.code(204).send(null)
      },
    )

    app.post(
      '/media/asked/:askId',
      {
        config: { access: 'edge' },
        bodyLimit: MAX_ANSWER_BYTES,
        schema: {
          summary: 'What an edge answers to a question of this hub about its recordings',
          tags: ['streams'],
          params: Type.Object({ askId: Uuid }),
          querystring: Camera,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const body = request.body as Readable | undefined
        body?.on('error', () => undefined)
        const type = request.headers['content-type']?.split(';')[0]?.trim() ?? ''
        try {
          if (!body) throw new HubError('HUB_STREAM_FORMAT', 'the request has no content')
          await asks.answer(request.edge, request.params.askId, { type, headers: request.headers, body })
        } finally {
          body?.resume()
        }
        return reply.code(204).send(null)
      },
    )
  }
}
