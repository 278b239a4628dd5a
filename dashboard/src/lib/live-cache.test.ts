import type { Alert, Dispatch, Evidence, Incident, IncidentDetail } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AlertPages,
  detailWithEvidence,
  MAX_LISTED_ALERTS,
  pagesWithEvidence,
  withAlert,
  withDispatch,
  withGrant,
  withIncident,
} from './live-cache.ts'

const alert = (alertId: string, atMs: number, evidence: Evidence[] = []) =>
  ({ alertId, atMs, evidence }) as unknown as Alert
const pages = (...lists: Alert[][]): AlertPages => ({
  pages: lists.map((items) => ({ items })),
  pageParams: lists.map(() => undefined),
})
const ids = (data: AlertPages) => data.pages.flatMap((page) => page.items).map((item) => item.alertId)
const snapshot = (isStored: boolean): Evidence => ({
  evidenceId: 'e1',
  alertId: 'a',
  role: 'snapshot',
  mime: 'image/jpeg',
  sha256: 'x',
  bytes: 1,
  isStored,
})
const incident = (
  incidentId: string,
  state: Incident['state'],
  openedAtMs: number,
  updatedAtMs = openedAtMs,
) => ({ incidentId, state, openedAtMs, updatedAtMs }) as Incident
const dispatch = (dispatchId: string, state: Dispatch['state'], steps: number) =>
  ({ dispatchId, state, createdAtMs: 1, steps: Array.from({ length: steps }) }) as unknown as Dispatch

describe('withAlert', () => {
  it('puts a new alert first and an old one at its time', () => {
    const data = pages([alert('c', 30), alert('a', 10)])
    expect(ids(withAlert(data, alert('d', 40)))).toEqual(['d', 'c', 'a'])
    expect(ids(withAlert(data, alert('b', 20)))).toEqual(['c', 'b', 'a'])
    expect(ids(withAlert(data, alert('0', 1)))).toEqual(['c', 'a', '0'])
  })

  it('leaves an alert before the end of the list to the page that is not fetched yet', () => {
    const data: AlertPages = {
      pages: [{ items: [alert('b', 20)], next: 'b' }],
      pageParams: [undefined],
    }
    expect(withAlert(data, alert('a', 10))).toBe(data)
  })

  it('has every alert once, newest first, whatever arrives how often in which order', () => {
    const arrivals = fc.array(fc.record({ id: fc.integer({ min: 0, max: 20 }) }), { maxLength: 60 })
    fc.assert(
      fc.property(arrivals, (list) => {
        let data = pages([alert('start', 7)])
        for (const { id } of list) data = withAlert(data, alert(`n${id}`, id))
        const times = data.pages.flatMap((page) => page.items).map((item) => item.atMs)
        expect(times).toEqual(times.toSorted((a, b) => b - a))
        expect(new Set(ids(data)).size).toBe(ids(data).length)
        expect(ids(data).length).toBe(new Set(list.map(({ id }) => id)).size + 1)
      }),
    )
  })

  it('stays bounded on a screen that is never closed', () => {
    let data = pages([])
    for (let index = 0; index < MAX_LISTED_ALERTS + 50; index++)
      data = withAlert(data, alert(`${index}`, index))
    expect(ids(data).length).toBe(MAX_LISTED_ALERTS)
    expect(ids(data)[0]).toBe(String(MAX_LISTED_ALERTS + 49))
  })

  it('does not change what it was given', () => {
    const data = pages([alert('a', 10)])
    withAlert(data, alert('b', 20))
    expect(ids(data)).toEqual(['a'])
  })
})

describe('evidence', () => {
  it('marks the snapshot of its alert as stored and keeps the others as they were', () => {
    const other = alert('b', 20)
    const data = pages([other, alert('a', 10, [snapshot(false)])])
    const next = pagesWithEvidence(data, snapshot(true))
    expect(next.pages[0]!.items[1]!.evidence).toEqual([snapshot(true)])
    expect(next.pages[0]!.items[0]).toBe(other)
    expect(pagesWithEvidence(next, snapshot(true))).toBe(next)
  })

  it('adds a photo to its dispatch', () => {
    const photo: Evidence = { ...snapshot(true), alertId: undefined, dispatchId: 'd', role: 'photo' }
    const detail = {
      alerts: [],
      dispatches: [{ dispatchId: 'd', photos: [] }],
    } as unknown as IncidentDetail
    expect(detailWithEvidence(detail, photo).dispatches[0]!.photos).toEqual([photo])
    expect(detailWithEvidence(detail, { ...photo, dispatchId: 'other' })).toBe(detail)
  })
})

describe('withIncident', () => {
  it('moves an incident from the open list to the ended one', () => {
    const open = [incident('b', 'reported', 2), incident('a', 'reported', 1)]
    const closed = incident('a', 'closed', 1, 5)
    expect(withIncident(open, closed, false).map((item) => item.incidentId)).toEqual(['b'])
    expect(withIncident([], closed, true)).toEqual([closed])
  })

  it('does not go back to an older state that arrives late', () => {
    const now = [incident('a', 'accepted', 1, 9)]
    expect(withIncident(now, incident('a', 'reported', 1, 3), false)).toEqual(now)
  })
})

describe('withDispatch', () => {
  it('keeps the one with more steps', () => {
    const now = [dispatch('d', 'on_scene', 4)]
    expect(withDispatch(now, dispatch('d', 'assigned', 1), false)).toEqual(now)
  })

  it('leaves the open list when it is closed', () => {
    expect(withDispatch([dispatch('d', 'on_scene', 4)], dispatch('d', 'closed', 5), false)).toEqual([])
  })
})

it('withGrant replaces the grant of the same id and sorts by begin', () => {
  const grant = (grantId: string, beginAtMs: number, state = 'active') =>
    ({ grantId, beginAtMs, state }) as Parameters<typeof withGrant>[1]
  const list = withGrant([grant('a', 1), grant('b', 2)], grant('a', 1, 'revoked'))
  expect(list.map((item) => `${item.grantId} ${item.state}`)).toEqual(['b active', 'a revoked'])
})
