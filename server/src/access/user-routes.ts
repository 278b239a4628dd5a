/** /api/users: accounts inside the caller's scope. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CreatedUser, Duty, NewUser, OpenSession, User, UserChange } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Accounts } from './accounts.ts'

const UserParams = Type.Object({ userId: Type.String({ maxLength: 64 }) })
const SessionParams = Type.Object({
  userId: Type.String({ maxLength: 64 }),
  sessionId: Type.String({ pattern: '^[0-9a-f]{64}$' }),
})

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

    app.patch(
      '/api/users/:userId',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'Change name, role, scope, duty or hours; sessions, sockets and grants follow at once',
          tags: ['access'],
          params: UserParams,
          body: UserChange,
          response: { 200: User },
        },
      },
      (request) => accounts.change(request.principal, request.params.userId, request.body),
    )

    app.put(
      '/api/users/:userId/duty',
      {
        config: { access: 'duty.write' },
        schema: {
          summary: 'Say who is on duty',
          tags: ['access'],
          params: UserParams,
          body: Duty,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await accounts.setDuty(request.principal, request.params.userId, request.body.isOnDuty)
        return reply.code(204).send(null)
      },
    )

    app.post(
      '/api/users/:userId/unlock',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'Open an account that failed sign-ins have shut',
          tags: ['access'],
          params: UserParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await accounts.unlock(request.principal, request.params.userId)
        return reply.code(204).send(null)
      },
    )

    app.delete(
      '/api/users/:userId/second-factor',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'Remove the second factor of somebody who has lost it; ends the sessions',
          tags: ['access'],
          params: UserParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await accounts.removeSecondFactor(request.principal, request.params.userId)
        return reply.code(204).send(null)
      },
    )

    app.get(
      '/api/users/:userId/sessions',
      {
        config: { access: 'user.read' },
        schema: {
          summary: 'The sessions of an account',
          tags: ['access'],
          params: UserParams,
          response: { 200: Type.Array(OpenSession) },
        },
      },
      (request) => accounts.sessionsOf(request.principal, request.params.userId),
    )

    app.delete(
      '/api/users/:userId/sessions',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'End all sessions of an account',
          tags: ['access'],
          params: UserParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await accounts.endSessions(request.principal, request.params.userId)
        return reply.code(204).send(null)
      },
    )

    app.delete(
      '/api/users/:userId/sessions/:sessionId',
      {
        config: { access: 'user.write' },
        schema: {
          summary: 'End a session of an account',
          tags: ['access'],
          params: SessionParams,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        const { userId, sessionId } = request.params
        await accounts.endSessions(request.principal, userId, sessionId)
        return reply.code(204).send(null)
      },
    )
  }
}
