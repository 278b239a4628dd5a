/**
 * How a command on the same machine asks a running hub to do something with the stores that the hub holds: a listener on
 * the loopback interface whose port and token stand in `hub.json`, which only the hub's own user can read. The token is
 * of this run. The answer is JSON by lines: how far it has come, as often as there is something to tell, and at last the
 * result or why there is none. Whoever hangs up stops it.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { Logger } from 'pino'
import { readRunningHub } from './data-folder.ts'
import { HubError, type HubErrorCode } from './errors.ts'

export interface Control {
  port: number
  token: string
  close(): Promise<void>
}

export interface ControlTask {
  /** Aborted when whoever asked has hung up, or the hub stops. */
  signal: AbortSignal
  tell(progress: object): void
}

/** Does what was asked with the values of the request; answers what to tell. */
export type ControlJob = (wish: Record<string, unknown>, task: ControlTask) => Promise<object>

type Line = { progress: object } | { result: object } | { failure: { code?: HubErrorCode; message: string } }

const LOOPBACK = '127.0.0.1'
const MAX_BODY_CHARACTERS = 10_000

/** `jobs` by name, each one at a time. */
export async function startControl(
  jobs: Readonly<Record<string, ControlJob>>,
  parentLog: Logger,
): Promise<Control> {
  const log = parentLog.child({ component: 'control' })
  const token = randomBytes(32).toString('base64url')
  const running = new Map<string, { stop: AbortController; work: Promise<object> }>()

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, why: string) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ message: why }))
    }
    if (!isToken(message.headers.authorization, token)) return refuse(401, 'not the token')
    const name = message.url?.slice(1) ?? ''
    const job = message.method === 'POST' ? jobs[name] : undefined
    if (!job) return refuse(404, 'no such thing: the hub is of another version')
    const wish = readWish((await text(message)).slice(0, MAX_BODY_CHARACTERS))
    if (!wish) return refuse(400, 'expected a JSON object')
    if (running.has(name)) return refuse(409, `${name} runs already`)
    const stop = new AbortController()
    response.on('close', () => stop.abort())
    const tell = (line: Line) => void response.write(`${JSON.stringify(line)}\n`)
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const work = job(wish, { signal: stop.signal, tell: (progress) => tell({ progress }) })
    running.set(name, { stop, work })
    try {
      tell({ result: await work })
      log.info({ job: name }, 'done as a command asked')
    } catch (err) {
      log.error({ err, job: name }, 'what a command asked for failed')
      const code = err instanceof HubError ? { code: err.code } : {}
      tell({ failure: { ...code, message: (err as Error).message } })
    } finally {
      running.delete(name)
      response.end()
    }
  }

  const server = createServer((message, response) => void answer(message, response))
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    token,
    async close() {
      for (const { stop } of running.values()) stop.abort()
      // The stores must not close under a job.
      await Promise.allSettled([...running.values()].map(({ work }) => work))
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

function readWish(body: string): Record<string, unknown> | undefined {
  try {
    const wish: unknown = JSON.parse(body)
    return typeof wish === 'object' && wish !== null ? (wish as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

export interface Asking<Progress> {
  job: string
  wish: object
  /** Of a failure that the hub gave no code for, and of a hub that does not answer. */
  failsWith: HubErrorCode
  /** Hangs up, which stops the hub's work at its next halt. */
  signal?: AbortSignal | undefined
  tell?: (progress: Progress) => void
}

/** Asks the hub that runs on this data folder. Throws with its reason. */
export async function askHub<Result, Progress = never>(
  dataDir: string,
  { job, wish, failsWith, signal, tell }: Asking<Progress>,
): Promise<Result> {
  const hub = readRunningHub(dataDir)?.control
  if (!hub) {
    throw new HubError(
      failsWith,
      `the hub on ${dataDir} is starting or stopping, or is of an older version: try again`,
    )
  }
  const asked = request({
    host: LOOPBACK,
    port: hub.port,
    method: 'POST',
    path: `/${job}`,
    signal,
    headers: { authorization: `Bearer ${hub.token}`, 'content-type': 'application/json' },
  })
  try {
    asked.end(JSON.stringify(wish))
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    if (response.statusCode !== 200) {
      const { message } = JSON.parse(await text(response)) as { message: string }
      throw new HubError(failsWith, message)
    }
    for await (const text of createInterface({ input: response })) {
      const line = JSON.parse(text) as Line
      if ('result' in line) return line.result as Result
      if ('failure' in line) throw new HubError(line.failure.code ?? failsWith, line.failure.message)
      tell?.(line.progress as Progress)
    }
    throw new HubError(failsWith, 'the running hub has stopped before it was done')
  } catch (error) {
    if (error instanceof HubError) throw error
    if (signal?.aborted)
      throw new HubError(failsWith, 'stopped: the hub ends at its next halt', { cause: error })
    throw new HubError(failsWith, `the running hub did not answer: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
