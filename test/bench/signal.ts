/**
 * How well the anomaly model finds what people have labelled, by the rules of the Numenta Anomaly Benchmark:
 *
 *   npm run bench -- signal --data DIR --out DIR
 *
 * DATA has series as `<category>/<file>.csv` with `timestamp,value` and, if they are to be scored, windows.json. Every
 * series is read once from its beginning, all with the same settings: a row's score rests on it and the rows before it.
 * It is the model's score where something new begins, 0 within an episode that was reported before.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { findModel, readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { Scorer } from '../../edge/src/signal/scorer.ts'
import { SeriesModel } from '../../edge/src/signal/series-model.ts'
import { type Bar, report } from '../support/bench.ts'
import { benchmarkScore, type ScoredSeries } from '../support/nab-score.ts'
import { readSeriesFiles, readWindows, type SeriesFile, writeScores } from '../support/series-files.ts'

const WANTED_SCORE = 75

const { values: options } = parseArgs({ options: { data: { type: 'string' }, out: { type: 'string' } } })
const assets = process.env.PATROLHUB_ASSETS ?? join(import.meta.dirname, '../../../shared/assets')
const data = resolve(options.data ?? join(assets, 'series'))
if (!existsSync(data)) throw new Error(`there is no folder ${data}; --data says where series are`)
const series = readSeriesFiles(data)
if (series.length === 0) throw new Error(`${data} has no <category>/<file>.csv`)

const models = join(import.meta.dirname, '../../models')
const catalogue = await readModelCatalogue(join(models, 'catalogue.json'))
const scorer = await Scorer.open(
  await findModel({ wanted: 'auto', catalogue, folders: [models], task: 'signal' }),
)
const beganAt = performance.now()
const scores = await scoreAll(series)
await scorer.close()
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
  const all = labelled(() => true)
  for (const category of new Set(series.map((each) => each.category)))
    console.log(category, JSON.stringify(benchmarkScore(labelled((each) => each.category === category))))
  const result = benchmarkScore(all)
  const bars: Bar[] = [
    {
      name: 'benchmark score',
      value: result.score,
      unit: 'points',
      bar: WANTED_SCORE,
      ok: result.score >= WANTED_SCORE,
    },
  ]
  report('signal', { ...figures, ...result }, bars)
}

function labelled(isMeant: (each: SeriesFile) => boolean): ScoredSeries[] {
  return series.flatMap((each, index) => {
    const found = windows?.get(`${each.category}/${each.file}`)
    return found && isMeant(each) ? [{ scores: scores[index]!, windows: found }] : []
  })
}

/** Row by row, all series together. */
async function scoreAll(files: readonly SeriesFile[]): Promise<Float64Array[]> {
  const states = files.map(() => new SeriesModel())
  const found = files.map(({ values }) => new Float64Array(values.length))
  const longest = Math.max(...files.map(({ values }) => values.length))
  for (let row = 0; row < longest; row++) {
    const here = files.flatMap(({ values }, index) => (row < values.length ? [index] : []))
    const judgements = await scorer.judge(
      here.map((index) => ({
        series: states[index]!,
        value: files[index]!.values[row]!,
        atMs: files[index]!.atMs[row]!,
        resolution: 0,
      })),
    )
    for (const [place, index] of here.entries()) found[index]![row] = judgements[place]!.news
  }
  return found
}
