/**
 * The rules of the Numenta Anomaly Benchmark, standard profile (Lavin and Ahmad, 2015): how good are scores of labelled
 * series under the one threshold that suits them best together. Pure.
 */

export interface ScoredSeries {
  scores: Float64Array
  /** First and last row of each window in which there is an anomaly, in order and apart. */
  windows: readonly (readonly [number, number])[]
}

export interface BenchmarkScore {
  /** 100: every anomaly found at the beginning of its window and nothing else; 0: nothing ever reported. */
  score: number
  threshold: number
  windows: number
  found: number
  falseAlarms: number
}

const FALSE_ALARM_COST = 0.11
const LEARNING_SHARE = 0.15
const LEARNING_ROWS = 750

/** Rows at the beginning that are not scored. */
export function learningRows(rows: number): number {
  return Math.min(LEARNING_ROWS, Math.floor(LEARNING_SHARE * rows))
}

/** 1 well before 0, -1 well after. */
function sigmoid(position: number): number {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1
}

/** What an alarm in this row is worth, and the window that it is in, or -1. */
function worth(windows: ScoredSeries['windows'], row: number): { value: number; window: number } {
  const window = windows.findIndex(([, right]) => row <= right)
  const [left = 0, right = 0] = windows[window] ?? []
  if (window >= 0 && row >= left) {
    return { value: sigmoid(-(right - row + 1) / (right - left + 1)) / sigmoid(-1), window }
  }
  const before = windows[window < 0 ? windows.length - 1 : window - 1]
  const past = before ? sigmoid((row - before[1]) / Math.max(1, before[1] - before[0])) : -1
  return { value: FALSE_ALARM_COST * past, window: -1 }
}

/** The best score that one threshold for all series reaches. */
export function benchmarkScore(series: readonly ScoredSeries[]): BenchmarkScore {
  const alarms = series.flatMap(({ scores, windows }, index) => {
    const found = []
    for (let row = learningRows(scores.length); row < scores.length; row++)
      if (scores[row]! > 0) found.push({ score: scores[row]!, series: index, ...worth(windows, row) })
    return found
  })
  alarms.sort((a, b) => b.score - a.score)
  const best = series.map(({ windows }) => windows.map(() => -1))
  const windows = best.flat().length
  let raw = -windows
  let found = 0
  let falseAlarms = 0
  let result = { raw, threshold: 1, found, falseAlarms }
  for (const [index, { score, series: of, value, window }] of alarms.entries()) {
    if (window < 0) {
      raw += value
      falseAlarms += 1
    } else {
      const reached = best[of]!
      if (reached[window] === -1) found += 1
      raw += Math.max(0, value - reached[window]!)
      reached[window] = Math.max(value, reached[window]!)
    }
    const isLast = alarms[index + 1]?.score !== score
    if (isLast && raw > result.raw) result = { raw, threshold: score, found, falseAlarms }
  }
  const { raw: reached, ...rest } = result
  return { score: windows === 0 ? 0 : (100 * (reached + windows)) / (2 * windows), windows, ...rest }
}
