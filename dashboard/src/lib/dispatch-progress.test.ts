import { expect, it } from 'vitest'
import { hasReached, nextDeadline } from './dispatch-progress.ts'

it('a step that was left out counts as reached', () => {
  expect(hasReached('on_scene', 'acknowledged')).toBe(true)
  expect(hasReached('acknowledged', 'on_scene')).toBe(false)
})

it.each([
  ['assigned', { what: 'acknowledge', atMs: 100 }],
  ['acknowledged', { what: 'arrive', atMs: 200 }],
  ['en_route', { what: 'arrive', atMs: 200 }],
  ['on_scene', undefined],
  ['closed', undefined],
] as const)('in state %s the next deadline is %j', (state, deadline) => {
  expect(nextDeadline({ state, acknowledgeByMs: 100, arriveByMs: 200 })).toEqual(deadline)
})
