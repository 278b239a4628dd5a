/**
 * What screens wait for on a hub with a year in it: 1 million incidents, 100 million points. A real hub process on a
 * filled data folder answers the dashboard's own requests, one after another, as operators of the city, of the busiest
 * and the quietest county and of a township ask them.
 *
 *   npm run bench -- query [--points 100000000] [--incidents 1000000] [--folder DIR]
 *
 * Filling takes about nine minutes and 12 GB. With --folder the data stays there and is used again; figures of the same
 * folder on another day are those of data that has aged, so days are counted from its end.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { AlertPage, IncidentPage } from '@patrolhub/protocol'
import { startHubProcess, testEnv } from '../../server/test/support/hub.ts'
import { type Bar, report, spreadOf } from '../support/bench.ts'
import { openSessions } from '../support/screen-sessions.ts'
import { CITY, fillYear, type YearOfData } from '../support/year-of-data.ts'

const REQUESTS = 60
/** Of each kind before the first that counts. */
const WARM_UP = 3
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const DATA_FILE = 'year-of-data.json'

const { values } = parseArgs({
  options: {
    points: { type: 'string', default: '100000000' },
    incidents: { type: 'string', default: '1000000' },
    folder: { type: 'string' },
  },
})
const points = Number(values.points)
const incidents = Number(values.incidents)
if (!(points >= 100_000) || !(incidents >= 1000)) {
  throw new Error('--points has to be at least 100000, --incidents at least 1000')
}

const say = (text: string) => void process.stderr.write(`${text}\n`)
const folder = values.folder ? resolve(values.folder) : await mkdtemp(join(tmpdir(), 'patrolhub-query-'))
try {
  await run()
} finally {
  if (!values.folder) await rm(folder, { recursive: true, force: true })
}

async function data(): Promise<YearOfData> {
  const known = join(folder, DATA_FILE)
  if (existsSync(known)) {
    const found = JSON.parse(await readFile(known, 'utf8')) as YearOfData
    say(`using the data in ${folder}`)
    return found
  }
  await mkdir(folder, { recursive: true })
  if (existsSync(join(folder, 'hub.sqlite')))
    throw new Error(`${folder} holds other data, or half of a filling`)
  const filled = await fillYear(folder, { incidents, points, say })
  await writeFile(known, JSON.stringify(filled))
  return filled
}

interface Question {
  name: string
  barMs: number
  /** The path of the nth request. */
  path(n: number): string
}

interface Operator {
  name: string
  scope: string
  cookie: string
}

async function run(): Promise<void> {
  const year = await data()
  const operators: Operator[] = []
  for (const [name, scope] of [
    ['city', CITY],
    ['county', '410502'],
    ['quiet county', '410511'],
    ['township', '410502003'],
  ] as const) {
    const [cookie] = await openSessions(folder, 1, scope)
    operators.push({ name, scope, cookie: cookie! })
  }
  const hub = await startHubProcess(
    testEnv(folder, {
      // The data is what is measured, however old it is.
      PATROLHUB_KEEP_PASSAGES_DAYS: '36500',
      PATROLHUB_KEEP_READINGS_DAYS: '36500',
      PATROLHUB_KEEP_SCORES_DAYS: '36500',
    }),
  )
  const figures: Record<string, Record<string, object>> = {}
  const bars: Bar[] = []
  const load: number[] = []
  try {
    const url = `http://127.0.0.1:${hub.httpPort}`
    for (const operator of operators) {
      for (const question of await questionsOf(url, operator, year)) {
        const { spread, kilobytes } = await measure(url, operator, question)
        load.push(loadavg()[0]!)
        figures[question.name] ??= {}
        figures[question.name]![operator.name] = {
          p50Ms: round(spread.p50!),
          p95Ms: round(spread.p95!),
          maxMs: round(spread.max!),
          kilobytes,
        }
        say(
          `${operator.name.padEnd(13)}${question.name.padEnd(44)} p50 ${round(spread.p50!)} p95 ${round(spread.p95!)} ms`,
        )
        const value = round(spread.p95!)
        const known = bars.find((bar) => bar.name === question.name)
        if (!known) {
          bars.push({
            name: question.name,
            value,
            unit: 'ms p95',
            bar: question.barMs,
            ok: value <= question.barMs,
          })
        } else if (value > known.value) {
          known.value = value
          known.ok = value <= known.bar
        }
      }
    }
  } catch (error) {
    say(hub.lines.slice(-5).join('\n'))
    throw error
  } finally {
    await hub.stop('SIGTERM')
  }
  report(
    'query',
    {
      rows: year.rows,
      requestsEach: REQUESTS,
      fileGb: {
        sqlite: await gigabytes('hub.sqlite'),
        duckdb: await gigabytes('points.duckdb'),
      },
      loadAverage: { least: round(Math.min(...load)), most: round(Math.max(...load)) },
      answers: figures,
    },
    bars,
  )
}

