import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HubClock } from './hub-clock.ts'

describe('the clock of the hub', () => {
  it('is known to half the quickest round trip, however unlike the two ways are', () => {
    const answer = fc.record({
      toHubMs: fc.integer({ min: 0, max: 5000 }),
      fromHubMs: fc.integer({ min: 0, max: 5000 }),
      pauseMs: fc.integer({ min: 0, max: 60_000 }),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: -86_400_000, max: 86_400_000 }),
        fc.array(answer, { minLength: 1, maxLength: 40 }),
        (trueOffsetMs, answers) => {
          const clock = new HubClock()
          let nowMs = 1000
          for (const { toHubMs, fromHubMs, pauseMs } of answers) {
            const receivedMs = nowMs + toHubMs + fromHubMs
            clock.note({
              sentMs: nowMs,
              receivedMs,
              receivedAtMs: receivedMs,
              hubAtMs: nowMs + toHubMs + trueOffsetMs,
            })
            const found = clock.offset(receivedMs)!
            expect(Math.abs(found.offsetMs - trueOffsetMs)).toBeLessThanOrEqual(found.errorMs + 1)
            expect(found.errorMs).toBeLessThanOrEqual(Math.ceil((toHubMs + fromHubMs) / 2))
            nowMs = receivedMs + pauseMs
          }
          expect(clock.offset(nowMs + 11 * 60_000)).toBeUndefined()
        },
      ),
    )
  })
})
