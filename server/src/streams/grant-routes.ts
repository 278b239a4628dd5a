/** /api/grants: asking for a grant, seeing them, revoking, answering a request; /api/grant-policies. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  Approval,
  CameraPolicy,
  Grant,
  GrantList,
  GrantPolicies,
  NewGrant,
  Sensitivity,
  Uuid,
} from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Grants } from './grants.ts'
import type { Policies } from './policies.ts'

const Params = Type.Object({ grantId: Uuid })
const PolicyParams = Type.Object({ sensitivity: Type.Unsafe<Sensitivity>(Sensitivity) })

export function grantRoutes(grants: Grants, policies: Policies): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/grant-policies',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: 'What cameras of each sensitivity ask of who wants to watch them',
          tags: ['streams'],
          response: { 200: GrantPolicies },
        },
      },
      () => policies.list(),
    )

    app.put(
      '/api/grant-policies/:sensitivity',
      {
        config: { access: 'policy.write' },
        schema: {
          summary: 'Change what they ask for; running viewings that lack a second person now are cut',
          tags: ['streams'],
          params: PolicyParams,
          body: CameraPolicy,
          response: { 200: GrantPolicies },
        },
      },
      (request) => policies.change(request.principal, request.params.sensitivity, request.body),
    )

    app.post(
      '/api/grants',
      {
        config: { access: 'grant.request' },
        schema: {
          summary: 'Ask to watch a camera, for a purpose and a time',
          tags: ['streams'],
          body: NewGrant,
          response: { 201: Grant },
        },
      },
      async (request, reply) => reply.code(201).send(await grants.request(request.principal, request.body)),
    )

    app.get(
      '/api/grants',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: "The caller's grants, and those of others that the caller may approve or revoke",
          tags: ['streams'],
          response: { 200: GrantList },
        },
      },
      async (request) => ({ items: await grants.list(request.principal) }),
    )

    app.delete(
      '/api/grants/:grantId',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: 'Revoke a grant: whoever watches under it is cut at once',
          tags: ['streams'],
          params: Params,
          response: { 200: Grant },
        },
      },
      async (request) => grants.revoke(request.principal, request.params.grantId),
    )

    app.post(
      '/api/grants/:grantId/approval',
      {
        config: { access: 'grant.approve' },
        schema: {
          summary: "Approve or refuse somebody else's request",
          tags: ['streams'],
          params: Params,
          body: Approval,
          response: { 200: Grant },
        },
      },
      async (request) => grants.decide(request.principal, request.params.grantId, request.body.approve),
    )
  }
}