async function questionsOf(url: string, operator: Operator, year: YearOfData): Promise<Question[]> {
  const list = (name: string, path: string): Question => ({ name, barMs: 50, path: () => path })
  const incidentPages = await pages<IncidentPage>(url, operator, '/api/incidents?state=ended&limit=100')
  const alertPages = await pages<AlertPage>(url, operator, '/api/alerts?limit=40')
  const first = await answer<IncidentPage>(url, operator, '/api/incidents?limit=200')
  const reach = year.checkpoints.filter(({ region }) => region.startsWith(operator.scope))
  const questions = [
    list('overview', '/api/overview'),
    list('devices', '/api/devices'),
    list('incidents, open', '/api/incidents?state=open&limit=100'),
    list('incidents, ended', '/api/incidents?state=ended&limit=100'),
    list('incidents, all', '/api/incidents?limit=100'),
    {
      name: 'incidents, later pages',
      barMs: 50,
      path: (n: number) => incidentPages[n % incidentPages.length]!,
    },
    {
      name: 'incidents, half a year ago',
      barMs: 50,
      path: (n: number) => `/api/incidents?limit=100&before=${year.endMs - (150 + n) * DAY_MS}.z`,
    },
    {
      name: 'incident',
      barMs: 50,
      path: (n: number) => `/api/incidents/${first.items[n % first.items.length]!.incidentId}`,
    },
    list('alerts', '/api/alerts?limit=40'),
    { name: 'alerts, later pages', barMs: 50, path: (n: number) => alertPages[n % alertPages.length]! },
    {
      name: 'alerts, half a year ago',
      barMs: 50,
      path: (n: number) => `/api/alerts?limit=40&before=${year.endMs - (150 + n) * DAY_MS}.z`,
    },
    list('dispatches, open', '/api/dispatches?state=open'),
    list('dispatches, ended', '/api/dispatches?state=ended'),
  ]
  const days = Math.max(1, Math.floor((year.endMs - year.pointsFromMs) / DAY_MS))
  const day = (n: number) => {
    const toMs = year.endMs - ((n * 7) % days) * DAY_MS
    return `fromMs=${Math.max(0, toMs - DAY_MS)}&toMs=${toMs}`
  }
  if (reach.length > 0) {
    const device = (n: number) => reach[(n * 13) % reach.length]!.deviceId
    questions.push(
      {
        name: 'newest passages of a checkpoint',
        barMs: 50,
        path: (n) => `/api/checkpoints/${device(n)}/passages?limit=50`,
      },
      {
        name: "a checkpoint's day, scored by minute",
        barMs: 200,
        path: (n) => `/api/devices/${device(n)}/series/flow?${day(n)}&stepMs=60000`,
      },
      {
        name: "a checkpoint's day, vehicles by minute",
        barMs: 200,
        path: (n) => `/api/flow?deviceId=${device(n)}&${day(n)}&stepMs=60000`,
      },
    )
  }
  if (operator.scope.length === 6) {
    const month = (n: number) => {
      const toMs = year.endMs - (n % Math.max(1, days - 30)) * DAY_MS
      return `region=${operator.scope}&fromMs=${Math.max(0, toMs - 30 * DAY_MS)}&toMs=${toMs}`
    }
    for (const [name, stepMs] of [
      ["a county's month by hour", HOUR_MS],
      ["a county's month by day", DAY_MS],
    ] as const) {
      questions.push({ name, barMs: 1000, path: (n) => `/api/flow?${month(n)}&stepMs=${stepMs}` })
    }
  }
  return questions
}

/** Paths of the second and later pages, as far as there are any. */
async function pages<T extends { next?: string }>(
  url: string,
  operator: Operator,
  path: string,
): Promise<string[]> {
  const paths: string[] = []
  let at = path
  for (let page = 0; page < 20; page++) {
    const { next } = await answer<T>(url, operator, at)
    if (next === undefined) break
    at = `${path}&before=${next}`
    paths.push(at)
  }
  return paths.length > 0 ? paths : [path]
}

async function measure(
  url: string,
  operator: Operator,
  question: Question,
): Promise<{ spread: ReturnType<typeof spreadOf>; kilobytes: number }> {
  const tookMs: number[] = []
  let bytes = 0
  for (let n = 0; n < WARM_UP + REQUESTS; n++) {
    const beganMs = performance.now()
    const text = await ask(url, operator, question.path(n))
    if (n >= WARM_UP) tookMs.push(performance.now() - beganMs)
    bytes = Math.max(bytes, text.length)
  }
  return { spread: spreadOf(tookMs), kilobytes: round(bytes / 1024) }
}

async function answer<T>(url: string, operator: Operator, path: string): Promise<T> {
  return JSON.parse(await ask(url, operator, path)) as T
}

async function ask(url: string, { cookie }: Operator, path: string): Promise<string> {
  const response = await fetch(url + path, { headers: { cookie, 'x-patrolhub': '1' } })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return text
}

async function gigabytes(name: string): Promise<number> {
  const { size } = await stat(join(folder, name))
  return Math.round(size / 1e7) / 100
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
