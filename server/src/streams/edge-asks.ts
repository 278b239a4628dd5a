/**
 * Asking an edge about its recordings: the ask goes by MQTT, the answer comes as one POST to a path of this ask alone,
 * with the credential of the edge that was asked. An ask that nobody answers in time is over.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import type {
  HistoryAsk,
  HistoryCommand,
  HistorySpan,
  HistorySpeed,
  HistoryStretch,
} from '@patrolhub/protocol'
import { HistoryRefusal, HistoryStretches, parser } from '@patrolhub/protocol'
import type { Logger } from 'pino'
import type { EdgeIdentity } from '../access/access.ts'
import { HubError, type HubErrorCode } from '../errors.ts'
import type { DbOrTransaction } from '../ports/relational.ts'

/** Edges answer a list at once; for a clip they have to read and write much first, one after the other. */
const LIST_MS = 10_000
const CLIP_MS = 10 * 60_000
export const JSON_TYPE = 'application/json'
const MAX_JSON_BYTES = 512 * 1024

export interface EdgeAnswer {
  type: string
  headers: IncomingHttpHeaders
  body: Readable
}

/** Who is asked about what. */
export interface Asked {
  edgeId: string
  cameraId: string
  span: HistorySpan
}

/** What the edge refused, as it is answered to people. */
const REFUSALS: Readonly<Record<HistoryRefusal['refused'], HubErrorCode>> = {
  'not-recorded': 'HUB_HISTORY_NONE',
  nothing: 'HUB_HISTORY_NONE',
  format: 'HUB_HISTORY_FORMAT',
  busy: 'HUB_STREAM_FULL',
  failed: 'HUB_STREAM_NONE',
}

type How =
  | { action: 'play'; atMs: number; speed: HistorySpeed }
  | { action: 'list' }
  | { action: 'clip'; maxBytes: number }

interface Open {
  edgeId: string
  take(answer: EdgeAnswer): Promise<void>
  isTaken: boolean
}

export interface EdgeAsksDeps {
  sendHistory(edgeId: string, command: HistoryCommand): void | Promise<void>
  log: Logger
}

const parseStretches = parser(HistoryStretches)
const parseRefusal = parser(HistoryRefusal)

export class EdgeAsks {
  readonly #deps: EdgeAsksDeps
  readonly #open = new Map<string, Open>()

  constructor(deps: EdgeAsksDeps) {
    this.#deps = deps
  }

