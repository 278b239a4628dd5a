/** How the anomaly model does on the series of roads-and-machines.ts, at one threshold. */
import { learningRows } from './nab-score.ts'
import type { UnseenEvent, UnseenSeries } from './roads-and-machines.ts'
import { openScorer, scoreAll } from './score-series.ts'

export interface JudgedSeries {
  kind: UnseenSeries['kind']
  /** Values that were judged: the first of a series are not. */
  values: number
  /** Alarms outside of any event's window. */
  falseAlarms: number
  events: { kind: string; isFound: boolean }[]
}

export async function judgeUnseen(
  series: readonly UnseenSeries[],
  threshold: number,
): Promise<JudgedSeries[]> {
  const scorer = await openScorer()
  const scores = await scoreAll(scorer, series)
  await scorer.close()
  return series.map(({ kind, values, events }, index) => {
    const begins = learningRows(values.length)
    const alarms = [...scores[index]!.keys()].filter(
      (row) => row >= begins && scores[index]![row]! >= threshold,
    )
    return {
      kind,
      values: values.length - begins,
      falseAlarms: alarms.filter((row) => !events.some((event) => holds(event, row))).length,
      events: events.map((event) => ({
        kind: event.kind,
        isFound: alarms.some((row) => holds(event, row)),
      })),
    }
  })
}

function holds({ window: [from, to] }: UnseenEvent, row: number): boolean {
  return row >= from && row <= to
}
