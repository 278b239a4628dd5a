/**
 * The scope holds everywhere: whoever asks, whatever way, is shown what lies in their scope (or, as a patroller, their
 * teams' dispatches) and nothing else; and all of it.
 */
import { randomUUID } from 'node:crypto'
import {
  type Alert,
  BUILT_IN_ROLES,
  type BuiltInRole,
  covers,
  type Dispatch,
  type Incident,
  type PushEvent,
} from '@patrolhub/protocol'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Permission, ROLE_PERMISSIONS } from '../src/access/permissions.ts'
import {
  alertRecord,
  eventually,
  incidentOf,
  jpeg,
  ofKind,
  type People,
  type Person,
  snapshotRecord,
  startPeople,
} from './support/people.ts'

/** Neighbours that share digits, so that a careless prefix or LIKE shows. */
const REGIONS = [
  '4105',
  '4106',
  '410502',
  '410503',
  '410502003',
  '410502004',
  '410502003201',
  '410502003202',
  '410502003201001',
  '410503003',
  '410503003201',
] as const
const ROLES = BUILT_IN_ROLES
const roleMay = (role: BuiltInRole, permission: Permission) => ROLE_PERMISSIONS[role].has(permission)

interface Thing {
  region: string
  alertId: string
  incidentId: string
  evidenceId: string
  dispatchId: string
  teamId: string
}

let hub: People
const things: Thing[] = []

/** An alert with a picture in this region, and a team that was sent. */
async function happen(region: string, teamId: string): Promise<Thing> {
  const edge = await hub.edge(region)
  const bytes = jpeg()
  const alert = alertRecord(region, { deviceId: `cam-${randomUUID().slice(0, 8)}` })
  const snapshot = snapshotRecord(alert, bytes)
  const incidentId = incidentOf((await hub.ingest(edge, alert, snapshot))[0])
  await hub.upload(edge, snapshot.evidenceId, bytes)
  const sender = await hub.person('supervisor', region.slice(0, 4))
  const sent = await hub.ask(sender, 'POST', `/api/incidents/${incidentId}/dispatches`, { teamId })
  expect(sent.status).toBe(201)
  const { dispatchId } = sent.json as Dispatch
  return { region, alertId: alert.alertId, incidentId, evidenceId: snapshot.evidenceId, dispatchId, teamId }
}

async function makeTeam(region: string): Promise<string> {
  const administrator = await hub.person('administrator', region)
  const team = { name: `Team ${region}`, region, kind: 'cadre' }
  return (await hub.ask(administrator, 'POST', '/api/teams', team)).json.teamId
}

beforeAll(async () => {
  hub = await startPeople()
  for (const region of REGIONS) things.push(await happen(region, await makeTeam(region)))
})
afterAll(() => hub.close())

/** What this person may see, said once more and in other words than the code. */
function sees(who: Person, thing: Thing) {
  const isInScope = thing.region.startsWith(who.scope)
  const isOwn = who.role === 'patroller' && who.teamIds.includes(thing.teamId)
  const isWatcher = ['operator', 'supervisor', 'administrator'].includes(who.role)
  return {
    incident: isWatcher && isInScope,
    dispatch: (isWatcher && isInScope) || isOwn,
    evidence: (isWatcher && isInScope) || isOwn,
  }
}

const idsOf = <T>(items: readonly T[] | undefined, id: (item: T) => string): string[] =>
  (items ?? []).map(id).sort()

async function everyPage<T>(who: Person, path: string): Promise<T[] | undefined> {
  const all: T[] = []
  let before: string | undefined
  do {
    const { status, json } = await hub.ask(who, 'GET', `${path}limit=7${before ? `&before=${before}` : ''}`)
    if (status === 403) return undefined
    expect(status).toBe(200)
    all.push(...json.items)
    before = json.next
  } while (before)
  return all
}

const personality = fc.record({
  role: fc.constantFrom(...ROLES),
  scope: fc.constantFrom(...REGIONS, '410504', '410502003203', '4107'),
  teams: fc.subarray([...REGIONS.keys()], { maxLength: 3 }),
})

