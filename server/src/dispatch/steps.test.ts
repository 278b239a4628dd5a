import { DISPATCH_STATES } from '@patrolhub/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deadlinesFrom } from './deadlines.ts'
import { incidentStateFor, isForward } from './steps.ts'

describe('the steps of a dispatch', () => {
  it('go forward only, may be left out, and end at closed', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...DISPATCH_STATES)), (wishes) => {
        let state: (typeof DISPATCH_STATES)[number] = 'assigned'
        let steps = 0
        for (const to of wishes) {
          if (!isForward(state, to)) continue
          state = to
          steps++
        }
        expect(steps).toBeLessThanOrEqual(DISPATCH_STATES.length - 1)
      }),
    )
    expect(isForward('assigned', 'closed')).toBe(true)
    expect(isForward('en_route', 'en_route')).toBe(false)
    expect(DISPATCH_STATES.some((to) => isForward('closed', to))).toBe(false)
  })

  it('take the incident along; it is handled when nobody else is on it', () => {
    expect(incidentStateFor('on_scene', true)).toBe('on_scene')
    expect(incidentStateFor('closed', true)).toBeUndefined()
    expect(incidentStateFor('closed', false)).toBe('handled')
  })

  it('have deadlines that are shorter the worse it is', () => {
    const minutes = (['critical', 'major', 'minor', 'info'] as const).map((severity) => {
      const { acknowledgeByMs, arriveByMs } = deadlinesFrom(0, severity)
      return [acknowledgeByMs / 60_000, arriveByMs / 60_000]
    })
    expect(minutes).toEqual([
      [2, 10],
      [5, 20],
      [10, 40],
      [30, 120],
    ])
  })
})
