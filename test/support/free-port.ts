/** A port for a program that cannot take a free one by itself. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** Free now; somebody else may take it until the program does. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