  /**
   * Asks. `take` gets the answer, once; what it throws is told to the edge. The function that is given back ends the
   * ask: an answer under way is not waited for, a later one is refused, and the edge is told to stop. Idempotent.
   */
  ask(asked: Asked, how: How, take: (answer: EdgeAnswer) => Promise<void>): () => void {
    const { edgeId, cameraId, span } = asked
    const askId = randomUUID()
    this.#open.set(askId, { edgeId, take, isTaken: false })
    // The camera for a proxy before several hubs: the answer has to meet who waits for it.
    const answerPath = `/media/asked/${askId}?camera=${encodeURIComponent(cameraId)}`
    this.#send(edgeId, { ...how, askId, cameraId, answerPath, ...span } as HistoryAsk)
    return () => {
      if (this.#open.delete(askId)) this.#send(edgeId, { action: 'stop', askId })
    }
  }

  /** What is held of the span, oldest first. Throws HUB_HISTORY_NONE, HUB_STREAM_NONE. */
  async stretches(asked: Asked, signal?: AbortSignal): Promise<HistoryStretch[]> {
    const list = await this.#once(asked, { action: 'list' }, { ms: LIST_MS, signal }, async (answer) => {
      const parsed = parseStretches(await jsonOf(answer))
      if (!parsed.ok) throw badAnswer(parsed.problems)
      return parsed.value.stretches
    })
    const { fromMs, toMs } = asked.span
    return list
      .map((one) => ({ fromMs: Math.max(one.fromMs, fromMs), toMs: Math.min(one.toMs, toMs) }))
      .filter((one) => one.toMs > one.fromMs)
  }

  /** A clip of the first stretch inside the span; `keep` reads its bytes. Throws as `stretches`. */
  clip<T>(
    asked: Asked,
    bounds: { maxBytes: number; signal: AbortSignal },
    keep: (body: Readable, fromMs: number) => Promise<T>,
  ): Promise<T> {
    const how = { action: 'clip', maxBytes: bounds.maxBytes } as const
    return this.#once(asked, how, { ms: CLIP_MS, signal: bounds.signal }, async (answer) => {
      const { type, headers, body } = answer
      if (type === JSON_TYPE) await jsonOf(answer)
      const fromMs = Number(headers['x-patrolhub-from-ms'])
      const isInside = fromMs >= asked.span.fromMs && fromMs <= asked.span.toMs
      if (type !== 'video/mp4' || !isInside) throw badAnswer([`${type} from ${fromMs}`])
      return keep(body, fromMs)
    })
  }

  /** Takes what an edge posts. Throws what it is to be told: HUB_STREAM_NOT_WANTED, HUB_STREAM_FORMAT. */
  async answer(edge: EdgeIdentity, askId: string, answer: EdgeAnswer): Promise<void> {
    const open = this.#open.get(askId)
    // Another edge's ask is not told from one that is over.
    if (!open || open.edgeId !== edge.edgeId || open.isTaken) {
      throw new HubError('HUB_STREAM_NOT_WANTED', 'nobody waits for this answer (any more)')
    }
    open.isTaken = true
    try {
      await open.take(answer)
    } finally {
      this.#open.delete(askId)
    }
  }

  async #once<T>(
    asked: Asked,
    how: How,
    { ms, signal }: { ms: number; signal?: AbortSignal | undefined },
    read: (answer: EdgeAnswer) => Promise<T>,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const stop = this.ask(asked, how, async (answer) => {
      try {
        resolve(await read(answer))
      } catch (error) {
        reject(error)
        throw error
      }
    })
    const timer = setTimeout(() => {
      reject(new HubError('HUB_STREAM_NONE', 'the edge did not answer in time: it is offline, or busy'))
    }, ms)
    const aborted = () => reject(new HubError('HUB_STREAM_NONE', 'it is not wanted any more'))
    signal?.addEventListener('abort', aborted, { once: true })
    if (signal?.aborted) aborted()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      stop()
    }
  }

  #send(edgeId: string, command: HistoryCommand): void {
    // Not waited for: an edge that is away must not hold up who asks.
    void (async () => {
      try {
        await this.#deps.sendHistory(edgeId, command)
      } catch (err) {
        this.#deps.log.warn({ err, edgeId, action: command.action }, 'the edge could not be asked')
      }
    })()
  }
}

/** Throws HUB_STREAM_NONE if the edge is offline. */
export async function needEdge(db: DbOrTransaction, edgeId: string): Promise<void> {
  const edge = await db.selectFrom('edge').select('state').where('edge_id', '=', edgeId).executeTakeFirst()
  if (edge?.state === 'offline') throw new HubError('HUB_STREAM_NONE', `the edge ${edgeId} is offline`)
}

/** Reads an answer that is JSON. Throws what the edge refuses with, if that is what it says; HUB_STREAM_FORMAT. */
export async function jsonOf({ type, headers, body }: EdgeAnswer): Promise<unknown> {
  if (type !== JSON_TYPE) throw badAnswer([`${type} instead of JSON`])
  const length = Number(headers['content-length'])
  if (!(length <= MAX_JSON_BYTES)) throw badAnswer([`${length} bytes; at most ${MAX_JSON_BYTES} are taken`])
  const value = await json(body).catch((error: Error) => {
    throw badAnswer([error.message])
  })
  const refusal = parseRefusal(value)
  if (refusal.ok) throw new HubError(REFUSALS[refusal.value.refused], refusal.value.message)
  return value
}

function badAnswer(details: readonly string[]): HubError {
  return new HubError('HUB_STREAM_FORMAT', 'the answer of the edge cannot be read', { details })
}
