import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { Identities } from './identities.ts'

const EDGE = { edgeId: 'e1', region: '4105' }

describe('identities', () => {
  it('answer in the order of asking, also when the first has to ask the store', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const asked: string[] = []
      let slowMs = 20
      const identities = new Identities(async (edgeId) => {
        asked.push(edgeId)
        await delay(slowMs)
        slowMs = 0
        return EDGE
      })
      const order: number[] = []
      const take = async (number: number) => {
        expect(await identities.of('e1')).toEqual(EDGE)
        order.push(number)
      }
      const first = take(1)
      await delay(5)
      await Promise.all([first, take(2), take(3)])
      await take(4)
      expect(asked).toEqual(['e1'])
      vi.advanceTimersByTime(5001)
      slowMs = 20
      const fifth = take(5)
      await delay(5)
      await Promise.all([fifth, take(6)])
      expect(order).toEqual([1, 2, 3, 4, 5, 6])
      expect(asked).toEqual(['e1', 'e1'])
    } finally {
      vi.useRealTimers()
    }
  })

  it('pass on what the store throws, and ask again', async () => {
    let faults = 1
    const identities = new Identities(async () => {
      if (faults-- > 0) throw new Error('away')
      return undefined
    })
    await expect(identities.of('e1')).rejects.toThrow('away')
    expect(await identities.of('e1')).toBeUndefined()
  })
})
