/** /api/camera-groups: groups of cameras that a grant may be for. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CameraGroup, CameraGroupChange, CameraGroupList, NewCameraGroup, Uuid } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Groups } from './groups.ts'

const Params = Type.Object({ groupId: Uuid })

export function groupRoutes(groups: Groups): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/camera-groups',
      {
        config: { access: 'device.read' },
        schema: {
          summary: 'Groups of cameras inside the scope, each with what it asks of who wants to watch it',
          tags: ['streams'],
          response: { 200: CameraGroupList },
        },
      },
      async (request) => ({ items: await groups.list(request.principal) }),
    )

    app.post(
      '/api/camera-groups',
      {
        config: { access: 'group.write' },
        schema: {
          summary: 'Make a group of cameras of one region',
          tags: ['streams'],
          body: NewCameraGroup,
          response: { 201: CameraGroup },
        },
      },
      async (request, reply) => reply.code(201).send(await groups.create(request.principal, request.body)),
    )

    app.put(
      '/api/camera-groups/:groupId',
      {
        config: { access: 'group.write' },
        schema: {
          summary: 'Change its name and cameras; whoever watches a camera that is left out is cut',
          tags: ['streams'],
          params: Params,
          body: CameraGroupChange,
          response: { 200: CameraGroup },
        },
      },
      (request) => groups.change(request.principal, request.params.groupId, request.body),
    )

    app.delete(
      '/api/camera-groups/:groupId',
      {
        config: { access: 'group.write' },
        schema: {
          summary: 'Dissolve it: the grants for it end',
          tags: ['streams'],
          params: Params,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await groups.dissolve(request.principal, request.params.groupId)
        return reply.code(204).send(null)
      },
    )
  }
}
