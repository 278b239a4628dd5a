/** Answers to what the hub asks about recordings: one POST each, with the edge's own credential. */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { HistoryRefusal, HistoryStretches } from '@patrolhub/protocol'
import { encodeFlvHeader } from '@patrolhub/protocol/flv'
import { pause } from '../backoff.ts'
import { type HubAccess, hubRequest } from '../hub-http.ts'
import { Pace } from './pace.ts'
import type { HistoryTag } from './playback.ts'

/** A hub that takes nothing for this long is gone. It lets a slow player wait for less. */
const IDLE_MS = 15_000

export interface AnswerTo {
  hub: HubAccess
  path: string
  signal: AbortSignal
}

/** Rejects when the hub does not take it. */
export async function answerJson(to: AnswerTo, answer: HistoryStretches | HistoryRefusal): Promise<void> {
  const body = Buffer.from(JSON.stringify(answer))
  const { request, ended } = post(to, 'application/json', { 'content-length': String(body.length) })
  request.end(body)
  await ended
}

/** `fromMs`: wall clock of the clip's first picture. Rejects when the hub does not take it. */
export async function answerFile(to: AnswerTo, file: string, fromMs: number): Promise<void> {
  const { size } = await stat(file)
  const headers = { 'content-length': String(size), 'x-patrolhub-from-ms': String(fromMs) }
  const { request, ended } = post(to, 'video/mp4', headers)
  // A hub that refuses answers before it has everything: what it says counts, not the broken pipe.
  await Promise.race([ended, pipeline(createReadStream(file), request).then(() => ended)])
}

/** Sends tags at their pace, and no faster than the hub takes them. Rejects when the hub ends it. */
export async function answerTags(
  to: AnswerTo,
  first: HistoryTag,
  rest: AsyncIterable<HistoryTag>,
  speed: number,
): Promise<void> {
  const { request, ended } = post(to, 'video/x-flv', { 'transfer-encoding': 'chunked' })
  request.setNoDelay(true)
  let isOver = false
  const over = ended.finally(() => {
    isOver = true
  })
  over.catch(() => undefined)
  const pace = new Pace(speed, performance.now())
  const send = async ({ bytes, atMs }: HistoryTag): Promise<void> => {
    const waitMs = pace.waitMs(atMs, performance.now())
    if (waitMs > 0) await pause(waitMs, to.signal)
    if (isOver || to.signal.aborted) return
    if (!request.write(bytes)) await Promise.race([once(request, 'drain'), over.catch(() => undefined)])
  }
  request.write(encodeFlvHeader({ audio: false, video: true }))
  await send(first)
  for await (const tag of rest) {
    await send(tag)
    if (isOver || to.signal.aborted) break
  }
  if (!isOver) request.end()
  await over
}

function post({ hub, path, signal }: AnswerTo, type: string, headers: Record<string, string>) {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
  const request = hubRequest(hub, {
    method: 'POST',
    path,
    headers: { 'content-type': type, ...headers },
    idleMs: IDLE_MS,
    signal,
  })
  request.on('error', (error) => reject(error))
  request.on('close', () => reject(new Error('the hub closed the connection')))
  request.on('response', (response) => {
    response.resume()
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) resolve()
    else reject(new Error(`the hub answered ${statusCode}`))
  })
  ended.catch(() => undefined)
  return { request, ended }
}
