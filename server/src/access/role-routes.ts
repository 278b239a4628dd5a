/** /api/roles, /api/access/explain and /api/service-tokens. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  CreatedServiceToken,
  DecisionView,
  NewRole,
  NewServiceToken,
  RegionCode,
  Role,
  RoleChange,
  RoleList,
  RoleView,
  ServiceToken,
} from '@patrolhub/protocol'
import { Type } from 'typebox'
import { type ExplainDeps, explain } from './explain.ts'
import { describePermissions } from './permissions.ts'
import type { ServiceTokens } from './service-tokens.ts'

const RoleParams = Type.Object({ role: Role })
const TokenParams = Type.Object({ tokenId: Type.String({ maxLength: 64 }) })
const ExplainQuery = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 64 }),
    action: Type.String({ minLength: 1, maxLength: 60 }),
    cameraId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    region: Type.Optional(RegionCode),
  },
  { additionalProperties: false },
)

export interface RoleRoutesDeps extends ExplainDeps {
  tokens: ServiceTokens
  usersChanged(userIds: string[]): void
}

export function roleRoutes(deps: RoleRoutesDeps): FastifyPluginAsyncTypebox {
  const { roles, tokens } = deps
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/roles',
      {
        config: { access: 'user.read' },
        schema: {
          summary: 'The roles, and every permission there is',
          tags: ['access'],
          response: { 200: RoleList },
        },
      },
      async () => ({
        roles: await roles.list(),
        permissions: describePermissions().map(({ permission, meaning }) => ({ permission, meaning })),
      }),
    )

    app.post(
      '/api/roles',
      {
        config: { access: 'role.write' },
        schema: {
          summary: 'Compose a role',
          tags: ['access'],
          body: NewRole,
          response: { 201: RoleView },
        },
      },
      async (request, reply) => reply.code(201).send(await roles.create(request.principal, request.body)),
    )

    app.put(
      '/api/roles/:role',
      {
        config: { access: 'role.write' },
        schema: {
          summary: 'Change what a role may do; everybody who has it follows at once',
          tags: ['access'],
          params: RoleParams,
          body: RoleChange,
          response: { 200: RoleView },
        },
      },
      async (request) => {
        const changed = await roles.change(request.principal, request.params.role, request.body)
        deps.usersChanged(changed.userIds)
        return changed.role
      },
    )

    app.delete(
      '/api/roles/:role',
      {
        config: { access: 'role.write' },
        schema: {
          summary: 'Remove a composed role that nobody has',
          tags: ['access'],
          params: RoleParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await roles.remove(request.principal, request.params.role)
        return reply.code(204).send(null)
      },
    )

    app.get(
      '/api/access/explain',
      {
        config: { access: 'access.explain' },
        schema: {
          summary: 'Why somebody may or may not do something',
          tags: ['access'],
          querystring: ExplainQuery,
          response: { 200: DecisionView },
        },
      },
      (request) => explain(deps, request.principal, request.query),
    )

    app.get(
      '/api/service-tokens',
      {
        config: { access: 'token.write' },
        schema: {
          summary: 'Service tokens inside the scope',
          tags: ['access'],
          response: { 200: Type.Array(ServiceToken) },
        },
      },
      (request) => tokens.list(request.principal),
    )

    app.post(
      '/api/service-tokens',
      {
        config: { access: 'token.write' },
        schema: {
          summary: 'Make a service token; it is shown once',
          tags: ['access'],
          body: NewServiceToken,
          response: { 201: CreatedServiceToken },
        },
      },
      async (request, reply) => reply.code(201).send(await tokens.create(request.principal, request.body)),
    )

    app.delete(
      '/api/service-tokens/:tokenId',
      {
        config: { access: 'token.write' },
        schema: {
          summary: 'Revoke a service token, from the next request on',
          tags: ['access'],
          params: TokenParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await tokens.revoke(request.principal, request.params.tokenId)
        return reply.code(204).send(null)
      },
    )
  }
}
