import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AttemptLimiter } from './attempt-limiter.ts'
import { networkOf, SignInLimits } from './sign-in-limits.ts'

describe('the attempt limiter', () => {
  it('never lets a key have more than its attempts in a window, and never holds more keys than it may', () => {
    const limit = { attempts: 3, windowMs: 100, maxKeys: 4 }
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(60))), (steps) => {
        const limiter = new AttemptLimiter(limit)
        const taken = new Map<string, number[]>()
        let nowMs = 0
        for (const [key, pauseMs] of steps) {
          nowMs += pauseMs
          if (limiter.waitMs(key, nowMs) > 0) continue
          limiter.count(key, nowMs)
          taken.set(key, [...(taken.get(key) ?? []), nowMs])
        }
        for (const times of taken.values()) {
          // Windows are fixed, so at most two of them meet inside one length.
          for (const start of times) {
            const inside = times.filter((time) => time >= start && time < start + limit.windowMs)
            expect(inside.length).toBeLessThanOrEqual(2 * limit.attempts)
          }
        }
      }),
    )
    const limiter = new AttemptLimiter(limit)
    for (let index = 0; index < 1000; index++) limiter.count(`k${index}`, index)
    expect(limiter.size).toBe(4)
  })

  it('says how long to wait, and forgets after the window', () => {
    const limiter = new AttemptLimiter({ attempts: 1, windowMs: 100, maxKeys: 10 })
    limiter.count('a', 1000)
    expect([limiter.waitMs('a', 1040), limiter.waitMs('b', 1040), limiter.waitMs('a', 1100)]).toEqual([
      60, 0, 0,
    ])
    limiter.forgive('a')
    expect(limiter.waitMs('a', 1040)).toBe(0)
  })
})

describe('sign-in limits', () => {
  it('count an account over all addresses and an address over all accounts', () => {
    const limits = new SignInLimits()
    for (let index = 0; index < 50; index++) {
      expect(limits.take({ username: 'a', address: `10.0.0.${index}` }, 0)).toBe(0)
    }
    expect(limits.take({ username: 'a', address: '10.0.1.1' }, 0)).toBe(900)
    for (let index = 0; index < 100; index++) {
      expect(limits.take({ username: `u${index}`, address: '2001:db8:1:2::1' }, 0)).toBe(0)
    }
    expect(limits.take({ username: 'other', address: '2001:db8:1:2:ffff::2' }, 0), 'the same /64').toBe(900)
    expect(limits.take({ username: 'other', address: '2001:db8:1:3::1' }, 0)).toBe(0)
  })

  it('do not count what succeeds', () => {
    const limits = new SignInLimits()
    const attempt = { username: 'a', address: '10.0.0.1' }
    for (let index = 0; index < 500; index++) {
      expect(limits.take(attempt, 0)).toBe(0)
      limits.forgive(attempt)
    }
  })

  it('take one writing of an address for all of its writings', () => {
    expect(networkOf('::ffff:10.0.0.1')).toBe('10.0.0.1')
    expect(networkOf('2001:0db8::1')).toBe('2001:db8:0:0')
    expect(networkOf('2001:DB8:0:0:0:0:0:1')).toBe('2001:db8:0:0')
    expect(networkOf('::1')).toBe('0:0:0:0')
    expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0')
  })
})
