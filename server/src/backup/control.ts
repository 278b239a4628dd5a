/**
 * How a command on the same machine asks a running hub for a backup: a listener on the loopback interface whose port
 * and token stand in `hub.json`, which only the hub's own user can read. The token is of this run.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Logger } from 'pino'
import { HubError } from '../errors.ts'
import type { Manifest } from './manifest.ts'

export interface Control {
  port: number
  token: string
  close(): Promise<void>
}

const LOOPBACK = '127.0.0.1'
const MAX_BODY_CHARACTERS = 10_000

/** `backUp` writes into the folder and answers what it wrote. One at a time. */
export async function startControl(
  backUp: (folder: string) => Promise<Manifest>,
  parentLog: Logger,
): Promise<Control> {
  const log = parentLog.child({ component: 'control' })
  const token = randomBytes(32).toString('base64url')
  let isTaken = false
  let running: Promise<Manifest> | undefined

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (!isToken(message.headers.authorization, token)) return send(401, { message: 'not the token' })
    if (message.method !== 'POST' || message.url !== '/backup') return send(404, { message: 'no such thing' })
    if (isTaken) return send(409, { message: 'a backup is being made already' })
    isTaken = true
    try {
      const body = (await text(message)).slice(0, MAX_BODY_CHARACTERS)
      const { to } = JSON.parse(body) as { to?: unknown }
      if (typeof to !== 'string') return send(400, { message: 'to: expected the path of a folder' })
      running = backUp(to)
      const manifest = await running
      log.info({ to, files: manifest.files.length, damaged: manifest.damaged.length }, 'backup made')
      send(200, manifest)
    } catch (err) {
      log.error({ err }, 'the backup failed')
      send(500, { message: (err as Error).message })
    } finally {
      isTaken = false
      running = undefined
    }
  }

  const server = createServer((message, response) => void answer(message, response))
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    token,
    async close() {
      // The stores must not close under a backup.
      await running?.catch(() => undefined)
      server.closeAllConnections()
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

function isToken(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '')
  const expected = Buffer.from(`Bearer ${token}`)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Asks the running hub. Throws HUB_BACKUP with its reason. */
export async function askForBackup(hub: { port: number; token: string }, to: string): Promise<Manifest> {
  const asked = request({
    host: LOOPBACK,
    port: hub.port,
    method: 'POST',
    path: '/backup',
    headers: { authorization: `Bearer ${hub.token}`, 'content-type': 'application/json' },
  })
  try {
    asked.end(JSON.stringify({ to }))
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    const answer = JSON.parse(await text(response)) as Manifest & { message?: string }
    if (response.statusCode === 200) return answer
    throw new HubError('HUB_BACKUP', answer.message ?? `the hub answered ${response.statusCode}`)
  } catch (error) {
    if (error instanceof HubError) throw error
    throw new HubError('HUB_BACKUP', `the running hub did not answer: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
