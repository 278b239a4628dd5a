/**
 * A socket as the broker may see it: packets are measured before they are parsed, and what is written waits here, up
 * to a limit that the broker checks, instead of holding up every other client.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { PacketGuard } from './packet-guard.ts'

/**
 * aedes stops sending to everybody once a `write` to one client answers false. It never does below this mark, and long
 * before it the slow client is cut (MAX_UNSENT_BYTES in aedes.ts).
 */
const WRITE_MARK_BYTES = 16 * 1024 * 1024

export class GuardedConnection extends Duplex {
  readonly #socket: Socket
  readonly #guard: PacketGuard

  /** `onRefused` is told once why the connection is cut; then the socket is destroyed. */
  constructor(socket: Socket, maxPacketBytes: number, onRefused: (reason: string) => void) {
    super({ writableHighWaterMark: WRITE_MARK_BYTES })
    this.#socket = socket
    this.#guard = new PacketGuard(maxPacketBytes)
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => {
      const problem = this.#guard.check(bytes)
      if (problem !== undefined) {
        onRefused(problem)
        this.destroy()
      } else if (!this.push(bytes)) {
        socket.pause()
      }
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  /** Raised once the client has proved who it is. */
  set maxPacketBytes(maxBytes: number) {
    this.#guard.maxBytes = maxBytes
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(bytes: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, encoding, done)
  }

  override _writev(
    pieces: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(
      Buffer.concat(pieces.map(({ chunk, encoding }) => Buffer.from(chunk as never, encoding))),
      done,
    )
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}
