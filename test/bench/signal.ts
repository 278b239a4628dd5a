/**
 * How well the anomaly model finds what people have labelled, by the rules of the Numenta Anomaly Benchmark:
 *
 *   npm run bench -- signal --data DIR --out DIR
 *
 * DATA has series as `<category>/<file>.csv` with `timestamp,value` and, if they are to be scored, windows.json. Every
 * series is read once from its beginning, all with the same settings: a row's score rests on it and the rows before it.
 * It is the model's score where something new begins, 0 within an episode that was reported before.
 *
 * One score is a draw: `lateStarts` are the scores if all series had begun a little later, `heldOut` is the mean score of
 * halves of the series (also of late ones) with the threshold that suits the other half.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '../../models/signal-novelty/random.ts'
import { type Bar, report } from '../support/bench.ts'
import { benchmarkScore, heldOutScore, type ScoredSeries } from '../support/nab-score.ts'
import { openScorer, scoreAll } from '../support/score-series.ts'
import { readSeriesFiles, readWindows, type SeriesFile, writeScores } from '../support/series-files.ts'

const WANTED_SCORE = 75
/** Shares of a series that are left out at its beginning: less than a tenth of what is not scored. */
const LATE_STARTS = [0.004, 0.009, 0.014]

const { values: options } = parseArgs({ options: { data: { type: 'string' }, out: { type: 'string' } } })
const assets = process.env.PATROLHUB_ASSETS ?? join(import.meta.dirname, '../../../shared/assets')
const data = resolve(options.data ?? join(assets, 'series'))
if (!existsSync(data)) throw new Error(`there is no folder ${data}; --data says where series are`)
const series = readSeriesFiles(data)
if (series.length === 0) throw new Error(`${data} has no <category>/<file>.csv`)

const scorer = await openScorer()
const beganAt = performance.now()
const scores = await scoreAll(scorer, series)
const seconds = (performance.now() - beganAt) / 1000
if (options.out)
  for (const [index, each] of series.entries()) writeScores(resolve(options.out), each, scores[index]!)

const rows = series.reduce((sum, { values }) => sum + values.length, 0)
const figures = { series: series.length, rows, valuesPerSecond: Math.round(rows / seconds) }
const windows = readWindows(data, series)
if (windows === undefined) {
  console.log(`${data} has no windows.json: nothing to score`)
  report('signal', figures, [])
} else {
  for (const category of new Set(series.map((each) => each.category)))
    console.log(category, JSON.stringify(benchmarkScore(labelled(series, scores, category))))
  const begun = [labelled(series, scores)]
  for (const share of LATE_STARTS) {
    const later = series.map((each) => beginningLater(each, share))
    begun.push(labelled(later, await scoreAll(scorer, later)))
  }
  const result = benchmarkScore(begun[0]!)
  const random = new Random(1)
  const heldOut = begun.map((each) => heldOutScore(each, () => random.next()))
  const bars: Bar[] = [
    {
      name: 'benchmark score',
      value: result.score,
      unit: 'points',
      bar: WANTED_SCORE,
      ok: result.score >= WANTED_SCORE,
    },
  ]
  report(
    'signal',
    {
      ...figures,
      ...result,
      lateStarts: begun.slice(1).map((each) => benchmarkScore(each).score),
      heldOut: heldOut.reduce((sum, each) => sum + each, 0) / heldOut.length,
    },
    bars,
  )
}
await scorer.close()

/** Of the category, or of all. */
function labelled(
  files: readonly SeriesFile[],
  scored: readonly Float64Array[],
  category?: string,
): ScoredSeries[] {
  return files.flatMap((each, index) => {
    const found = windows?.get(`${each.category}/${each.file}`)
    if (!found || (category !== undefined && each.category !== category)) return []
    const dropped = series[index]!.values.length - each.values.length
    const moved = found.map(([from, to]) => [from - dropped, to - dropped] as const)
    return [{ scores: scored[index]!, windows: moved }]
  })
}

function beginningLater(each: SeriesFile, share: number): SeriesFile {
  const from = Math.round(share * each.values.length)
  return { ...each, atMs: each.atMs.slice(from), values: each.values.slice(from) }
}
