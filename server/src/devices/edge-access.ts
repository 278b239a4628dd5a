/**
 * Credentials of edges after they were made: a new token for an edge whose old one is lost or known to others, and the
 * end of an edge. The hub keeps the hash of the token; a broker of its own keeps its own form of it.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { RenewedEdge } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { AuditTrail } from '../access/audit-trail.ts'
import { may } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { hashToken, newToken } from '../access/token.ts'
import { HubError } from '../errors.ts'
import type { EdgeCredentials, EdgeIdentity } from '../ports/broker.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'

export interface EdgeAccessDeps {
  relational: Relational
  audit: AuditTrail
  /** `undefined` if the broker keeps no users of its own. */
  credentials: EdgeCredentials | undefined
}

/** No token has this hash. */
const NO_TOKEN = ''

/** `undefined` for an edge that is unknown or has no token any more. */
export async function identifyEdge(
  relational: Relational,
  edgeId: string,
): Promise<EdgeIdentity | undefined> {
  const row = await relational.read
    .selectFrom('edge')
    .select(['region', 'token_hash'])
    .where('edge_id', '=', edgeId)
    .executeTakeFirst()
  return row && row.token_hash !== NO_TOKEN ? { edgeId, region: row.region } : undefined
}

/** Throws HUB_NOT_FOUND; outside the caller's scope as if it were not there. `actor` undefined: a command line. */
export async function requireEdge(
  db: DbOrTransaction,
  edgeId: string,
  actor: Principal | undefined,
): Promise<void> {
  const row = await db.selectFrom('edge').select('region').where('edge_id', '=', edgeId).executeTakeFirst()
  if (!row || (actor && !may(actor, 'edge.write', { region: row.region }))) {
    throw new HubError('HUB_NOT_FOUND', `there is no edge ${edgeId}`)
  }
}

/** Answers the new token; the old one opens nothing any more. Throws HUB_NOT_FOUND, or HUB_BROKER and changes nothing. */
export async function renewEdge(
  deps: EdgeAccessDeps,
  edgeId: string,
  actor: Principal | undefined,
): Promise<string> {
  await requireEdge(deps.relational.read, edgeId, actor)
  const token = newToken()
  await changeToken(deps, { edgeId, tokenHash: hashToken(token), actor, action: 'edge.renewed' }, () =>
    deps.credentials?.admit(edgeId, token),
  )
  return token
}

/**
 * The edge is let in nowhere any more; what it has sent stays. A connection that is open is ended within seconds.
 * Throws HUB_NOT_FOUND, or HUB_BROKER and changes nothing.
 */
export async function revokeEdge(
  deps: EdgeAccessDeps,
  edgeId: string,
  actor: Principal | undefined,
): Promise<void> {
  await requireEdge(deps.relational.read, edgeId, actor)
  await changeToken(deps, { edgeId, tokenHash: NO_TOKEN, actor, action: 'edge.revoked' }, () =>
    deps.credentials?.dismiss(edgeId),
  )
}

/** The broker's part last inside the transaction: what it refuses does not happen here either. */
async function changeToken(
  { relational, audit }: EdgeAccessDeps,
  change: { edgeId: string; tokenHash: string; actor: Principal | undefined; action: string },
  tellBroker: () => Promise<void> | undefined,
): Promise<void> {
  const { edgeId, tokenHash, actor, action } = change
  await relational.write.transaction().execute(async (trx) => {
    await trx.updateTable('edge').set({ token_hash: tokenHash }).where('edge_id', '=', edgeId).execute()
    await audit.append(trx, { actor, action, subject: `edge:${edgeId}`, detail: {} })
    await tellBroker()
  })
}

export function edgeAccessRoutes(deps: EdgeAccessDeps): FastifyPluginAsyncTypebox {
  const params = Type.Object({ edgeId: Type.String({ maxLength: 64 }) })
  return async (app) => {
    app.post(
      '/api/edges/:edgeId/token',
      {
        config: { access: 'edge.write' },
        schema: {
          summary: 'Give an edge a new token, shown once; the old one opens nothing any more',
          tags: ['devices'],
          params,
          response: { 200: RenewedEdge },
        },
      },
      async ({ params: { edgeId }, principal }) => ({ token: await renewEdge(deps, edgeId, principal) }),
    )
    app.delete(
      '/api/edges/:edgeId/token',
      {
        config: { access: 'edge.write' },
        schema: {
          summary: 'Let an edge in no more; what it has sent stays',
          tags: ['devices'],
          params,
          response: { 204: Type.Null() },
        },
      },
      async ({ params: { edgeId }, principal }, reply) => {
        await revokeEdge(deps, edgeId, principal)
        return reply.code(204).send(null)
      },
    )
  }
}