describe('whoever asks', () => {
  it('gets exactly the alerts, incidents, dispatches and pictures of their scope or their teams', async () => {
    await fc.assert(
      fc.asyncProperty(personality, async ({ role, scope, teams }) => {
        const who = await hub.person(role, scope, { teamIds: teams.map((index) => things[index]!.teamId) })
        const alerts = await everyPage<Alert>(who, '/api/alerts?')
        const incidents = await everyPage<Incident>(who, '/api/incidents?')
        const dispatches = (await hub.ask(who, 'GET', '/api/dispatches')).json.items as Dispatch[] | undefined
        const expected = (what: 'incident' | 'dispatch', id: (thing: Thing) => string) =>
          things
            .filter((thing) => sees(who, thing)[what])
            .map(id)
            .sort()
        expect(idsOf(alerts, (item) => item.alertId)).toEqual(expected('incident', (thing) => thing.alertId))
        expect(idsOf(incidents, (item) => item.incidentId)).toEqual(
          expected('incident', (thing) => thing.incidentId),
        )
        expect(idsOf(dispatches, (item) => item.dispatchId)).toEqual(
          expected('dispatch', (thing) => thing.dispatchId),
        )

        for (const thing of things) {
          const may = sees(who, thing)
          const opens = async (path: string) => (await hub.ask(who, 'GET', path)).status === 200
          const label = `${role} of ${scope} and ${thing.region}`
          expect(await opens(`/api/incidents/${thing.incidentId}`), label).toBe(may.incident)
          expect(await opens(`/api/dispatches/${thing.dispatchId}`), label).toBe(may.dispatch)
          expect(await opens(`/api/dispatches/${thing.dispatchId}/alerts`), label).toBe(may.dispatch)
          expect(await opens(`/api/evidence/${thing.evidenceId}`), label).toBe(may.evidence)
        }
      }),
      {
        numRuns: 25,
        examples: [
          [{ role: 'operator', scope: '410502', teams: [] }],
          [{ role: 'patroller', scope: '4105', teams: [4] }],
          [{ role: 'patroller', scope: '4105', teams: [] }],
        ],
      },
    )
  }, 120_000)

  it('hears over the socket exactly what lies in their scope or is for their teams', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(personality, { minLength: 1, maxLength: 4 }),
        fc.shuffledSubarray([...REGIONS.keys()], { minLength: 1, maxLength: 4 }),
        async (people, places) => {
          const listeners: ({ who: Person } & Awaited<ReturnType<People['listen']>>)[] = []
          for (const { role, scope, teams } of people) {
            const who = await hub.person(role, scope, {
              teamIds: teams.map((index) => things[index]!.teamId),
            })
            listeners.push({ who, ...(await hub.listen(who)) })
          }
          const now: Thing[] = []
          for (const place of places) now.push(await happen(REGIONS[place]!, things[place]!.teamId))
          await hub.told()
          // Events of one socket come in order: after this one nothing of before is under way.
          for (const { who } of listeners) {
            const event: PushEvent = { event: 'grant', payload: { grantId: 'end' } as never }
            hub.push.send([{ target: { userId: who.userId }, event }], 0)
          }
          await eventually(() => listeners.every(({ heard }) => ofKind(heard, 'grant').length === 1))
          for (const { who, heard, socket } of listeners) {
            const told = (what: 'incident' | 'dispatch' | 'evidence', id: (thing: Thing) => string) =>
              now
                .filter((thing) => sees(who, thing)[what])
                .map(id)
                .sort()
            const distinct = (ids: string[]) => [...new Set(ids)].sort()
            const label = JSON.stringify(who)
            expect(
              idsOf(ofKind(heard, 'alert'), (item) => item.alertId),
              label,
            ).toEqual(told('incident', (thing) => thing.alertId))
            expect(distinct(ofKind(heard, 'incident').map((item) => item.incidentId)), label).toEqual(
              told('incident', (thing) => thing.incidentId),
            )
            expect(distinct(ofKind(heard, 'dispatch').map((item) => item.dispatchId)), label).toEqual(
              told('dispatch', (thing) => thing.dispatchId),
            )
            expect(
              idsOf(ofKind(heard, 'evidence'), (item) => item.evidenceId),
              label,
            ).toEqual(told('incident', (thing) => thing.evidenceId))
            socket.disconnect()
          }
          things.push(...now)
        },
      ),
      {
        numRuns: 12,
        examples: [
          [REGIONS.map((scope) => ({ role: 'operator' as const, scope, teams: [] })), [...REGIONS.keys()]],
          [
            REGIONS.map((scope, place) => ({ role: 'patroller' as const, scope, teams: [place] })),
            [...REGIONS.keys()],
          ],
        ],
      },
    )
  }, 120_000)

  it('moves, sends and steps only there too', async () => {
    await fc.assert(
      fc.asyncProperty(personality, fc.constantFrom(...REGIONS), async ({ role, scope, teams }, region) => {
        const own = teams.map((index) => things[index]!.teamId)
        const who = await hub.person(role, scope, { teamIds: own })
        const place = REGIONS.indexOf(region)
        const thing = await happen(region, things[place]!.teamId)
        const isInScope = covers(scope, region)
        const status = async (path: string, body: object) => (await hub.ask(who, 'POST', path, body)).status
        const step = await status(`/api/dispatches/${thing.dispatchId}/steps`, { state: 'acknowledged' })
        const isOwn = role === 'patroller' && own.includes(thing.teamId)
        expect(step).toBe(isOwn ? 200 : role === 'patroller' ? 404 : 403)
        const elsewhere = things.find((other) => !covers(scope, other.region))!
        const path = `/api/incidents/${thing.incidentId}`
        const send = (teamId: string) => status(`${path}/dispatches`, { teamId })
        const maySend = roleMay(role, 'incident.dispatch')
        expect(await send(await makeTeam(scope)), 'their team').toBe(!maySend ? 403 : isInScope ? 201 : 404)
        expect(await send(elsewhere.teamId), 'a team outside').toBe(maySend ? 404 : 403)
        const move = await status(`${path}/transitions`, { to: 'dismissed', note: 'x' })
        expect(move).toBe(!roleMay(role, 'incident.move') ? 403 : isInScope ? 200 : 404)
      }),
      { numRuns: 20 },
    )
  }, 120_000)
})
