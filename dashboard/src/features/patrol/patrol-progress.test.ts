import type { Dispatch, NewStep } from '@patrolhub/protocol'
import { describe, expect, it } from 'vitest'
import type { OutboxEntry } from './outbox-store.ts'
import { nextStep, stateWithUnsent } from './patrol-progress.ts'
import { fittingSize } from './photo.ts'

const dispatch = { dispatchId: 'd', state: 'acknowledged' } as Dispatch
const entry = (state: NewStep['state'], refusal = '', dispatchId = 'd'): OutboxEntry => ({
  id: state,
  userId: 'me',
  dispatchId,
  atMs: 1,
  refusal,
  kind: 'step',
  step: { state },
})

describe('what the patroller sees', () => {
  it('counts a step that is not sent yet', () => {
    expect(stateWithUnsent(dispatch, [entry('en_route'), entry('on_scene')])).toBe('on_scene')
  })

  it('does not count a refused step, one of another dispatch, or one that lies behind', () => {
    expect(stateWithUnsent(dispatch, [entry('on_scene', 'refused')])).toBe('acknowledged')
    expect(stateWithUnsent(dispatch, [entry('on_scene', '', 'other')])).toBe('acknowledged')
    expect(stateWithUnsent({ ...dispatch, state: 'on_scene' }, [entry('en_route')])).toBe('on_scene')
  })

  it('offers one next step until it is closed', () => {
    expect(nextStep('assigned')).toBe('acknowledged')
    expect(nextStep('on_scene')).toBe('closed')
    expect(nextStep('closed')).toBeUndefined()
  })
})

describe('fittingSize', () => {
  it('makes a photo smaller, never larger, and keeps its shape', () => {
    expect(fittingSize(4000, 3000, 1600)).toEqual({ width: 1600, height: 1200 })
    expect(fittingSize(3000, 4000, 1600)).toEqual({ width: 1200, height: 1600 })
    expect(fittingSize(800, 600, 1600)).toEqual({ width: 800, height: 600 })
    expect(fittingSize(10_000, 1, 1600)).toEqual({ width: 1600, height: 1 })
  })
})
