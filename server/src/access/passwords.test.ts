import { describe, expect, it } from 'vitest'
import { Passwords } from './passwords.ts'

const cheap = new Passwords({ logN: 4, r: 8, p: 1 })

describe('passwords', () => {
  it('fit their own hash only, whatever keyboard they were typed on', async () => {
    const hash = await cheap.hash('Pa\u00dfwort caf\u00e9')
    expect(hash).toMatch(/^scrypt\$4\$8\$1\$/)
    expect(await cheap.verify('Pa\u00dfwort cafe\u0301', hash), 'composed or not').toBe(true)
    expect(await cheap.verify('pa\u00dfwort caf\u00e9', hash)).toBe(false)
    expect(await cheap.hash('same')).not.toBe(await cheap.hash('same'))
  })

  it('of a hash that is none never fit', async () => {
    for (const hash of ['', 'x', 'scrypt$4$8$1$$', 'scrypt$4$8$1$c2FsdA$c2hvcnQ', undefined]) {
      expect(await cheap.verify('x', hash)).toBe(false)
    }
  })

  it('take as long for an unknown user as for a known one', async () => {
    const real = new Passwords()
    const hash = await real.hash('a')
    const time = async (known: string | undefined) => {
      const startedAt = performance.now()
      await real.verify('b', known)
      return performance.now() - startedAt
    }
    const [known, unknown] = [await time(hash), await time(undefined)]
    expect(unknown / known).toBeGreaterThan(0.3)
    expect(unknown / known).toBeLessThan(3)
  })

  it('are refused when too many wait, and taken again afterwards', async () => {
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => cheap.hash('x')))
    const refused = results.filter((result) => result.status === 'rejected')
    expect(refused.length).toBe(40 - 2 - 32)
    expect(refused[0]).toMatchObject({ reason: { code: 'HUB_TOO_MANY_REQUESTS' } })
    expect((await Promise.all(Array.from({ length: 20 }, () => cheap.hash('x')))).length).toBe(20)
  })
})
