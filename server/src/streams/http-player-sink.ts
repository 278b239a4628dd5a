/**
 * A player at the other end of an HTTP answer. Its body ends with the connection (RFC 9112, 6.3) and so needs no chunks:
 * behind the headers a tag goes straight to the socket, as it is and shared by all players. That halves what a player
 * costs.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import type { PlayerSink } from './player.ts'

export class HttpPlayerSink implements PlayerSink {
  readonly #reply: FastifyReply
  #socket: Socket | undefined

  constructor(reply: FastifyReply) {
    this.#reply = reply
  }

  get waitingBytes(): number {
    return this.#socket?.writableLength ?? 0
  }

  begin(): void {
    const reply = this.#reply
    const headers = reply.getHeaders() as OutgoingHttpHeaders
    // From here on the answer is ours; the framework neither ends it nor writes to it.
    reply.hijack()
    reply.raw.removeHeader('transfer-encoding')
    reply.raw.writeHead(200, {
      ...headers,
      'content-type': 'video/x-flv',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      connection: 'close',
    })
    reply.raw.flushHeaders()
    this.#socket = reply.raw.socket ?? undefined
    // A picture is worth nothing when it waits for the next one.
    this.#socket?.setNoDelay(true)
  }

  write(pieces: readonly Buffer[]): void {
    const socket = this.#socket
    if (!socket?.writable) return
    if (pieces.length === 1) {
      socket.write(pieces[0]!)
      return
    }
    socket.cork()
    for (const piece of pieces) socket.write(piece)
    socket.uncork()
  }

  end(): void {
    this.#reply.raw.end()
  }

  cut(): void {
    const { raw } = this.#reply
    if (raw.socket) resetConnection(raw.socket)
    raw.destroy()
  }
}

/** A plain close would still deliver what the kernel holds, megabytes of it for a slow player; a reset does not. */
export function resetConnection(socket: Socket): void {
  if (socket instanceof Socket && !('encrypted' in socket)) socket.resetAndDestroy()
  else socket.destroy()
}
