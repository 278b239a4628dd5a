/** /media: live video out to players and in from edges. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { DeviceId, Uuid } from '@patrolhub/protocol'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { HubError } from '../errors.ts'
import type { Gate } from './gate.ts'
import { HttpPlayerSink } from './http-player-sink.ts'
import { routeUpgrades, WsPlayerSink } from './ws-player-sink.ts'

export interface GateRoutesDeps {
  /** False for a request that a page of another origin makes in the browser of somebody who is signed in. */
  isSameOrigin(headers: IncomingHttpHeaders): boolean
}

export function gateRoutes(gate: Gate, deps: GateRoutesDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    // Otherwise the server would wait for its players while it stops.
    app.addHook('preClose', async () => gate.cutAll())
    await app.register(playRoute(gate, deps))
    await app.register(publishRoute(gate))
  }
}

function playRoute(gate: Gate, { isSameOrigin }: GateRoutesDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    const upgrades = routeUpgrades(app as unknown as FastifyInstance)
    app.get(
      '/media/live/:grantId.flv',
      {
        config: { access: 'signed-in' },
        exposeHeadRoute: false,
        schema: {
          summary:
            'Live video as HTTP-FLV or WS-FLV, under an active grant of the caller; lasts until the grant ends',
          tags: ['streams'],
          params: Type.Object({ grantId: Uuid }),
          querystring: Type.Object({
            camera: Type.Optional(
              Type.String({ maxLength: 64, description: 'which camera, for a grant for a group' }),
            ),
          }),
        },
      },
      async (request, reply) => {
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
        const wanted = { grantId: request.params.grantId, cameraId: request.query.camera }
        await gate.watch(request.principal, wanted, { sink, left: left.signal })
        // A player that left before its first picture: there is nobody to answer.
        if (!reply.sent) reply.hijack()
        return reply
      },
    )
  }
}

function publishRoute(gate: Gate): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    // Whatever is answered before the stream ends, who is not let in too: the rest is not read, the connection ends.
    app.addHook('onSend', async (request, reply) => {
      if (!request.raw.complete) reply.header('connection', 'close')
    })
    app.post(
      '/media/publish/:cameraId',
      {
        config: { access: 'edge' },
        schema: {
          summary: 'FLV of one camera from its edge, as long as somebody watches it',
          tags: ['streams'],
          params: Type.Object({ cameraId: DeviceId }),
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const source = request.body as Readable | undefined
        // An aborted publisher is an ordinary end; without a listener it would be an exception.
        source?.on('error', () => undefined)
        try {
          await gate.publish(request.edge, request.params.cameraId, source)
        } finally {
          source?.resume()
        }
        return reply.code(204).send(null)
      },
    )
  }
}
