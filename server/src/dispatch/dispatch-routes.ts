/** /api/dispatches: watchers see those of their scope, who goes out those of their teams. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Alert, Dispatch, DispatchList, Evidence, NewDispatch, NewStep } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import { acceptStreams, answerWhileSending } from '../streamed-body.ts'
import type { DispatchDeps } from './dispatch.ts'
import { dispatchesById, findOwn, findVisible, listVisible, type VisibleDispatch } from './dispatch-store.ts'
import { checkTakesPhotos, sendTeam, takeStep } from './dispatching.ts'

const PHOTO_TYPES = ['image/jpeg', 'image/png', 'image/webp']

const DispatchParams = Type.Object({ dispatchId: Type.String({ maxLength: 64 }) })
const StateQuery = Type.Unsafe<'open' | 'ended' | 'all'>(
  Type.Union([Type.Literal('open'), Type.Literal('ended'), Type.Literal('all')]),
)

export function dispatchRoutes(deps: DispatchDeps): FastifyPluginAsyncTypebox {
  const { relational, incidents, evidence, now = Date.now } = deps
  const { read } = relational

  async function require(
    caller: Principal,
    dispatchId: string,
    find = findVisible,
  ): Promise<VisibleDispatch> {
    const dispatch = await find(read, caller, dispatchId)
    if (!dispatch) throw new HubError('HUB_NOT_FOUND', `no dispatch ${dispatchId}`)
    return dispatch
  }

  async function view(dispatchId: string): Promise<Dispatch> {
    const [dispatch] = await dispatchesById(read, deps, [dispatchId])
    if (!dispatch) throw new HubError('HUB_NOT_FOUND', `no dispatch ${dispatchId}`)
    return dispatch
  }

  return async (app) => {
    acceptStreams(app, PHOTO_TYPES)
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.post(
      '/api/incidents/:incidentId/dispatches',
      {
        config: { access: 'incident.dispatch' },
        schema: {
          summary: 'Send a team to an incident',
          tags: ['dispatch'],
          params: Type.Object({ incidentId: Type.String({ maxLength: 64 }) }),
          body: NewDispatch,
          response: { 201: Dispatch },
        },
      },
      async (request, reply) => {
        const { incidentId } = request.params
        const order = { actor: request.principal, incidentId, order: request.body }
        const dispatchId = await sendTeam(deps, order, now())
        return reply.code(201).send(await view(dispatchId))
      },
    )

    app.get(
      '/api/dispatches',
      {
        config: { access: 'dispatch.read' },
        schema: {
          summary: 'The newest dispatches that concern the caller',
          tags: ['dispatch'],
          querystring: Type.Object({ state: Type.Optional(StateQuery) }),
          response: { 200: DispatchList },
        },
      },
      async (request) => {
        const ids = await listVisible(read, request.principal, request.query.state ?? 'all')
        return { items: await dispatchesById(read, deps, ids) }
      },
    )

    app.get(
      '/api/dispatches/:dispatchId',
      {
        config: { access: 'dispatch.read' },
        schema: {
          summary: 'One dispatch',
          tags: ['dispatch'],
          params: DispatchParams,
          response: { 200: Dispatch },
        },
      },
      async (request) => {
        const { dispatchId } = await require(request.principal, request.params.dispatchId)
        return view(dispatchId)
      },
    )

    app.get(
      '/api/dispatches/:dispatchId/alerts',
      {
        config: { access: 'dispatch.read' },
        schema: {
          summary: 'Alerts of the incident that a dispatch is about, newest first',
          tags: ['dispatch'],
          params: DispatchParams,
          response: { 200: Type.Object({ items: Type.Array(Alert) }) },
        },
      },
      async (request) => {
        const { incidentId } = await require(request.principal, request.params.dispatchId)
        return { items: await incidents.alertsOf(read, incidentId) }
      },
    )

    app.post(
      '/api/dispatches/:dispatchId/steps',
      {
        config: { access: 'dispatch.step' },
        schema: {
          summary: 'Acknowledge, set out, arrive or close',
          description: 'A step may be left out, never gone back. `closed` needs a note.',
          tags: ['dispatch'],
          params: DispatchParams,
          body: NewStep,
          response: { 200: Dispatch },
        },
      },
      async (request) => {
        const { dispatchId } = request.params
        const step = { actor: request.principal, dispatchId, step: request.body }
        await takeStep(deps, step, now())
        return view(dispatchId)
      },
    )

    app.post(
      '/api/dispatches/:dispatchId/photos',
      {
        config: { access: 'dispatch.step' },
        schema: {
          summary: 'Add a photo',
          description: 'Body: image/jpeg, image/png or image/webp, at most 8 MiB.',
          tags: ['dispatch'],
          params: DispatchParams,
          response: { 201: Evidence },
        },
      },
      async (request, reply) => {
        const { principal: actor } = request
        const photo = await answerWhileSending(request, async (body) => {
          const dispatch = await require(actor, request.params.dispatchId, findOwn)
          await checkTakesPhotos(read, evidence, dispatch)
          const { dispatchId, region } = dispatch
          const mime = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
          const mayStore = (trx: Parameters<typeof checkTakesPhotos>[0]) =>
            checkTakesPhotos(trx, evidence, dispatch)
          return evidence.storePhoto({ actor, dispatchId, region, mime, body, mayStore })
        })
        return reply.code(201).send(photo)
      },
    )
  }
}
