/** Making, listing and downloading exports. Those that need the edge or the disk go below /media, to the hub of the camera. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Export, ExportList, NewExport, Uuid } from '@patrolhub/protocol'
import { Type } from 'typebox'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import type { Downloads } from './downloads.ts'
import type { ExportMaker } from './export-maker.ts'
import { type ExportRow, exportsFor, findExport, viewOf } from './export-store.ts'
import type { AdmittedHistory, ExportsDeps } from './exports.ts'

const Camera = Type.Object({ camera: Type.Optional(Type.String({ maxLength: 64 })) })

export function exportRoutes(
  { relational, audit, history }: ExportsDeps,
  maker: ExportMaker,
  downloads: Downloads,
): FastifyPluginAsyncTypebox {
  const view = async (row: ExportRow, reader: Principal): Promise<Export> => {
    const isOpen =
      row.state === 'ready' && row.user_id === reader.userId && (await history.holds(row.grant_id))
    return viewOf(row, reader, isOpen)
  }

  /** The caller's grant for history, of a camera that they may export. */
  const admit = async (caller: Principal, grantId: string, cameraId: string | undefined) => {
    const admitted: AdmittedHistory = await history.admit(caller, { grantId, cameraId })
    const { region, cameraId: id } = admitted.camera
    if (!may(caller, 'export.make', { region })) {
      throw new HubError(
        'HUB_OUT_OF_SCOPE',
        `the camera ${id} lies outside your scope: it may not be exported`,
      )
    }
    return admitted
  }

  return async (app) => {
    app.addHook('preClose', async () => downloads.cutAll())
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.post(
      '/media/exports/:grantId',
      {
        config: { access: 'export.make' },
        schema: {
          summary: 'Take what was recorded in the span of an active grant out as a signed package',
          tags: ['exports'],
          params: Type.Object({ grantId: Uuid }),
          querystring: Camera,
          body: NewExport,
          response: { 202: Export },
        },
      },
      async (request, reply) => {
        const caller = request.principal
        const { span, reason } = request.body
        const admitted = await admit(caller, request.params.grantId, request.query.camera)
        const wish = { admitted, span: span ?? admitted.span, reason: reason.trim() }
        const exportId = await maker.begin(caller, wish)
        const row = await findExport(relational.read, exportId)
        return reply.code(202).send(await view(row!, caller))
      },
    )

    app.get(
      '/api/exports',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: "The caller's exports, and with `audit.read` those of others in their scope",
          tags: ['exports'],
          response: { 200: ExportList },
        },
      },
      async (request) => {
        const rows = await exportsFor(relational.read, request.principal)
        return { items: await Promise.all(rows.map((row) => view(row, request.principal))) }
      },
    )

    app.get(
      '/media/exports/:exportId.tar',
      {
        config: { access: 'export.make' },
        exposeHeadRoute: false,
        schema: {
          summary: 'Download a package, by who made it, while the grant holds; cut with it',
          tags: ['exports'],
          params: Type.Object({ exportId: Uuid }),
          querystring: Camera,
        },
      },
      async (request, reply) => {
        const caller = request.principal
        const { exportId } = request.params
        const row = await findExport(relational.read, exportId)
        if (!row || row.user_id !== caller.userId)
          throw new HubError('HUB_NOT_FOUND', `no export ${exportId}`)
        const { grant_id: grantId, camera_id: cameraId } = row
        const { socket } = request.raw
        const { sessionHash } = caller
        const download = downloads.register({ grantId, cameraId, sessionHash, socket })
        reply.raw.once('close', () => downloads.forget(download))
        await admit(caller, grantId, cameraId)
        if (row.state !== 'ready')
          throw new HubError('HUB_CONFLICT', `the export is ${row.state}: ${row.problem}`)
        const file = maker.fileOf(exportId)
        const found = await stat(file).catch(() => undefined)
        if (found?.size !== row.bytes) {
          throw new HubError('HUB_EXPORT_GONE', `the package ${exportId} is not on the disk of this hub`)
        }
        await relational.write.transaction().execute((trx) =>
          audit.append(trx, {
            actor: caller,
            action: 'export.downloaded',
            subject: `camera:${cameraId}`,
            detail: { exportId, grantId, bytes: row.bytes, sha256: row.sha256 },
          }),
        )
        if (download.isCut) throw new HubError('HUB_GRANT_ENDED', 'the grant has just ended')
        reply.headers({
          'content-length': String(found.size),
          'content-disposition': `attachment; filename="patrolhub-export-${exportId}.tar"`,
          'x-content-type-options': 'nosniff',
        })
        return reply.type('application/x-tar').send(createReadStream(file))
      },
    )
  }
}
