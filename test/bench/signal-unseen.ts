/**
 * How the anomaly model does on roads and machines that its training knows nothing of:
 *
 *   npm run bench -- signal-unseen [--seed 5] [--roads 80] [--machines 20] [--threshold 0.7]
 *
 * The series are made up (test/support/roads-and-machines.ts). For each kind of series: events found within their
 * windows, and alarms outside of any, a week of five-minute values; and for each kind of event, how many were found.
 * Some events cannot be found by anybody: little traffic passes a crash, and a detector that shows 0 may show it by night.
 */
import { parseArgs } from 'node:util'
import { report } from '../support/bench.ts'
import { makeUnseen } from '../support/roads-and-machines.ts'
import { judgeUnseen } from '../support/unseen-score.ts'

const WEEK_VALUES = 2016

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '5' },
    roads: { type: 'string', default: '80' },
    machines: { type: 'string', default: '20' },
    threshold: { type: 'string', default: '0.7' },
  },
})
const numbers = Object.fromEntries(
  Object.entries(options).map(([name, text]) => {
    const value = Number(text)
    if (!(value >= 0)) throw new Error(`--${name} has to be a number, not "${text}"`)
    return [name, value] as const
  }),
) as Record<keyof typeof options, number>

const series = makeUnseen({ seed: numbers.seed, roads: numbers.roads, machines: numbers.machines })
if (series.length === 0) throw new Error('--roads and --machines are both 0: there is nothing to judge')
const kinds = new Map<string, { events: number; found: number; falseAlarms: number; values: number }>()
const events = new Map<string, { events: number; found: number }>()
for (const judged of await judgeUnseen(series, numbers.threshold)) {
  const kind = kinds.get(judged.kind) ?? { events: 0, found: 0, falseAlarms: 0, values: 0 }
  kinds.set(judged.kind, kind)
  kind.values += judged.values
  kind.falseAlarms += judged.falseAlarms
  for (const event of judged.events) {
    const name = `${judged.kind === 'machine' ? 'machine' : 'road'}: ${event.kind}`
    const ofKind = events.get(name) ?? { events: 0, found: 0 }
    events.set(name, ofKind)
    for (const sum of [kind, ofKind]) {
      sum.events += 1
      if (event.isFound) sum.found += 1
    }
  }
}
const figures = [...kinds].map(([kind, { falseAlarms, values, ...found }]) => [
  kind,
  { ...found, falseAlarmsAWeek: Math.round((100 * falseAlarms * WEEK_VALUES) / values) / 100 },
])
for (const [name, found] of events) console.log(`${name} ${found.found} of ${found.events} found`)
report('signal-unseen', { ...numbers, ...Object.fromEntries(figures) }, [])
