import { describe, expect, it } from 'vitest'
import { Backoff, pause } from './backoff.ts'

describe('Backoff', () => {
  it('doubles up to its bound and starts again after a success', () => {
    const backoff = new Backoff({ minMs: 100, maxMs: 1000, random: () => 1 })
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.nextMs())).toEqual([100, 200, 400, 800, 1000, 1000])
    backoff.reset()
    expect(backoff.nextMs()).toBe(100)
  })

  it('stays within half and the whole of the step, also after very many attempts', () => {
    const low = new Backoff({ minMs: 100, maxMs: 1000, random: () => 0 })
    expect(Array.from({ length: 5000 }, () => low.nextMs()).at(-1)).toBe(500)
  })

  it('stops waiting at once when it is aborted', async () => {
    const stopping = new AbortController()
    const waited = pause(60_000, stopping.signal)
    stopping.abort()
    expect(await waited).toBe(false)
  })
})
