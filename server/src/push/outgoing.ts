/**
 * What one connection still has to take, and cutting it. engine.io keeps no figure of its own: packets wait in
 * `writeBuffer` until the transport takes them, then in the socket of the WebSocket, both without limit.
 */
import type { Socket } from 'socket.io'

type Connection = Socket['conn']

interface WebSocketLike {
  bufferedAmount: number
  terminate(): void
}

/** Bytes that wait for this connection: handed over but not yet written, and not yet handed over. */
export function bufferedBytes(conn: Connection): number {
  let bytes = webSocketOf(conn)?.bufferedAmount ?? 0
  const { writeBuffer } = conn as unknown as { writeBuffer: readonly { data?: unknown }[] }
  for (const packet of writeBuffer) {
    bytes += typeof packet.data === 'string' ? packet.data.length : 0
  }
  return bytes
}

/** Ends the connection without waiting for what is buffered. The client takes it for a lost line and comes back. */
export function cutTransport(conn: Connection): void {
  const webSocket = webSocketOf(conn)
  // A closing handshake would wait up to 30 s for a client that does not read.
  if (webSocket) webSocket.terminate()
  else conn.close(true)
}

function webSocketOf(conn: Connection): WebSocketLike | undefined {
  const { transport } = conn
  if (transport?.name !== 'websocket' || !('socket' in transport)) return undefined
  return transport.socket as WebSocketLike
}
