import { describe, expect, it } from 'vitest'
import { DeviceClock } from './device-clock.ts'

const MINUTE_MS = 60_000

/** Five minutes of a device whose clock is ahead by this; its times have whole seconds, as PassTime has. */
function runningFor(aheadMs: number, minutes = 5): { clock: DeviceClock; nowMs: number } {
  const clock = new DeviceClock({ lateSeconds: 120, futureSeconds: 30 })
  let nowMs = 1_000_000_000_000
  for (const endMs = nowMs + minutes * MINUTE_MS; nowMs < endMs; nowMs += 3700) {
    clock.observe(Math.floor((nowMs + aheadMs) / 1000) * 1000, nowMs + 40)
  }
  return { clock, nowMs }
}

describe('the clock of a device', () => {
  it.each([0, 7000, -7000, -600_000, 3_600_000])('is known to about a second: %i ms ahead', (aheadMs) => {
    const { clock } = runningFor(aheadMs)
    expect(Math.abs(clock.offsetMs! - aheadMs)).toBeLessThan(1100)
  })

  it('is not known before three minutes', () => {
    expect(runningFor(0, 1).clock.offsetMs).toBeUndefined()
  })

  it('makes what comes out of its memory late, by its own clock, and what is ahead of ours future', () => {
    const { clock, nowMs } = runningFor(-600_000)
    expect(clock.observe(nowMs - 600_000, nowMs), 'ten minutes behind all the time').toBeUndefined()
    expect(clock.observe(nowMs - 600_000 - 121_000, nowMs)).toBe('late')
    expect(clock.observe(nowMs + 31_000, nowMs)).toBe('future')
    const ahead = runningFor(20_000)
    expect(ahead.clock.observe(ahead.nowMs + 20_000, ahead.nowMs)).toBeUndefined()
    expect(ahead.clock.observe(ahead.nowMs - 105_000, ahead.nowMs), 'a fast clock hides nothing').toBe('late')
  })

  it('outlives a minute in which the device emptied its memory', () => {
    const { clock, nowMs } = runningFor(0)
    for (let index = 0; index < 500; index++) clock.observe(nowMs - 3_600_000, nowMs + index)
    clock.observe(nowMs + 2 * MINUTE_MS, nowMs + 2 * MINUTE_MS)
    expect(Math.abs(clock.offsetMs!)).toBeLessThan(1100)
  })
})
