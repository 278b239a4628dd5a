/** Ports: a free one, or the one that was asked for if nobody has it. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

export interface PortWish {
  /** What it is for: `the dashboard`. */
  purpose: string
  /** 0 takes a free one. */
  port: number
  host: string
  /** The option that moves it: `--http-port`. */
  option: string
}

/**
 * The port, not in use at this moment.
 * @throws Error naming the port and the option that moves it, if it is taken or not allowed
 */
export async function reservePort({ purpose, port, host, option }: PortWish): Promise<number> {
  const server = createServer()
  try {
    server.listen({ port, host, exclusive: true })
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new Error(
        `Port ${port} for ${purpose} is taken by another program. Choose another with ${option} PORT.`,
      )
    }
    if (code === 'EACCES')
      throw new Error(`Port ${port} for ${purpose} may not be opened. Choose another with ${option} PORT.`)
    if (code === 'EADDRNOTAVAIL')
      throw new Error(`${host} is no address of this machine. Choose another with --host ADDRESS.`)
    throw new Error(`Port ${port} for ${purpose} cannot be opened: ${message}`, { cause: error })
  } finally {
    if (server.listening) {
      server.close()
      await once(server, 'close')
    }
  }
}
