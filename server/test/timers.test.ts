/** One hub of several runs the timers; another takes over; missed deadlines are noted once. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRelational } from '../src/adapters/relational/open.ts'
import { noteMissedDeadlines } from '../src/dispatch/missed-deadlines.ts'
import type { Relational } from '../src/ports/relational.ts'
import { Lease } from '../src/timers/lease.ts'
import { newHubId, Timers } from '../src/timers/timers.ts'
import { silent } from './support/hub.ts'
import { alertRecord, eventually, incidentOf, ofKind, type People, startPeople } from './support/people.ts'

let hub: People
/** A second hub's own connection to the same store. */
let other: Relational
beforeAll(async () => {
  hub = await startPeople()
  other = await openRelational(hub.config, silent)
})
afterAll(async () => {
  await other?.close()
  await hub?.close()
})

const timing = { beatMs: 20, patienceMs: 200 }

describe('a lease', () => {
  it('is held by one, kept while it beats, and taken over after its patience', async () => {
    const a = new Lease({ relational: hub.relational, name: 'test', holder: 'a', timing })
    const b = new Lease({ relational: other, name: 'test', holder: 'b', timing })
    expect(await a.beat()).toBe(true)
    for (let beat = 0; beat < 15; beat++) {
      expect([await a.beat(), await b.beat()]).toEqual([true, false])
      await delay(timing.beatMs)
    }
    await delay(timing.patienceMs + 50)
    expect(await b.beat(), 'its holder has stopped, and it has seen the same beat for long enough').toBe(true)
    expect(await a.beat(), 'the old holder learns of it').toBe(false)
    await b.release()
    expect(await a.beat()).toBe(true)
    await b.release()
    expect(await a.beat(), 'nobody releases for another').toBe(true)
  })
})

describe('timers', () => {
  it('run each job at one hub, and at the other within seconds when that one is gone', async () => {
    const ran: string[] = []
    const seen: string[][] = []
    const timersOf = (relational: Relational, name: string) => {
      const timers = new Timers({
        relational,
        hubId: newHubId(),
        log: silent,
        onHubs: async (living) => void seen.push([...living]),
      })
      timers.add({ name: 'job', everyMs: 100, run: async () => void ran.push(name) })
      timers.add({ name: 'fails', everyMs: 100, run: () => Promise.reject(new Error('always')) })
      timers.start()
      return timers
    }
    const first = timersOf(hub.relational, 'first')
    await eventually(() => ran.includes('first'))
    const second = timersOf(other, 'second')
    await eventually(() => seen.some((living) => living.length === 2))
    await delay(1500)
    expect(ran).not.toContain('second')
    await first.close()
    await eventually(() => ran.includes('second'), 3000)
    expect([first.isLeader, second.isLeader]).toEqual([true, true])
    await eventually(() => seen.at(-1)?.length === 1)
    await second.close()
    expect(await other.read.selectFrom('lease').select('name').where('name', '<>', 'test').execute()).toEqual(
      [],
    )
  })
})

describe('deadlines of a dispatch', () => {
  it('that pass are on the books once, at whichever hub, and everybody concerned is told', async () => {
    const edge = await hub.edge('4105')
    const [outcome] = await hub.ingest(edge, alertRecord('410502003', { severity: 'critical' }))
    const operator = await hub.person('operator', '410502')
    const team = await hub.dispatches.createTeam(undefined, {
      name: 'North patrol',
      region: '410502',
      kind: 'professional',
    })
    const patroller = await hub.person('patroller', '410502', { teamIds: [team.teamId] })
    const sent = await hub.ask(operator, 'POST', `/api/incidents/${incidentOf(outcome)}/dispatches`, {
      teamId: team.teamId,
    })
    const { dispatchId, acknowledgeByMs, arriveByMs, missed } = sent.json
    expect(missed).toEqual([])
    const onPhone = await hub.listen(patroller)
    const { audit, changes } = hub
    const note = (relational: Relational, nowMs: number) =>
      noteMissedDeadlines({ relational, audit, changes }, nowMs)
    expect(await note(hub.relational, acknowledgeByMs)).toBe(0)
    const both = await Promise.all([
      note(hub.relational, acknowledgeByMs + 1),
      note(hub.relational, acknowledgeByMs + 1),
    ])
    expect(both[0]! + both[1]!).toBe(1)
    await eventually(() => ofKind(onPhone.heard, 'dispatch').at(-1)?.missed[0] === 'acknowledge')
    await hub.ask(patroller, 'POST', `/api/dispatches/${dispatchId}/steps`, { state: 'acknowledged' })
    expect(await note(hub.relational, acknowledgeByMs + 2)).toBe(0)
    expect(await note(hub.relational, arriveByMs + 1)).toBe(1)
    const { json } = await hub.ask(operator, 'GET', `/api/dispatches/${dispatchId}`)
    expect(json.missed).toEqual(['acknowledge', 'arrive'])
    const entries = await hub.relational.read
      .selectFrom('audit')
      .select('subject')
      .where('action', '=', 'deadline.missed')
      .execute()
    expect(entries.map(({ subject }) => subject)).toEqual([
      `dispatch:${dispatchId}`,
      `dispatch:${dispatchId}`,
    ])
  })
})
