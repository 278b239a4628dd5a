/** A player at the other end of an HTTP answer. */
import type { OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import type { PlayerSink } from './player.ts'

export class HttpPlayerSink implements PlayerSink {
  readonly #reply: FastifyReply

  constructor(reply: FastifyReply) {
    this.#reply = reply
  }

  get waitingBytes(): number {
    return this.#reply.raw.writableLength
  }

  begin(): void {
    const reply = this.#reply
    const headers = reply.getHeaders() as OutgoingHttpHeaders
    // From here on the answer is ours; the framework neither ends it nor writes to it.
    reply.hijack()
    reply.raw.writeHead(200, {
      ...headers,
      'content-type': 'video/x-flv',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      connection: 'close',
    })
  }

  write(pieces: readonly Buffer[]): void {
    const { raw } = this.#reply
    if (raw.destroyed) return
    raw.cork()
    for (const piece of pieces) raw.write(piece)
    raw.uncork()
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
