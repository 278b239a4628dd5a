import { expect, it } from 'vitest'
import { dayOf, startOfDay } from './china-day.ts'

it('a day begins at midnight in China, wherever the hub runs', () => {
  const midnight = Date.UTC(2026, 10, 21, 16)
  expect(dayOf(midnight)).toBe('20261122')
  expect(dayOf(midnight - 1)).toBe('20261121')
  expect(startOfDay(midnight)).toBe(midnight)
  expect(startOfDay(midnight + 86_399_999)).toBe(midnight)
  expect(startOfDay(midnight - 1)).toBe(midnight - 86_400_000)
})
