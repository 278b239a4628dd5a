import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HOUR_MS, MINUTE_MS, partsFor, rangesOf, STRETCH_MS } from './rollups.ts'

const WIDTH = { raw: 1, minute: MINUTE_MS, hour: HOUR_MS }

describe('the parts of a question', () => {
  it('cover its time once, in order, read raw what is stale, and sums whole', () => {
    const step = fc.constantFrom(1000, 90_000, MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, 24 * HOUR_MS)
    const stretches = fc.uniqueArray(fc.nat(4000), { maxLength: 40 })
    fc.assert(
      fc.property(
        step,
        fc.nat(500),
        fc.integer({ min: 1, max: 100 }),
        stretches,
        (stepMs, begin, steps, numbers) => {
          const beginMs = begin * stepMs
          const endMs = beginMs + steps * stepMs
          const stale = rangesOf(numbers.map((number) => number * STRETCH_MS))
          const parts = partsFor({ beginMs, endMs, stepMs }, stale)
          expect(parts[0]!.fromMs).toBe(beginMs)
          expect(parts.at(-1)!.toMs).toBe(endMs)
          for (const [index, { resolution, fromMs, toMs }] of parts.entries()) {
            expect(toMs).toBeGreaterThan(fromMs)
            expect(parts[index + 1]?.fromMs ?? toMs).toBe(toMs)
            if (resolution === 'raw') continue
            expect(stale.some((range) => range.fromMs < toMs && range.toMs > fromMs)).toBe(false)
            expect(stepMs % WIDTH[resolution]).toBe(0)
            expect([fromMs % WIDTH[resolution], toMs % WIDTH[resolution]]).toEqual([0, 0])
          }
        },
      ),
    )
  })

  it('are one part where everything is summed up, and raw only where it is not', () => {
    const day = { beginMs: 0, endMs: 24 * HOUR_MS, stepMs: HOUR_MS }
    expect(partsFor(day, [])).toEqual([{ resolution: 'hour', fromMs: 0, toMs: 24 * HOUR_MS }])
    expect(partsFor(day, rangesOf([9 * STRETCH_MS]))).toEqual([
      { resolution: 'hour', fromMs: 0, toMs: HOUR_MS },
      { resolution: 'minute', fromMs: HOUR_MS, toMs: 90 * MINUTE_MS },
      { resolution: 'raw', fromMs: 90 * MINUTE_MS, toMs: 100 * MINUTE_MS },
      { resolution: 'minute', fromMs: 100 * MINUTE_MS, toMs: 2 * HOUR_MS },
      { resolution: 'hour', fromMs: 2 * HOUR_MS, toMs: 24 * HOUR_MS },
    ])
  })
})

describe('ranges of stretches', () => {
  it('hold each stretch once and are a day long at most', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(600), { maxLength: 400 }), (numbers) => {
        const held: number[] = []
        for (const { fromMs, toMs } of rangesOf(numbers.map((number) => number * STRETCH_MS))) {
          expect(toMs - fromMs).toBeLessThanOrEqual(24 * HOUR_MS)
          for (let atMs = fromMs; atMs < toMs; atMs += STRETCH_MS) held.push(atMs / STRETCH_MS)
        }
        expect(held).toEqual([...numbers].sort((a, b) => a - b))
      }),
    )
  })
})
