/**
 * A player at the other end of a WebSocket. The request has come through the same route and guard as one without; it is
 * answered as HTTP until the first picture is there, so a refusal has its status and its words.
 */
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { type WebSocket, WebSocketServer } from 'ws'
import { resetConnection } from './http-player-sink.ts'
import type { PlayerSink } from './player.ts'

/** Players have nothing to say. */
const MAX_INCOMING_BYTES = 1024
const PLAYER_PATH = /^\/media\/(live|history)\//

export interface Upgrade {
  socket: Duplex
  /** What came behind the request's headers. */
  head: Buffer
}

/** Routes requests for a WebSocket below /media/live and /media/history like any other; answers which requests are such. */
export function routeUpgrades(app: FastifyInstance): WeakMap<IncomingMessage, Upgrade> {
  const upgrades = new WeakMap<IncomingMessage, Upgrade>()
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!PLAYER_PATH.test(request.url ?? '')) return
    // A broken connection is a player that has left.
    socket.on('error', () => undefined)
    if (request.method !== 'GET') {
      socket.destroy()
      return
    }
    upgrades.set(request, { socket, head })
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(request.socket)
    response.once('finish', () => request.socket.destroySoon())
    app.routing(request, response)
  })
  return upgrades
}

export class WsPlayerSink implements PlayerSink {
  static readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_INCOMING_BYTES,
  })
  readonly #reply: FastifyReply
  readonly #upgrade: Upgrade
  #ws: WebSocket | undefined

  constructor(reply: FastifyReply, upgrade: Upgrade) {
    this.#reply = reply
    this.#upgrade = upgrade
  }

  get waitingBytes(): number {
    return this.#ws?.bufferedAmount ?? 0
  }

  begin(): void {
    const { raw, request } = this.#reply
    this.#reply.hijack()
    raw.detachSocket(request.raw.socket)
    const { socket, head } = this.#upgrade
    // Answers at once; a handshake that is not one is refused and its connection closed.
    WsPlayerSink.#server.handleUpgrade(request.raw, socket, head, (ws) => {
      this.#ws = ws
      ws.on('error', () => ws.terminate())
      ws.on('message', () => ws.terminate())
    })
  }

  write(pieces: readonly Buffer[]): void {
    const ws = this.#ws
    if (!ws || ws.readyState !== ws.OPEN) return
    for (const piece of pieces) ws.send(piece)
  }

  end(): void {
    this.#ws?.close(1000)
  }

  cut(): void {
    resetConnection(this.#reply.request.raw.socket)
  }
}
