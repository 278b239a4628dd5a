import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planBatch } from './plan-batch.ts'

const epoch = '00000000-0000-4000-8000-000000000000'
const batch = (firstSeq: number, count: number, lost?: { fromSeq: number; toSeq: number }) => ({
  epoch,
  firstSeq,
  records: Array.from({ length: count }, (_, index) => firstSeq + index),
  ...(lost ? { lost: { ...lost, reason: 'disk full' } } : {}),
})

describe('the plan for a batch', () => {
  it('refuses an epoch that nobody announced', () => {
    expect(planBatch(undefined, batch(1, 3))).toEqual({ kind: 'epoch' })
  })

  it('takes what follows the cursor, drops what is known, refuses what starts too far ahead', () => {
    expect(planBatch(0, batch(1, 2))).toMatchObject({ kind: 'take', firstSeq: 1, records: [1, 2], upTo: 2 })
    expect(planBatch(5, batch(3, 6))).toMatchObject({ firstSeq: 6, records: [6, 7, 8], upTo: 8, repeated: 3 })
    expect(planBatch(8, batch(3, 6))).toEqual({ kind: 'repeat', repeated: 6 })
    expect(planBatch(5, batch(7, 1))).toEqual({ kind: 'gap' })
    const end = Number.MAX_SAFE_INTEGER
    expect(planBatch(end - 1, { epoch, firstSeq: end, records: [1, 2] }), 'no such number').toEqual({
      kind: 'gap',
    })
  })

  it('steps over a hole only if the edge declares all of it lost', () => {
    expect(planBatch(5, batch(10, 1, { fromSeq: 6, toSeq: 9 }))).toMatchObject({ kind: 'take', upTo: 10 })
    expect(planBatch(5, batch(10, 1, { fromSeq: 3, toSeq: 9 }))).toMatchObject({ kind: 'take', upTo: 10 })
    expect(planBatch(5, batch(10, 1, { fromSeq: 7, toSeq: 9 }))).toEqual({ kind: 'gap' })
    expect(planBatch(5, batch(10, 1, { fromSeq: 6, toSeq: 8 }))).toEqual({ kind: 'gap' })
    expect(planBatch(5, batch(10, 0, { fromSeq: 6, toSeq: 9 }))).toMatchObject({ kind: 'take', upTo: 9 })
  })

  it('commits every number once and in order, whatever is repeated, cut differently or sent too early', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ first: fc.integer({ min: 1, max: 30 }), count: fc.integer({ min: 0, max: 12 }) }),
        ),
        (sent) => {
          let cursor = 0
          const committed: unknown[] = []
          for (const { first, count } of sent) {
            const plan = planBatch(cursor, batch(first, count))
            if (plan.kind !== 'take') continue
            committed.push(...plan.records)
            cursor = plan.upTo
          }
          expect(committed).toEqual(Array.from({ length: cursor }, (_, index) => index + 1))
        },
      ),
    )
  })
})
