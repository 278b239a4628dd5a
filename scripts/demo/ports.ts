/** Ports: a free one, or the one that was asked for if nobody has it. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Where free ports are looked for: below the range from which the kernel takes ports for connections and for "any
 * port", so that nothing takes it between now and its use, or while a killed process is away.
 */
const FREE_FROM = 20_000
const FREE_TO = 32_000
const TRIES = 50

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
export async function reservePort(wish: PortWish): Promise<number> {
  if (wish.port !== 0) return tryPort(wish)
  for (let left = TRIES; ; left -= 1) {
    try {
      return await tryPort({ ...wish, port: randomInt(FREE_FROM, FREE_TO) })
    } catch (error) {
      const isTaken = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE'
      if (!isTaken || left === 0) throw error
    }
  }
}

async function tryPort({ purpose, port, host, option }: PortWish): Promise<number> {
  const server = createServer()
  try {
    server.listen({ port, host, exclusive: true })
    await once(server, 'listening')
    return port
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new Error(
        `Port ${port} for ${purpose} is taken by another program. Choose another with ${option} PORT.`,
        { cause: error },
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
