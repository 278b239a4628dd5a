import { describe, expect, it } from 'vitest'
import { seeded } from '../../edge/test/support/seeded.ts'
import { benchmarkScore, heldOutScore, learningRows, scoreAt } from './nab-score.ts'

function scored(length: number, alarms: Record<number, number>, windows: [number, number][]) {
  const scores = new Float64Array(length)
  for (const [row, score] of Object.entries(alarms)) scores[Number(row)] = score
  return { scores, windows }
}

describe('the score of the benchmark', () => {
  it('is 100 for an alarm at the beginning of every window, 0 for silence', () => {
    const windows: [number, number][] = [[400, 499]]
    expect(benchmarkScore([scored(1000, { 400: 0.9 }, windows)])).toMatchObject({ score: 100, found: 1 })
    expect(benchmarkScore([scored(1000, {}, windows)])).toMatchObject({ score: 0, found: 0 })
    expect(benchmarkScore([scored(1000, { 10: 1 }, windows)])).toMatchObject({ score: 0, falseAlarms: 0 })
  })

  it('counts the earliest alarm of a window and lets a late one be worth less', () => {
    const windows: [number, number][] = [[400, 499]]
    const early = benchmarkScore([scored(1000, { 420: 0.9, 450: 0.9 }, windows)]).score
    const late = benchmarkScore([scored(1000, { 450: 0.9 }, windows)]).score
    expect(early).toBeGreaterThan(late)
    expect(late).toBeCloseTo(
      (100 * (1 + (2 / (1 + Math.exp(-2.5)) - 1) / (2 / (1 + Math.exp(-5)) - 1))) / 2,
      6,
    )
    expect(benchmarkScore([scored(1000, { 499: 0.9 }, windows)]).score).toBeCloseTo(51.3, 1)
  })

  it('takes 0.11 for an alarm outside, less just after a window', () => {
    const windows: [number, number][] = [[400, 499]]
    const cost = (row: number) =>
      100 - benchmarkScore([scored(1000, { 400: 0.9, [row]: 0.9 }, windows)]).score
    expect(cost(300)).toBeCloseTo((100 * 0.11) / 2, 6)
    expect(cost(900)).toBeCloseTo((100 * 0.11) / 2, 4)
    expect(cost(505)).toBeGreaterThan(0)
    expect(cost(505)).toBeLessThan(cost(550))
  })

  it('chooses one threshold for all series', () => {
    const one = scored(1000, { 400: 0.5, 600: 0.4 }, [[400, 499]])
    const other = scored(1000, { 300: 0.6, 400: 0.3 }, [[400, 499]])
    const { threshold, found, falseAlarms } = benchmarkScore([one, other])
    expect({ threshold, found, falseAlarms }).toEqual({ threshold: 0.3, found: 2, falseAlarms: 2 })
  })

  it('leaves out the first 15 %, at most 750 rows', () => {
    expect([1000, 4032, 22_695].map(learningRows)).toEqual([150, 604, 750])
  })

  it('with a threshold given is the best one at the best threshold, and less than 0 if nothing but errors is found', () => {
    const series = [
      scored(1000, { 400: 0.5, 600: 0.4 }, [[400, 499]]),
      scored(1000, { 300: 0.6, 450: 0.3 }, [[400, 499]]),
    ]
    const { score, threshold } = benchmarkScore(series)
    expect(scoreAt(series, threshold)).toBeCloseTo(score, 9)
    for (const other of [0.35, 0.45, 0.7]) expect(scoreAt(series, other)).toBeLessThan(score)
    expect(scoreAt([series[1]!], 0.5)).toBeCloseTo((-100 * 0.11) / 2, 6)
  })

  it('of held-out series is the whole score if all are alike, and less if each half has another threshold', () => {
    const random = seeded(1)
    const alike = Array.from({ length: 12 }, () => scored(1000, { 400: 0.9, 700: 0.3 }, [[400, 499]]))
    expect(heldOutScore(alike, random)).toBeCloseTo(benchmarkScore(alike).score, 9)
    const unlike = alike.map((_, index) => {
      const size = index / 20
      return scored(1000, { 300: 0.1 + size, 400: 0.12 + size }, [[400, 499]])
    })
    expect(heldOutScore(unlike, random)).toBeLessThan(benchmarkScore(unlike).score)
  })
})
