/** /api/alerts and /api/incidents, inside the caller's scope. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AlertPage, HoldIncident, IncidentDetail, IncidentPage, MoveIncident } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import { parsePlace } from '../paging.ts'
import { setHold } from './incident-hold.ts'
import { moveByHand } from './incident-moves.ts'
import {
  alertsOfIncident,
  findIncident,
  listAlerts,
  listIncidents,
  type StateFilter,
  transitionsOf,
} from './incident-store.ts'
import type { IncidentsDeps } from './incidents.ts'
import { allowedMoves } from './state.ts'

export const ALERTS_OF_INCIDENT = 50
const DEFAULT_LIMIT = 50
const HOLD_ROUTES = [
  { method: 'POST', isHeld: true, summary: "Keep an incident's evidence beyond its time" },
  { method: 'DELETE', isHeld: false, summary: "Let an incident's evidence go when its time is over" },
] as const

const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: `default ${DEFAULT_LIMIT}` })),
  before: Type.Optional(Type.String({ maxLength: 100, description: '`next` of the page before' })),
}
const IncidentParams = Type.Object({ incidentId: Type.String({ maxLength: 64 }) })
const StateQuery = Type.Unsafe<StateFilter>(
  Type.Union([Type.Literal('open'), Type.Literal('ended'), Type.Literal('all')]),
)

export function incidentRoutes(deps: IncidentsDeps): FastifyPluginAsyncTypebox {
  const { relational, evidenceOfAlerts, now = Date.now } = deps

  async function detail(caller: Principal, incidentId: string): Promise<IncidentDetail> {
    const { read } = relational
    const incident = await findIncident(read, caller, incidentId)
    if (!incident) throw new HubError('HUB_NOT_FOUND', `no incident ${incidentId}`)
    const [alerts, transitions, dispatches] = await Promise.all([
      alertsOfIncident(read, incidentId, ALERTS_OF_INCIDENT, evidenceOfAlerts),
      transitionsOf(read, incidentId),
      deps.dispatchesOf(incidentId),
    ])
    const allowed = allowedMoves(incident.state, caller)
    return { incident, alerts, transitions, dispatches, allowed }
  }

  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get(
      '/api/alerts',
      {
        config: { access: 'alert.read' },
        schema: {
          summary: 'Alerts inside the scope, newest first',
          tags: ['incidents'],
          querystring: Type.Object(pageQuery),
          response: { 200: AlertPage },
        },
      },
      async (request) => {
        const { limit = DEFAULT_LIMIT, before } = request.query
        const page = { limit, before: before === undefined ? undefined : parsePlace(before) }
        return listAlerts(relational.read, request.principal, page, evidenceOfAlerts)
      },
    )

    app.get(
      '/api/incidents',
      {
        config: { access: 'incident.read' },
        schema: {
          summary: 'Incidents inside the scope, newest first',
          tags: ['incidents'],
          querystring: Type.Object({ ...pageQuery, state: Type.Optional(StateQuery) }),
          response: { 200: IncidentPage },
        },
      },
      async (request) => {
        const { limit = DEFAULT_LIMIT, before, state = 'all' } = request.query
        const page = { state, limit, before: before === undefined ? undefined : parsePlace(before) }
        return listIncidents(relational.read, request.principal, page)
      },
    )

    app.get(
      '/api/incidents/:incidentId',
      {
        config: { access: 'incident.read' },
        schema: {
          summary: 'One incident with its alerts, moves and dispatches',
          tags: ['incidents'],
          params: IncidentParams,
          response: { 200: IncidentDetail },
        },
      },
      (request) => detail(request.principal, request.params.incidentId),
    )

    app.post(
      '/api/incidents/:incidentId/transitions',
      {
        config: { access: 'incident.move' },
        schema: {
          summary: 'Accept, verify, close or dismiss an incident',
          description:
            'Dismissing one recalls the teams that are on it. From `handled` back to `accepted`: not done yet.',
          tags: ['incidents'],
          params: IncidentParams,
          body: MoveIncident,
          response: { 200: IncidentDetail },
        },
      },
      async (request) => {
        const { principal: actor } = request
        const { incidentId } = request.params
        const { to, note = '' } = request.body
        await moveByHand(deps, { incidentId, to, actor, note }, now())
        return detail(actor, incidentId)
      },
    )

    for (const { method, isHeld, summary } of HOLD_ROUTES) {
      app.route({
        method,
        url: '/api/incidents/:incidentId/hold',
        config: { access: 'evidence.hold' },
        schema: {
          summary,
          tags: ['incidents'],
          params: IncidentParams,
          body: HoldIncident,
          response: { 200: IncidentDetail },
        },
        handler: async (request) => {
          const { principal: actor } = request
          const { incidentId } = request.params
          await setHold(deps, { incidentId, isHeld, actor, reason: request.body.reason.trim() }, now())
          return detail(actor, incidentId)
        },
      })
    }
  }
}
