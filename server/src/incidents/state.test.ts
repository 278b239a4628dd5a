import { BUILT_IN_ROLES, type BuiltInRole, INCIDENT_STATES, type IncidentState } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ROLE_PERMISSIONS } from '../access/permissions.ts'
import { pageOf, parsePlace, placeText } from '../paging.ts'
import { numberAfter } from './incident-number.ts'
import { allowedMoves, checkMove, followsTo, hasEnded, isDispatchable, type ManualState } from './state.ts'

const state = fc.constantFrom(...INCIDENT_STATES)
const as = (role: BuiltInRole) => ({
  role,
  permissions: ROLE_PERMISSIONS[role],
  scope: '4105',
  isOnDuty: true,
  hours: null,
  askedAtMs: 0,
})
const mover = fc
  .tuple(fc.constantFrom(...BUILT_IN_ROLES), fc.boolean())
  .map(([role, isOnDuty]) => ({ ...as(role), isOnDuty }))
const manual = fc.constantFrom<ManualState>('accepted', 'verified', 'closed', 'dismissed')

describe('the moves of an incident', () => {
  it('that a screen offers are exactly those that are then accepted', () => {
    fc.assert(
      fc.property(state, manual, mover, (from, to, who) => {
        expect(checkMove(from, to, who, 'a note').ok).toBe(allowedMoves(from, who).includes(to))
      }),
    )
  })

  it('end: nothing leaves closed or dismissed, and every state leads to an end', () => {
    const next = (from: IncidentState): IncidentState[] => [
      ...allowedMoves(from, as('operator')),
      ...INCIDENT_STATES.filter((to) => followsTo(from, to)),
    ]
    for (const from of INCIDENT_STATES) {
      if (hasEnded(from)) {
        expect(next(from)).toEqual([])
        continue
      }
      const reached = new Set([from])
      for (const one of reached) for (const to of next(one)) reached.add(to)
      expect([...reached], from).toContain('closed')
    }
  })

  it('that follow a dispatch only go forward, never into or past verification', () => {
    fc.assert(
      fc.property(state, state, (from, to) => {
        if (!followsTo(from, to)) return
        expect(INCIDENT_STATES.indexOf(to)).toBeGreaterThan(INCIDENT_STATES.indexOf(from))
        expect(['verified', 'closed', 'dismissed']).not.toContain(to)
      }),
    )
  })

  it('are as the guide for operators says', () => {
    expect(allowedMoves('reported', as('operator'))).toEqual(['accepted', 'dismissed'])
    expect(allowedMoves('handled', as('supervisor'))).toEqual(['accepted', 'verified', 'dismissed'])
    expect(allowedMoves('verified', as('operator'))).toEqual(['closed'])
    expect(allowedMoves('reported', as('patroller'))).toEqual([])
    expect(checkMove('reported', 'dismissed', as('operator'), ' ')).toEqual({
      ok: false,
      why: 'needs a note',
    })
    expect(INCIDENT_STATES.filter(isDispatchable)).toEqual(INCIDENT_STATES.slice(0, 6))
  })
})

describe('incident numbers', () => {
  it('count each day from 1, are never given twice, and grow past 9999', () => {
    expect(numberAfter(undefined, '20261122')).toBe('20261122-0001')
    expect(numberAfter('20261121-0107', '20261122')).toBe('20261122-0001')
    expect(numberAfter('20261122-9999', '20261122')).toBe('20261122-10000')
    expect(numberAfter('20261122-0007', '20261121'), 'a clock that was set back').toBe('20261122-0008')
    fc.assert(
      fc.property(fc.array(fc.constantFrom('20261121', '20261122', '20261123')), (days) => {
        const numbers: string[] = []
        for (const day of days) numbers.push(numberAfter(numbers.at(-1), day))
        expect(new Set(numbers).size).toBe(numbers.length)
      }),
    )
  })
})

describe('a page', () => {
  it('hands out a place that it understands, and none after the last row', () => {
    const place = { atMs: 1_790_000_000_000, id: '0b7c-x' }
    expect(parsePlace(placeText(place))).toEqual(place)
    const rows = [3, 2, 1].map((atMs) => ({ atMs, id: `i${atMs}` }))
    expect(pageOf(rows, 2, (row) => row)).toEqual({ rows: rows.slice(0, 2), next: '2.i2' })
    expect(pageOf(rows, 3, (row) => row)).toEqual({ rows })
    expect(() => parsePlace("1.x' or 1=1")).toThrow(expect.objectContaining({ code: 'HUB_BAD_REQUEST' }))
  })
})
