/** /api/users: accounts inside the caller's scope. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CreatedUser, NewUser, User } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Accounts } from './accounts.ts'

const UserParams = Type.Object({ userId: Type.String({ maxLength: 64 }) })

export function userRoutes(accounts: Accounts): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/users',
      {
        config: { access: 'user.read' },
        schema: {
          summary: 'Accounts inside the scope',
          tags: ['access'],
          response: { 200: Type.Array(User) },
        },
      },
      (request) => accounts.list(request.principal),
    )

    app.post(
      '/api/users',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'Make an account',
          tags: ['access'],
          body: NewUser,
          response: { 201: CreatedUser },
        },
      },
      async (request, reply) => {
        const created = await accounts.create(request.principal, request.body)
        return reply.code(201).send(created)
      },
    )

    app.delete(
      '/api/users/:userId',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'Disable an account',
          tags: ['access'],
          description: 'Disables the account and ends its sessions; the record keeps its name.',
          params: UserParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await accounts.disable(request.principal, request.params.userId)
        return reply.code(204).send(null)
      },
    )

    app.post(
      '/api/users/:userId/password',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'Give a new one-time password',
          tags: ['access'],
          description:
            'Gives a new one-time password, ends the sessions, and enables the account if need be.',
          params: UserParams,
          response: { 200: CreatedUser },
        },
      },
      (request) => accounts.resetPassword(request.principal, request.params.userId),
    )
  }
}
