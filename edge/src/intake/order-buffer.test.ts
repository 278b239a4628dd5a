import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OrderBuffer } from './order-buffer.ts'

const at = (...times: number[]) => times.map((atMs) => ({ atMs }))
const times = (values: readonly { atMs: number }[]) => values.map(({ atMs }) => atMs)

describe('the order of a device’s values', () => {
  it('is restored within the window; what comes after a younger one has gone is counted', () => {
    const buffer = new OrderBuffer(1000)
    buffer.add(at(3000, 2000), 0)
    buffer.add(at(1000), 500)
    expect(times(buffer.take(999))).toEqual([])
    expect(times(buffer.take(1000))).toEqual([1000, 2000, 3000])
    buffer.add(at(2500, 4000), 1100)
    expect(buffer.missed).toBe(1)
    expect(times(buffer.flush())).toEqual([4000])
    expect(buffer.isEmpty).toBe(true)
  })

  it('holds no more than it may: the oldest go on before their time', () => {
    const buffer = new OrderBuffer(60_000, 3)
    buffer.add(at(5, 4, 3, 2, 1), 0)
    expect(times(buffer.take(0))).toEqual([1, 2])
    expect(times(buffer.take(60_000))).toEqual([3, 4, 5])
  })

  it('comes out ascending and complete but for what was counted, whatever comes in', () => {
    const steps = fc.array(fc.tuple(fc.nat(100), fc.nat(30)), { maxLength: 60 })
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 50 }), (arrivals, windowMs) => {
        const buffer = new OrderBuffer<{ atMs: number }>(windowMs, 10)
        const out: number[] = []
        let nowMs = 0
        for (const [atMs, pauseMs] of arrivals) {
          nowMs += pauseMs
          buffer.add(at(atMs), nowMs)
          out.push(...times(buffer.take(nowMs)))
        }
        out.push(...times(buffer.flush()))
        expect(out).toEqual(out.toSorted((a, b) => a - b))
        expect(out.length + buffer.missed).toBe(arrivals.length)
      }),
    )
  })
})
