/** Runs the shipped anomaly model over whole series, as an edge would: value by value, all series together. */
import { join } from 'node:path'
import { findModel, readModelCatalogue } from '../../edge/src/detect/model-file.ts'
import { Scorer } from '../../edge/src/signal/scorer.ts'
import { SeriesModel } from '../../edge/src/signal/series-model.ts'

export async function openScorer(): Promise<Scorer> {
  const models = join(import.meta.dirname, '../../models')
  const catalogue = await readModelCatalogue(join(models, 'catalogue.json'))
  return Scorer.open(await findModel({ wanted: 'auto', catalogue, folders: [models], task: 'signal' }))
}

/** For each series, what is news in each row: the score where an episode begins or gets worse, else 0. */
export async function scoreAll(
  scorer: Scorer,
  series: readonly { atMs: Float64Array; values: Float64Array }[],
): Promise<Float64Array[]> {
  const states = series.map(() => new SeriesModel())
  const found = series.map(({ values }) => new Float64Array(values.length))
  const longest = Math.max(...series.map(({ values }) => values.length))
  for (let row = 0; row < longest; row++) {
    const here = series.flatMap(({ values }, index) => (row < values.length ? [index] : []))
    const judgements = await scorer.judge(
      here.map((index) => ({
        series: states[index]!,
        value: series[index]!.values[row]!,
        atMs: series[index]!.atMs[row]!,
        resolution: 0,
      })),
    )
    for (const [place, index] of here.entries()) found[index]![row] = judgements[place]!.news
  }
  return found
}
