/** What ends a viewing at once: with the look that would find everything put off, only the news of it can. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type StreamsHub, startStreamsHub, type Viewer, WarmEdge } from './support/streams.ts'

let hub: StreamsHub
let warm: WarmEdge
let administrator: Viewer

/** Neither today nor next to it, in China as well as here. */
const DAY_FAR_AWAY = ((new Date().getUTCDay() + 3) % 7) + 1

beforeAll(async () => {
  hub = await startStreamsHub({ limits: { lingerMs: 400, watchMs: 3_600_000 } })
  const edge = await hub.edge([{ cameraId: 'cam' }])
  warm = new WarmEdge(hub, edge, 'cam')
  administrator = await hub.viewer('administrator', hub.rootScope)
  await warm.ready.promise
})
afterAll(async () => {
  await warm?.close()
  await hub.close()
})

describe('the bytes stop without a look', () => {
  const change = (userId: string, values: object) =>
    hub.ask(administrator, 'PATCH', `/api/users/${userId}`, values)
  const ends: Record<string, (who: Viewer, incidentId: string) => Promise<{ status: number }>> = {
    role: (who) => change(who.userId, { role: 'auditor' }),
    scope: (who) => change(who.userId, { scope: '410503' }),
    'off duty': (who) => change(who.userId, { isOnDuty: false }),
    'out of hours': (who) =>
      change(who.userId, { hours: [{ days: [DAY_FAR_AWAY], from: '00:00', to: '00:01' }] }),
    disabled: (who) => hub.ask(administrator, 'DELETE', `/api/users/${who.userId}`),
    'incident over': async (_who, incidentId) =>
      hub.ask(administrator, 'POST', `/api/incidents/${incidentId}/transitions`, { to: 'closed' }),
    'now restricted': async () => {
      const path = '/api/grant-policies/public'
      const policy = {
        maxMinutes: 240,
        maxHistoryMinutes: 60,
        needsNote: false,
        needsIncident: false,
        outside: 'no',
      }
      const changed = await hub.ask(administrator, 'PUT', path, { ...policy, needsSecondPerson: true })
      await hub.ask(administrator, 'PUT', path, { ...policy, needsSecondPerson: false })
      return changed
    },
  }
  it.each(Object.keys(ends))('for: %s', async (why) => {
    const who = await hub.viewer()
    const incidentId = await hub.incident('410502003', 'verified')
    const { grantId } = await hub.grant(who, 'cam', { incidentId })
    const player = hub.play(who, `/media/live/${grantId}.flv`)
    await eventually(() => player.pictures.length > 3, 8000, 'pictures come')
    expect((await ends[why]!(who, incidentId)).status).toBeLessThan(300)
    await eventually(() => player.isClosed, 5000, 'the player is cut')
    await eventually(async () => {
      const rows = await hub.relational.read.selectFrom('audit').select(['action', 'detail']).execute()
      return rows.some(({ action, detail }) => {
        const of = JSON.parse(detail)
        return action === 'grant.revoked' && of.grantId === grantId && of.why === why
      })
    })
  })
})
