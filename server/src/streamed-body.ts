/** Request bodies that are read as they come, so that a large upload never lies in memory. */
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HubError } from './errors.ts'

/** Lets the routes of this plugin take these content types as a stream. */
export function acceptStreams(
  app: Pick<FastifyInstance, 'addContentTypeParser'>,
  kinds: readonly string[],
): void {
  app.addContentTypeParser([...kinds], (_request, payload, done) => done(null, payload))
}

/**
 * Runs the work on the request's body. What the work leaves unread is thrown away, so that an answer which comes early
 * (a refusal, or "I have it already") reaches a sender that is still sending; the connection ends after it (http-limits.ts).
 * Throws HUB_EVIDENCE_FORMAT if the request has no body.
 */
export async function answerWhileSending<T>(
  request: FastifyRequest,
  work: (body: Readable) => Promise<T>,
): Promise<T> {
  const body = request.body as Readable | null | undefined
  if (!body || typeof body.pipe !== 'function') {
    throw new HubError('HUB_EVIDENCE_FORMAT', 'the request has no content')
  }
  try {
    return await work(body)
  } finally {
    if (!body.readableEnded) {
      // An aborted sender makes the rest of the body an error that nobody waits for.
      body.on('error', () => undefined)
      body.resume()
    }
  }
}
