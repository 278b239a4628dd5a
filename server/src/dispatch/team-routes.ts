/** /api/teams: patrol teams inside the caller's scope, and who is in them. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NewTeam, Team } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { DispatchDeps } from './dispatch.ts'
import { createTeam, listMembers, listTeams, setMember } from './teams.ts'

const TeamParams = Type.Object({ teamId: Type.String({ maxLength: 64 }) })
const MemberParams = Type.Object({
  teamId: Type.String({ maxLength: 64 }),
  userId: Type.String({ maxLength: 64 }),
})
const TeamMember = Type.Object({
  userId: Type.String(),
  username: Type.String(),
  displayName: Type.String(),
})

export function teamRoutes(deps: DispatchDeps): FastifyPluginAsyncTypebox {
  const { read } = deps.relational
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/teams',
      {
        config: { access: 'team.read' },
        schema: {
          summary: 'Teams inside the scope',
          tags: ['dispatch'],
          response: { 200: Type.Array(Team) },
        },
      },
      (request) => listTeams(read, request.principal),
    )

    app.post(
      '/api/teams',
      {
        config: { access: 'team.write' },
        schema: { summary: 'Make a team', tags: ['dispatch'], body: NewTeam, response: { 201: Team } },
      },
      async (request, reply) => {
        const team = await createTeam(deps, request.principal, request.body)
        return reply.code(201).send(team)
      },
    )

    app.get(
      '/api/teams/:teamId/members',
      {
        config: { access: 'team.read' },
        schema: {
          summary: 'Who is in a team',
          tags: ['dispatch'],
          params: TeamParams,
          response: { 200: Type.Array(TeamMember) },
        },
      },
      (request) => listMembers(read, request.principal, request.params.teamId),
    )

    for (const [method, isMember, summary] of [
      ['PUT', true, 'Put somebody into a team'],
      ['DELETE', false, 'Take somebody out of a team'],
    ] as const) {
      app.route({
        method,
        url: '/api/teams/:teamId/members/:userId',
        config: { access: 'team.write' },
        schema: { summary, tags: ['dispatch'], params: MemberParams, response: { 204: Type.Null() } },
        async handler(request, reply) {
          const { teamId, userId } = request.params
          await setMember(deps, { actor: request.principal, teamId, userId, isMember })
          deps.access.usersChanged([userId])
          return reply.code(204).send(null)
        },
      })
    }
  }
}
