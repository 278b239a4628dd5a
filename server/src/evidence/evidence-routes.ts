/** PUT /api/edge/evidence/:evidenceId from edges, GET /api/evidence/:evidenceId for people. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Sha256, UploadProgress, Uuid } from '@patrolhub/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { HubError } from '../errors.ts'
import { acceptStreams, answerWhileSending } from '../streamed-body.ts'
import { parseRange } from './byte-range.ts'
import { EDGE_KINDS } from './content-kind.ts'
import type { EvidenceDeps } from './evidence.ts'
import type { EvidenceFiles } from './evidence-files.ts'
import { findRow, maySee } from './evidence-rows.ts'
import { type EvidenceStore, MAX_EVIDENCE_BYTES } from './evidence-service.ts'
import { Looks } from './looks.ts'

const CACHE_SECONDS = 3600

/** Bytes that are there already; the hub has to have exactly these. */
const Offset = Type.Integer({ minimum: 0, maximum: MAX_EVIDENCE_BYTES })
const Params = Type.Object({ evidenceId: Uuid })

export function evidenceRoutes(
  deps: EvidenceDeps,
  store: EvidenceStore,
  files: EvidenceFiles,
): FastifyPluginAsyncTypebox {
  const { relational } = deps
  const log = deps.log.child({ component: 'evidence' })
  const looks = new Looks(deps)

  async function answer(request: FastifyRequest<{ Params: { evidenceId: string } }>, reply: FastifyReply) {
    const { evidenceId } = request.params
    const row = await findRow(relational.read, evidenceId)
    if (!row || !(await maySee(relational.read, request.principal, row))) {
      throw new HubError('HUB_NOT_FOUND', `no evidence ${evidenceId}`)
    }
    if (row.deleted_at_ms !== null) {
      const deletedAt = new Date(row.deleted_at_ms).toISOString()
      throw new HubError('HUB_EVIDENCE_DELETED', `evidence ${evidenceId} was deleted at ${deletedAt}`)
    }
    if (row.stored_at_ms === null) throw new HubError('HUB_NOT_FOUND', `no evidence ${evidenceId} yet`)
    const { sha256, bytes } = row
    const etag = `"${sha256}"`
    reply.headers({
      etag,
      // The content of an id never changes. It stays in this person's browser only, and with another session is asked anew.
      'cache-control': `private, max-age=${CACHE_SECONDS}, immutable`,
      vary: 'cookie',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-disposition': `inline; filename="${evidenceId}.${row.mime.split('/')[1]}"`,
      'accept-ranges': 'bytes',
    })
    await looks.record(request.principal, { evidenceId, role: row.role, alertId: row.alert_id })
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    const range = parseRange(request.headers.range, bytes)
    if (range === 'unsatisfiable') {
      return reply.code(416).header('content-range', `bytes */${bytes}`).send()
    }
    if (range) {
      reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${bytes}`)
    }
    reply.type(row.mime).header('content-length', range ? range.end - range.start + 1 : bytes)
    try {
      return reply.send(await files.read(sha256, bytes, range))
    } catch (error) {
      store.stats.damaged++
      log.error({ err: error, evidenceId }, 'evidence cannot be served')
      for (const name of ['etag', 'cache-control', 'content-range', 'content-length'])
        reply.removeHeader(name)
      reply.type('application/json; charset=utf-8')
      throw error
    }
  }

  return async (app) => {
    acceptStreams(app, EDGE_KINDS)

    app.put(
      '/api/edge/evidence/:evidenceId',
      {
        config: { access: 'edge' },
        bodyLimit: MAX_EVIDENCE_BYTES,
        schema: {
          summary: 'Upload the bytes of evidence',
          description:
            'Before or after its record. The same content again is fine; other content is a conflict. With an offset it goes on from where an earlier try broke off.',
          tags: ['evidence'],
          params: Params,
          headers: Type.Object({
            'x-patrolhub-sha256': Sha256,
            'x-patrolhub-offset': Type.Optional(Offset),
          }),
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await answerWhileSending(request, (body) =>
          store.upload({
            evidenceId: request.params.evidenceId,
            edge: request.edge,
            mime: request.headers['content-type']?.split(';')[0]?.trim() ?? '',
            sha256: request.headers['x-patrolhub-sha256'],
            offset: request.headers['x-patrolhub-offset'] ?? 0,
            body,
          }),
        )
        return reply.code(204).send(null)
      },
    )

    app.get(
      '/api/edge/evidence/:evidenceId',
      {
        config: { access: 'edge' },
        schema: {
          summary: 'How much of an upload the hub has',
          description:
            'Ends an upload of the same content that is still open: its sender asks because it is gone.',
          tags: ['evidence'],
          params: Params,
          headers: Type.Object({ 'x-patrolhub-sha256': Sha256 }),
          response: { 200: UploadProgress },
        },
      },
      (request) =>
        store.progress({
          evidenceId: request.params.evidenceId,
          edge: request.edge,
          sha256: request.headers['x-patrolhub-sha256'],
        }),
    )

    app.get(
      '/api/evidence/:evidenceId',
      {
        // In the scope, or of a dispatch of one's own teams: see `maySee`.
        config: { access: 'evidence.read', orAccess: 'dispatch.step' },
        schema: { summary: 'The bytes of a snapshot, clip or photo', tags: ['evidence'], params: Params },
      },
      answer,
    )
  }
}
