import { describe, expect, it } from 'vitest'
import { ageOf, clockTime, countdown, fullTime } from './time.ts'

describe('ageOf', () => {
  it.each([
    [0, { value: 0, unit: 'seconds' }],
    [59_999, { value: 59, unit: 'seconds' }],
    [60_000, { value: 1, unit: 'minutes' }],
    [3_599_999, { value: 59, unit: 'minutes' }],
    [3_600_000, { value: 1, unit: 'hours' }],
    [47 * 3_600_000, { value: 47, unit: 'hours' }],
    [48 * 3_600_000, { value: 2, unit: 'days' }],
  ])('%i ms is %j', (elapsedMs, age) => {
    expect(ageOf(1_000_000, 1_000_000 + elapsedMs)).toEqual(age)
  })

  it('is never negative when the clock of an edge runs ahead', () => {
    expect(ageOf(5_000, 1_000)).toEqual({ value: 0, unit: 'seconds' })
  })
})

describe('countdown', () => {
  it.each([
    [0, '0:00'],
    [-5_000, '0:00'],
    [1, '0:01'],
    [1_000, '0:01'],
    [61_000, '1:01'],
    [600_000, '10:00'],
    [3_599_001, '1:00:00'],
    [3_661_000, '1:01:01'],
  ])('%i ms left reads %s', (leftMs, text) => {
    expect(countdown(10_000 + leftMs, 10_000)).toBe(text)
  })
})

describe('clockTime', () => {
  it('writes midnight as 00, not 24, in both languages', () => {
    const midnight = new Date(2026, 10, 22, 0, 5, 9).getTime()
    expect(clockTime(midnight, 'en')).toBe('00:05:09')
    expect(clockTime(midnight, 'zh-CN')).toBe('00:05:09')
  })
})

it('fullTime can be read in one way only', () => {
  expect(fullTime(new Date(2026, 2, 4, 0, 5, 9).getTime())).toBe('2026-03-04 00:05:09')
})
