import { describe, expect, it } from 'vitest'
import { Unwrapper } from './unwrapper.ts'

describe('Unwrapper', () => {
  it('runs on across the wrap in both directions', () => {
    const time = new Unwrapper(2 ** 31)
    expect(time.next(5)).toBe(5)
    const far = new Unwrapper(1000)
    expect([400, 800, 100, 990, 20].map((value) => far.next(value))).toEqual([400, 800, 1100, 990, 1020])
  })
})
