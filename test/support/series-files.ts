/** Reads and writes series in the form of the Numenta Anomaly Benchmark: folders by category, `timestamp,value` in files. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ScoredSeries } from './nab-score.ts'

export interface SeriesFile {
  category: string
  file: string
  /** As they stand in the file. */
  timestamps: string[]
  atMs: Float64Array
  /** Not a number where there is none. */
  values: Float64Array
  /** As it stands in the file, for each row. */
  texts: string[]
}

/** Every series of the folder, by category and name. Throws an Error that names the file and the line. */
export function readSeriesFiles(folder: string): SeriesFile[] {
  const categories = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return categories
    .map(({ name }) => name)
    .sort()
    .flatMap((category) =>
      readdirSync(join(folder, category))
        .filter((file) => file.endsWith('.csv'))
        .sort()
        .map((file) => readSeriesFile(folder, category, file)),
    )
}

function readSeriesFile(folder: string, category: string, file: string): SeriesFile {
  const [head, ...lines] = readFileSync(join(folder, category, file), 'utf8')
    .trimEnd()
    .split(/\r?\n/)
  const place = `${category}/${file}`
  if (head?.trim() !== 'timestamp,value')
    throw new Error(`${place}:1: the head is "${head}", not "timestamp,value"`)
  const rows = lines.map((line, index) => {
    const [timestamp = '', text = ''] = line.split(',')
    const atMs = Date.parse(`${timestamp.trim().replace(' ', 'T')}Z`)
    if (Number.isNaN(atMs)) throw new Error(`${place}:${index + 2}: "${timestamp}" is no time`)
    return { timestamp, text, atMs, value: text.trim() === '' ? Number.NaN : Number(text) }
  })
  return {
    category,
    file,
    timestamps: rows.map(({ timestamp }) => timestamp),
    texts: rows.map(({ text }) => text),
    atMs: Float64Array.from(rows, ({ atMs }) => atMs),
    values: Float64Array.from(rows, ({ value }) => value),
  }
}

/** Windows by `category/file` from `windows.json`, as rows; `undefined` if there is no such file. */
export function readWindows(
  folder: string,
  series: readonly SeriesFile[],
): Map<string, ScoredSeries['windows']> | undefined {
  const path = join(folder, 'windows.json')
  if (!existsSync(path)) return undefined
  const windows = JSON.parse(readFileSync(path, 'utf8')) as Record<string, [string, string][]>
  const rows = series.map(({ category, file, atMs }) => {
    const name = `${category}/${file}`
    const found = (windows[name] ?? []).map(([from, to]): [number, number] => [
      rowOf(atMs.indexOf(timeOf(from)), name, from),
      rowOf(atMs.lastIndexOf(timeOf(to)), name, to),
    ])
    return [name, found] as const
  })
  return new Map(rows.filter(([name]) => windows[name] !== undefined))
}

const timeOf = (text: string) => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`)

function rowOf(row: number, name: string, time: string): number {
  if (row < 0) throw new Error(`windows.json: ${name} has no row at ${time}`)
  return row
}

/** Writes `timestamp,value,anomaly_score` to `<folder>/<category>/patrolhub_<file>`. */
export function writeScores(folder: string, series: SeriesFile, scores: Float64Array): void {
  const path = join(folder, series.category, `patrolhub_${series.file}`)
  mkdirSync(dirname(path), { recursive: true })
  const rows = series.timestamps.map((timestamp, row) => `${timestamp},${series.texts[row]},${scores[row]}`)
  writeFileSync(path, `timestamp,value,anomaly_score\n${rows.join('\n')}\n`)
}
