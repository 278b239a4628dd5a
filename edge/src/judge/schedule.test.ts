import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Schedule } from '../config/rules.ts'
import { ScheduleClock } from './schedule.ts'

const at = (text: string): number => Date.parse(text)
const window = (extra: Partial<Schedule>): Schedule => ({
  days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
  from: '00:00',
  to: '24:00',
  timeZone: '+08:00',
  ...extra,
})

describe('a schedule', () => {
  it('counts always when there is none, or when it is the whole week', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (atMs) => {
        expect(new ScheduleClock().isActive(atMs)).toBe(true)
        expect(new ScheduleClock([window({})]).isActive(atMs)).toBe(true)
      }),
    )
  })

  it('is told by the clock of its own time zone', () => {
    const clock = new ScheduleClock([window({ from: '08:00', to: '18:00' })])
    expect(clock.isActive(at('2026-03-02T07:59:59+08:00'))).toBe(false)
    expect(clock.isActive(at('2026-03-02T08:00:00+08:00'))).toBe(true)
    expect(clock.isActive(at('2026-03-02T17:59:59+08:00'))).toBe(true)
    expect(clock.isActive(at('2026-03-02T18:00:00+08:00'))).toBe(false)
    const named = new ScheduleClock([window({ from: '08:00', to: '18:00', timeZone: 'Asia/Shanghai' })])
    expect(named.isActive(at('2026-03-02T00:00:00Z'))).toBe(true)
  })

  it('goes on past midnight and belongs to the day on which it begins', () => {
    // Friday and Saturday nights. 2026-03-06 is a Friday.
    const clock = new ScheduleClock([window({ days: ['fri', 'sat'], from: '22:00', to: '06:00' })])
    const active = [
      '2026-03-06T21:59:00',
      '2026-03-06T22:00:00',
      '2026-03-07T05:59:00',
      '2026-03-07T06:00:00',
      '2026-03-08T03:00:00',
      '2026-03-08T23:00:00',
      '2026-03-06T03:00:00',
    ].map((text) => clock.isActive(at(`${text}+08:00`)))
    expect(active).toEqual([false, true, true, false, true, false, false])
  })

  it('is the union of its windows', () => {
    const clock = new ScheduleClock([window({ to: '06:00' }), window({ from: '20:00' })])
    expect(clock.isActive(at('2026-03-02T05:00:00+08:00'))).toBe(true)
    expect(clock.isActive(at('2026-03-02T12:00:00+08:00'))).toBe(false)
    expect(clock.isActive(at('2026-03-02T21:00:00+08:00'))).toBe(true)
  })
})
