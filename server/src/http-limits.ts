/** Bounds in time on what somebody may take who connects and then sends slowly, or not at all. */
import type { FastifyInstance } from 'fastify'

export interface HttpLimits {
  /** Until the head of a request has come, from the connection on or from the first byte of the request. */
  headMs: number
  /** Until a body has come that is read whole. Over bodies that are streams their routes watch. */
  bodyMs: number
  /** How often connections are looked at. */
  lookMs: number
}

/** Tests tighten them; nothing in the field has needed to. */
export const HTTP_LIMITS: HttpLimits = { headMs: 15_000, bodyMs: 30_000, lookMs: 2000 }

/** What Node's server is made with. A limit on the whole of a request would end players and publishers. */
export function serverLimits({ headMs, lookMs }: HttpLimits) {
  return { headersTimeout: headMs, connectionsCheckingInterval: lookMs, requestTimeout: 0 } as const
}

/**
 * Ends connections whose body does not come, and those that are answered before their body has come: what an uninvited
 * sender still sends is not read to its end.
 */
export function boundBodies(app: FastifyInstance, { bodyMs }: HttpLimits): void {
  app.addHook('onRequest', async (request, reply) => {
    const { raw, headers } = request
    if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return
    const timer = setTimeout(() => {
      // A body that somebody has got already is a stream.
      if (raw.complete || request.body !== undefined) return
      request.log.info({ requestId: request.id, url: request.url }, 'a body did not come in time')
      raw.socket.destroy()
    }, bodyMs)
    reply.raw.once('close', () => clearTimeout(timer))
  })
  app.addHook('onSend', async (request, reply) => {
    if (!request.raw.complete) reply.header('connection', 'close')
  })
}
