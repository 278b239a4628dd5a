import type { SeriesPoint } from '@patrolhub/protocol'
import { describe, expect, it } from 'vitest'
import { chartColumns, SPANS, summaryOf } from './series-figures.ts'

const point = (atMs: number, value: number | null, score: number | null = 0.1): SeriesPoint => ({
  atMs,
  value,
  score,
  expectedLow: value === null ? null : 10,
  expectedHigh: value === null ? null : 20,
})

describe('a scored series', () => {
  it('keeps gaps as gaps and marks anomalies at their value', () => {
    const columns = chartColumns([point(1000, 15), point(2000, null, null), point(3000, 2, 0.97)])
    expect(columns).toEqual([
      [1, 2, 3],
      [15, null, 2],
      [null, null, 2],
      [20, null, 20],
      [10, null, 10],
    ])
  })

  it('says the last value that was measured, not the gap after it', () => {
    const points = [point(1, 15), point(2, 3, 0.9), point(3, null, null)]
    expect(summaryOf(points)).toEqual({ latest: points[1], anomalies: 1, isEmpty: false })
    expect(summaryOf([point(1, null, null)]).isEmpty).toBe(true)
  })

  it('never asks for more steps than the hub gives', () => {
    for (const { spanMs, stepMs } of Object.values(SPANS)) expect(spanMs / stepMs).toBeLessThan(1000)
  })
})
