/** /api/plans: writing, approving, activating and ending emergency plans, and who watches under them. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  NewActivation,
  NewPlan,
  Plan,
  PlanApproval,
  PlanChange,
  PlanList,
  PlanWatching,
  Uuid,
} from '@patrolhub/protocol'
import { Type } from 'typebox'
import { activate, end, watching } from './activations.ts'
import { planIdsInScope, planViews } from './plan-store.ts'
import { approvePlan, changePlan, createPlan, removePlan } from './plan-writing.ts'
import type { PlansDeps } from './plans.ts'

const Params = Type.Object({ planId: Uuid })

export interface PlanRoutesDeps extends PlansDeps {
  now: () => number
  view(planId: string): Promise<Plan>
}

export function planRoutes(deps: PlanRoutesDeps): FastifyPluginAsyncTypebox {
  const { read } = deps.relational
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/plans',
      {
        config: { access: 'plan.read' },
        schema: {
          summary: 'Emergency plans inside the scope, with their activations',
          tags: ['plans'],
          response: { 200: PlanList },
        },
      },
      async (request) => ({ items: await planViews(read, await planIdsInScope(read, request.principal)) }),
    )

    app.post(
      '/api/plans',
      {
        config: { access: 'plan.write' },
        schema: { summary: 'Write a plan', tags: ['plans'], body: NewPlan, response: { 201: Plan } },
      },
      async (request, reply) => {
        const planId = await createPlan(deps, request.principal, request.body)
        return reply.code(201).send(await deps.view(planId))
      },
    )

    app.put(
      '/api/plans/:planId',
      {
        config: { access: 'plan.write' },
        schema: {
          summary:
            'Change a plan, which then has to be approved again; while it is active its command follows',
          tags: ['plans'],
          params: Params,
          body: PlanChange,
          response: { 200: Plan },
        },
      },
      async (request) => {
        await changePlan(deps, request.principal, request.params.planId, request.body)
        return deps.view(request.params.planId)
      },
    )

    app.delete(
      '/api/plans/:planId',
      {
        config: { access: 'plan.write' },
        schema: {
          summary: 'Remove a plan that was never activated',
          tags: ['plans'],
          params: Params,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await removePlan(deps, request.principal, request.params.planId)
        return reply.code(204).send(null)
      },
    )

    app.post(
      '/api/plans/:planId/approval',
      {
        config: { access: 'grant.approve' },
        schema: {
          summary: "Agree to somebody else's plan as it stands, and so to its restricted cameras",
          tags: ['plans'],
          params: Params,
          body: PlanApproval,
          response: { 200: Plan },
        },
      },
      async (request) => {
        const { planId } = request.params
        await approvePlan(deps, request.principal, planId, request.body.writtenAtMs)
        return deps.view(planId)
      },
    )

    app.post(
      '/api/plans/:planId/activation',
      {
        config: { access: 'plan.activate' },
        schema: {
          summary: 'Activate a plan: its groups of cameras are opened to its command',
          tags: ['plans'],
          params: Params,
          body: NewActivation,
          response: { 201: Plan },
        },
      },
      async (request, reply) => {
        const { planId } = request.params
        await activate(deps, request.principal, planId, request.body)
        return reply.code(201).send(await deps.view(planId))
      },
    )

    app.delete(
      '/api/plans/:planId/activation',
      {
        config: { access: 'plan.activate' },
        schema: {
          summary: 'End it: its grants end, and whoever watches under them is cut',
          tags: ['plans'],
          params: Params,
          response: { 200: Plan },
        },
      },
      async (request) => {
        await end(deps, request.principal, request.params.planId)
        return deps.view(request.params.planId)
      },
    )

    app.get(
      '/api/plans/:planId/watching',
      {
        config: { access: 'plan.read' },
        schema: {
          summary: 'What the active plan has opened to whom, and who watches now',
          tags: ['plans'],
          params: Params,
          response: { 200: PlanWatching },
        },
      },
      (request) => watching(deps, request.principal, request.params.planId),
    )
  }
}
