/**
 * Settings of edges, given from the hub: a document of YAML that an edge lays over its own file. The edge is the judge
 * of what it says; here are its versions, who made them and why, and what the edge has answered.
 */
import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { EdgeSettings, EdgeSettingsVersion, NewEdgeSettings, type SettingsReport } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { AuditTrail } from '../access/audit-trail.ts'
import type { Principal } from '../access/principal.ts'
import type { ChangeLog } from '../changes/changes.ts'
import { HubError } from '../errors.ts'
import type { DbOrTransaction, Relational } from '../ports/relational.ts'
import { requireEdge } from './edge-access.ts'

export interface EdgeSettingsDeps {
  relational: Relational
  audit: AuditTrail
  changes: ChangeLog
  /** Tells an edge that there are settings for it. One that is away is told after its next hello. */
  offer: (edgeId: string, version: number) => void | Promise<void>
}

/** Versions that are shown; all are kept. */
const SHOWN = 20

function newest(db: DbOrTransaction, edgeId: string) {
  return db.selectFrom('edge_settings').selectAll().where('edge_id', '=', edgeId).orderBy('version', 'desc')
}

/** Throws HUB_NOT_FOUND for an edge outside the scope. */
async function listSettings(
  relational: Relational,
  edgeId: string,
  actor: Principal,
): Promise<EdgeSettingsVersion[]> {
  await requireEdge(relational.read, edgeId, actor)
  const rows = await newest(relational.read, edgeId).limit(SHOWN).execute()
  return rows.map(({ version, document, note, made_by, made_at_ms, state, problems }) => ({
    version,
    document,
    note,
    madeBy: made_by,
    madeAtMs: made_at_ms,
    state: state as EdgeSettingsVersion['state'],
    problems: JSON.parse(problems) as string[],
  }))
}

/** Throws HUB_NOT_FOUND for an edge outside the scope. Answers the new version. */
async function giveSettings(
  deps: EdgeSettingsDeps,
  edgeId: string,
  { document, note }: NewEdgeSettings,
  actor: Principal,
): Promise<number> {
  const { relational, audit, changes } = deps
  const version = await relational.write.transaction().execute(async (trx) => {
    await requireEdge(trx, edgeId, actor)
    const before = await newest(trx, edgeId).limit(1).executeTakeFirst()
    const next = (before?.version ?? 0) + 1
    await trx
      .updateTable('edge_settings')
      .set({ state: 'replaced' })
      .where('edge_id', '=', edgeId)
      .where('state', 'in', ['offered', 'trying'])
      .execute()
    await trx
      .insertInto('edge_settings')
      .values({
        edge_id: edgeId,
        version: next,
        document,
        note,
        made_by: actor.displayName,
        made_at_ms: Date.now(),
        state: 'offered',
        problems: '[]',
      })
      .execute()
    const sha256 = createHash('sha256').update(document).digest('hex')
    const detail = { version: next, note, sha256 }
    await audit.append(trx, { actor, action: 'edge.settings-given', subject: `edge:${edgeId}`, detail })
    await changes.note(trx, 'edge', edgeId)
    return next
  })
  await deps.offer(edgeId, version)
  return version
}

/** What an edge says of its settings in a hello, inside the transaction that takes the hello. */
export async function noteSettings(
  trx: DbOrTransaction,
  { audit, changes }: Pick<EdgeSettingsDeps, 'audit' | 'changes'>,
  edgeId: string,
  { version, state, problems }: SettingsReport,
): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('edge_settings')
    .set({ state, problems: JSON.stringify(problems) })
    .where('edge_id', '=', edgeId)
    .where('version', '=', version)
    .where('state', 'in', state === 'trying' ? ['offered'] : ['offered', 'trying'])
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return
  await changes.note(trx, 'edge', edgeId)
  if (state === 'trying') return
  await audit.append(trx, {
    actor: undefined,
    action: state === 'applied' ? 'edge.settings-applied' : 'edge.settings-refused',
    subject: `edge:${edgeId}`,
    detail: { version, problems },
  })
}

/** Offers an edge that has just said hello what it has not answered yet. */
export async function offerSettings(
  { relational, offer }: Pick<EdgeSettingsDeps, 'relational' | 'offer'>,
  edgeId: string,
): Promise<void> {
  const row = await newest(relational.read, edgeId).limit(1).executeTakeFirst()
  if (row?.state === 'offered') await offer(edgeId, row.version)
}

export function edgeSettingsRoutes(deps: EdgeSettingsDeps): FastifyPluginAsyncTypebox {
  const params = Type.Object({ edgeId: Type.String({ maxLength: 64 }) })
  const { relational } = deps
  return async (app) => {
    app.get(
      '/api/edges/:edgeId/settings',
      {
        config: { access: 'edge.write' },
        schema: {
          summary: `The newest ${SHOWN} versions of the settings of an edge, newest first`,
          tags: ['devices'],
          params,
          response: { 200: Type.Array(EdgeSettingsVersion) },
        },
      },
      ({ params: { edgeId }, principal }) => listSettings(relational, edgeId, principal),
    )

    app.post(
      '/api/edges/:edgeId/settings',
      {
        config: { access: 'edge.write' },
        schema: {
          summary: 'Give an edge settings; it takes them back by itself if it does not start with them',
          tags: ['devices'],
          params,
          body: NewEdgeSettings,
          response: { 201: Type.Pick(EdgeSettings, ['version']) },
        },
      },
      async ({ params: { edgeId }, body, principal }, reply) => {
        const version = await giveSettings(deps, edgeId, body, principal)
        return reply.code(201).send({ version })
      },
    )

    app.get(
      '/api/edge/settings',
      {
        config: { access: 'edge' },
        schema: {
          summary: 'The newest settings of the edge that asks',
          tags: ['devices'],
          response: { 200: EdgeSettings },
        },
      },
      async ({ edge }) => {
        const row = await newest(relational.read, edge.edgeId).limit(1).executeTakeFirst()
        if (!row) throw new HubError('HUB_NOT_FOUND', 'there are no settings for this edge')
        return { version: row.version, document: row.document }
      },
    )
  }
}
