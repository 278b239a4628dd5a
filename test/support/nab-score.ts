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

interface Alarm {
  score: number
  series: number
  value: number
  window: number
}

/** Every row that some threshold makes an alarm. */
function alarmsOf(series: readonly ScoredSeries[]): Alarm[] {
  return series.flatMap(({ scores, windows }, index) => {
    const found: Alarm[] = []
    for (let row = learningRows(scores.length); row < scores.length; row++)
      if (scores[row]! > 0) found.push({ score: scores[row]!, series: index, ...worth(windows, row) })
    return found
  })
}

/** The best score that one threshold for all series reaches. */
export function benchmarkScore(series: readonly ScoredSeries[]): BenchmarkScore {
  const alarms = alarmsOf(series).sort((a, b) => b.score - a.score)
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

/** The score with this threshold for all series, which may be far from the best: also below 0. */
export function scoreAt(series: readonly ScoredSeries[], threshold: number): number {
  const binary = series.map(({ scores, windows }) => ({
    scores: scores.map((score) => (score >= threshold ? 1 : 0)),
    windows,
  }))
  const reached = series.map(({ windows }) => windows.map(() => -1))
  let raw = 0
  for (const { series: of, value, window } of alarmsOf(binary)) {
    if (window < 0) raw += value
    else reached[of]![window] = Math.max(value, reached[of]![window]!)
  }
  const windows = reached.flat()
  raw += windows.reduce((sum, value) => sum + value, 0)
  return windows.length === 0 ? 0 : (100 * (raw + windows.length)) / (2 * windows.length)
}

/**
 * The score to expect of series that the threshold was not chosen on: the mean over random halvings, each half scored with
 * the other's threshold.
 * @param random 0 (included) to 1 (excluded).
 */
export function heldOutScore(series: readonly ScoredSeries[], random: () => number, halvings = 50): number {
  let sum = 0
  let windows = 0
  for (let halving = 0; halving < halvings; halving++) {
    const halves: [ScoredSeries[], ScoredSeries[]] = [[], []]
    for (const each of series) halves[random() < 0.5 ? 0 : 1].push(each)
    for (const [chosenOn, scored] of [halves, halves.toReversed()]) {
      const count = scored!.reduce((total, each) => total + each.windows.length, 0)
      sum += count * scoreAt(scored!, benchmarkScore(chosenOn!).threshold)
      windows += count
    }
  }
  return sum / windows
}
