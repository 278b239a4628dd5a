import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRelational } from '../adapters/relational/open.ts'
import { loadConfig } from '../config.ts'
import type { Relational } from '../ports/relational.ts'
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
  let folder: string
  let stores: Relational[]
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patrolhub-limits-'))
    const config = loadConfig({ env: { PATROLHUB_DATA_DIR: folder } })
    const log = pino({ level: 'silent' })
    stores = [await openRelational(config, log), await openRelational(config, log)]
  })
  afterEach(async () => {
    for (const store of stores) await store.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('count an account over all addresses and all hubs on one store; time opens it', async () => {
    const hubs = stores.map((store) => new SignInLimits(store))
    const waits: number[] = []
    let last = 0
    for (let index = 0; index < 50; index++) {
      const attempt = { account: 'user:a', address: `10.0.0.${index}` }
      const { waitSeconds, isLast } = await hubs[index % 2]!.take(attempt, 0)
      waits.push(waitSeconds)
      if (isLast) last = index
    }
    expect([waits.every((wait) => wait === 0), last]).toEqual([true, 49])
    for (const hub of hubs) {
      const elsewhere = { account: 'user:a', address: '10.0.1.1' }
      expect((await hub.take(elsewhere, 1000)).waitSeconds).toBe(899)
      expect([...(await hub.lockedUntil(stores[0]!.read, ['user:a', 'user:b'], 1000))]).toEqual([
        ['user:a', 900_000],
      ])
      expect((await hub.take({ ...elsewhere, account: 'user:b' }, 1000)).waitSeconds).toBe(0)
    }
    await hubs[0]!.unlock(stores[0]!.write, 'user:a')
    expect((await hubs[1]!.take({ account: 'user:a', address: '10.0.1.1' }, 1000)).waitSeconds).toBe(0)
  })

  it('end ten failures from one place on either hub, and leave other places open', async () => {
    const hubs = stores.map((store) => new SignInLimits(store))
    const here = { account: 'user:a', address: '10.0.0.1' }
    for (let index = 0; index < 10; index++) await hubs[index % 2]!.take(here, 0)
    for (const hub of hubs) expect((await hub.take(here, 0)).waitSeconds).toBe(900)
    expect((await hubs[0]!.take({ ...here, address: '10.0.0.2' }, 0)).waitSeconds).toBe(0)
    expect((await hubs[0]!.take(here, 900_000)).waitSeconds).toBe(0)
  })

  it('count an address over all accounts', async () => {
    const limits = new SignInLimits(stores[0]!)
    for (let index = 0; index < 100; index++) {
      expect((await limits.take({ account: `u${index}`, address: '2001:db8:1:2::1' }, 0)).waitSeconds).toBe(0)
    }
    const wait = async (address: string) => (await limits.take({ account: 'other', address }, 0)).waitSeconds
    expect(await wait('2001:db8:1:2:ffff::2'), 'the same /64').toBe(900)
    expect(await wait('2001:db8:1:3::1')).toBe(0)
  })

  it('do not count what succeeds', async () => {
    const limits = new SignInLimits(stores[0]!)
    const attempt = { account: 'user:a', address: '10.0.0.1' }
    for (let index = 0; index < 120; index++) {
      expect((await limits.take(attempt, 0)).waitSeconds).toBe(0)
      await limits.forgive(attempt)
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
