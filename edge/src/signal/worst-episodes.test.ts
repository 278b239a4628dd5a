import { describe, expect, it } from 'vitest'
import { StateBlock } from './state-block.ts'
import { levelOf, WORST, WorstEpisodes } from './worst-episodes.ts'

/** The earlier episodes that a measure of this size is judged by, when there were none. */
function beside(measure: number, least: number, count = 1000): number[] {
  const episodes = new WorstEpisodes(new StateBlock(1000), Float32Array.of(least))
  const row = new Float32Array(WORST)
  episodes.write(Float32Array.of(levelOf(measure)), count, row, 0)
  return [...row]
}

describe('the worst episodes of a measure', () => {
  it('are, if there were none, a little less bad than the value, however bad that is', () => {
    for (const measure of [0.1, 5, 4000])
      for (const level of beside(measure, 0)) expect(levelOf(measure) - level).toBeCloseTo(0.16, 4)
  })

  it('are as bad as it begins to count where that is known: the first long standstill is worse than the first short one', () => {
    const begins = levelOf(3)
    expect(beside(4, begins)).toEqual(new Array(WORST).fill(Math.fround(begins)))
    expect(beside(200, begins)).toEqual(beside(4, begins))
  })

  it('excuse everything while the series is young', () => {
    expect(Math.min(...beside(200, levelOf(3), 50))).toBeGreaterThan(levelOf(1e9))
    expect(Math.min(...beside(200, 0, 50))).toBeGreaterThan(levelOf(1e9))
  })

  it('keep the highest of each episode, the highest first', () => {
    const episodes = new WorstEpisodes(new StateBlock(1000), new Float32Array(1))
    for (let count = 100; count < 400; count++)
      episodes.learn(Float32Array.of(count % 100 < 5 ? levelOf(10 * Math.floor(count / 100)) : 0), count)
    const row = new Float32Array(WORST)
    episodes.write(Float32Array.of(levelOf(50)), 400, row, 0)
    for (const [place, measure] of [30, 20, 10].entries()) expect(row[place]).toBeCloseTo(levelOf(measure), 1)
    expect(row[3]).toBeGreaterThan(row[0]!)
  })

  it('are those of others: one that goes on is not compared with itself, and is when it is over', () => {
    const episodes = new WorstEpisodes(new StateBlock(1000), Float32Array.of(levelOf(3)))
    const row = new Float32Array(WORST)
    for (const [begins, length] of [
      [1000, 20],
      [1200, 12],
    ] as const)
      for (let measure = 3; measure < length; measure++)
        episodes.learn(Float32Array.of(levelOf(measure)), begins + measure)
    const now = Float32Array.of(levelOf(12))
    episodes.write(now, 1212, row, 0)
    expect(row[0]).toBeCloseTo(levelOf(19), 1)
    for (const level of row.subarray(1)) expect(level).toBeCloseTo(levelOf(3), 5)
    episodes.write(now, 1300, row, 0)
    expect([row[0], row[1]]).toEqual([19, 11].map((measure) => expect.closeTo(levelOf(measure), 1)))
  })
})
