/** The shipped anomaly model on roads and machines of which its training knows nothing; figures: the bench of that name. */
import { describe, expect, it } from 'vitest'
import { makeUnseen } from '../../test/support/roads-and-machines.ts'
import { judgeUnseen } from '../../test/support/unseen-score.ts'

/** The threshold of a rule that says nothing else. */
const THRESHOLD = 0.7
const WEEK_VALUES = 2016

async function judge(options: { seed: number; roads: number; machines: number }) {
  const judged = await judgeUnseen(makeUnseen(options), THRESHOLD)
  const kindsOf = (wanted: boolean) =>
    judged.flatMap(({ events }) => events.flatMap(({ kind, isFound }) => (isFound === wanted ? [kind] : [])))
  const sum = (name: 'values' | 'falseAlarms') => judged.reduce((total, each) => total + each[name], 0)
  const alarmsAWeek = (sum('falseAlarms') * WEEK_VALUES) / sum('values')
  return { found: kindsOf(true), missed: kindsOf(false), alarmsAWeek }
}

describe('the signal model on what it has not seen', () => {
  it('finds machines that stop or shake, and errs less than once in two weeks', async () => {
    const { found, missed, alarmsAWeek } = await judge({ seed: 21, roads: 0, machines: 8 })
    expect(found).toEqual(expect.arrayContaining(['stop', 'shaking']))
    expect(missed).not.toContain('stop')
    expect(found.length).toBeGreaterThan(missed.length)
    expect(alarmsAWeek).toBeLessThan(0.5)
  })

  it('finds most crashes and dead detectors on roads, and errs less than twice a week', async () => {
    const { found, missed, alarmsAWeek } = await judge({ seed: 21, roads: 32, machines: 0 })
    for (const kind of ['crash', 'dead']) {
      const count = (among: string[]) => among.filter((each) => each === kind).length
      expect(count(found), kind).toBeGreaterThan(count(missed))
    }
    expect(alarmsAWeek).toBeLessThan(2)
  })
})
