/** The shipped anomaly model on roads and machines of which its training knows nothing; figures: the bench of that name. */
import { describe, expect, it } from 'vitest'
import { learningRows } from '../../test/support/nab-score.ts'
import { makeUnseen, type UnseenEvent } from '../../test/support/roads-and-machines.ts'
import { openScorer, scoreAll } from '../../test/support/score-series.ts'

/** The threshold of a rule that says nothing else. */
const THRESHOLD = 0.7
const WEEK_VALUES = 2016

async function judge(options: { seed: number; roads: number; machines: number }) {
  const series = makeUnseen(options)
  const scorer = await openScorer()
  const scores = await scoreAll(scorer, series)
  await scorer.close()
  const found: string[] = []
  const missed: string[] = []
  let falseAlarms = 0
  let values = 0
  for (const [index, { events, values: judged }] of series.entries()) {
    const begins = learningRows(judged.length)
    const alarms = [...scores[index]!.keys()].filter(
      (row) => row >= begins && scores[index]![row]! >= THRESHOLD,
    )
    const holds = ({ window: [from, to] }: UnseenEvent, row: number) => row >= from && row <= to
    values += judged.length - begins
    falseAlarms += alarms.filter((row) => !events.some((event) => holds(event, row))).length
    for (const event of events) (alarms.some((row) => holds(event, row)) ? found : missed).push(event.kind)
  }
  return { found, missed, alarmsAWeek: (falseAlarms * WEEK_VALUES) / values }
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
