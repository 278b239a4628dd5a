/**
 * Two hubs on one PostgreSQL: what ends at the one cuts the player at the other. With the look that would find
 * everything put off and no word from Redis, only the log of changes can tell.
 */
import type { Grant, Plan } from '@patrolhub/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { reportMissingPostgres } from './support/missing-postgres.ts'
import { findPostgres, type PostgresServer, startPostgres, useEngine } from './support/postgres.ts'
import { eventually, type StreamsHub, startStreamsHub, type Viewer, WarmEdge } from './support/streams.ts'

const programs = await findPostgres()
if (programs === undefined) reportMissingPostgres()

const LIMITS = { lingerMs: 400, watchMs: 3_600_000 }

describe.skipIf(programs === undefined)('a player at another hub is cut', () => {
  let server: PostgresServer
  let here: StreamsHub
  let there: StreamsHub
  let warm: WarmEdge
  let chief: Viewer
  beforeAll(async () => {
    server = await startPostgres(programs!)
    useEngine(server)
    here = await startStreamsHub({ limits: LIMITS })
    there = await startStreamsHub({ limits: LIMITS, beside: here })
    const edge = await here.edge([{ cameraId: 'cam' }, { cameraId: 'other' }])
    warm = new WarmEdge(there, edge, 'cam')
    chief = await here.viewer('administrator', here.rootScope)
    await warm.ready.promise
  }, 30_000)
  afterAll(async () => {
    await warm?.close()
    await there?.close()
    await here?.close()
    await server?.close()
    useEngine(undefined)
  })

  const must = async (method: string, path: string, body?: unknown, who = chief) => {
    const answer = await here.ask(who, method, path, body)
    expect(answer.status, JSON.stringify(answer.json)).toBeLessThan(300)
    return answer.json
  }
  const makeGroup = () =>
    must('POST', '/api/camera-groups', { name: 'g', region: '410502003', cameraIds: ['cam', 'other'] })

  /** What is granted here, and what ends it here. */
  type Way = (who: Viewer) => Promise<{ grant: Grant; end: () => Promise<unknown> }>
  const ways: Record<string, Way> = {
    'a revocation': async (who) => {
      const grant = await here.grant(who, 'cam')
      return { grant, end: () => must('DELETE', `/api/grants/${grant.grantId}`) }
    },
    'a changed role': async (who) => {
      const grant = await here.grant(who, 'cam')
      return { grant, end: () => must('PATCH', `/api/users/${who.userId}`, { role: 'auditor' }) }
    },
    'a changed scope': async (who) => {
      const grant = await here.grant(who, 'cam')
      return { grant, end: () => must('PATCH', `/api/users/${who.userId}`, { scope: '410503' }) }
    },
    'a session that its user ends': async (who) => {
      const grant = await here.grant(who, 'cam')
      return { grant, end: () => must('DELETE', '/api/session', undefined, who) }
    },
    'sessions that an administrator ends': async (who) => {
      const grant = await here.grant(who, 'cam')
      return { grant, end: () => must('DELETE', `/api/users/${who.userId}/sessions`) }
    },
    'the closing of the incident': async (who) => {
      const incidentId = await here.incident('410502003', 'verified')
      const grant = await here.grant(who, 'cam', { incidentId })
      return { grant, end: () => must('POST', `/api/incidents/${incidentId}/transitions`, { to: 'closed' }) }
    },
    'a camera taken out of its group': async (who) => {
      const { groupId } = await makeGroup()
      const wish = { groupId, purpose: 'alert_check', minutes: 5 }
      const grant: Grant = await must('POST', '/api/grants', wish, who)
      const change = { name: 'g', cameraIds: ['other'] }
      return { grant, end: () => must('PUT', `/api/camera-groups/${groupId}`, change) }
    },
    'the end of a plan': async (who) => {
      const { groupId } = await makeGroup()
      const { username } = await here.relational.read
        .selectFrom('user_account')
        .select('username')
        .where('user_id', '=', who.userId)
        .executeTakeFirstOrThrow()
      const command = [{ kind: 'user', id: username }]
      const written = { name: 'p', region: '410502', groupIds: [groupId], command }
      const { planId }: Plan = await must('POST', '/api/plans', written)
      await must('POST', `/api/plans/${planId}/activation`, { reason: 'x', isDrill: true })
      const { items } = await must('GET', '/api/grants', undefined, who)
      return { grant: items[0], end: () => must('DELETE', `/api/plans/${planId}/activation`) }
    },
  }

  it.each(Object.keys(ways))('by %s', async (name) => {
    const who = await here.viewer()
    const { grant, end } = await ways[name]!(who)
    const player = there.play(who, grant.cameras.find(({ cameraId }) => cameraId === 'cam')!.playPath!)
    await eventually(() => player.pictures.length > 3, 8000, 'pictures come')
    await end()
    await eventually(() => player.isClosed, 5000, 'the player is cut')
    expect((await there.ask(who, 'GET', `/media/live/${grant.grantId}.flv?camera=cam`)).status).toBeOneOf([
      401, 403, 404,
    ])
  })
})
