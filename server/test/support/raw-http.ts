/** HTTP as an attacker writes it: bytes on a socket, nothing put right on the way. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawConnection {
  socket: Socket
  /** Everything that has come back so far. */
  received(): string
  /** Resolves with everything when the hub has closed the connection. */
  closed: Promise<string>
}

export async function rawConnection(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => undefined)
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)))
  await once(socket, 'connect')
  return { socket, received: () => text, closed }
}

/** Sends these bytes, waits for the end of the connection, and answers the statuses that came. */
export async function statusesOf(url: string, ...lines: string[]): Promise<number[]> {
  const { socket, closed } = await rawConnection(url)
  // Not ended: a hub may take a half-closed line for one that is gone.
  socket.write(lines.join('\r\n'))
  return statusesIn(await closed)
}

export function statusesIn(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))
}
