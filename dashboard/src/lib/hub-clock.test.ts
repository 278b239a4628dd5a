import { expect, it } from 'vitest'
import { offsetFrom } from './hub-clock.ts'

const at = Date.UTC(2026, 10, 22, 18, 0, 0)

it.each([
  ['a clock that agrees', at + 900, 0],
  ['a slow answer', at + 2_900, 0],
  ['a clock five minutes ahead', at + 300_000, -299_500],
  ['a clock an hour behind', at - 3_600_000, 3_600_500],
])('%s', (_title, nowMs, offsetMs) => {
  expect(offsetFrom(new Date(at).toUTCString(), nowMs)).toBe(offsetMs)
})

it('an answer without a date, or with nonsense, says nothing', () => {
  expect(offsetFrom(null, at)).toBe(0)
  expect(offsetFrom('soon', at)).toBe(0)
})
