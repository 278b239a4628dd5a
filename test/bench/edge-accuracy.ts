/**
 * Precision and recall of alerts by rule, on clips that a person has annotated (test/accuracy/annotations.ts): each clip
 * is shown once by a simulated camera in real time to a real edge with all rules at once. `wrong` are alerts where
 * nothing of the kind happens; they are also given an hour of camera time. Recordings say little beyond themselves: three
 * clips are a check against mistakes, not a promise for other places.
 *
 *   npm run bench -- edge-accuracy [--model ID]
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { AlertRecord } from '@patrolhub/protocol'
import { ANNOTATIONS } from '../accuracy/annotations.ts'
import { quietSeconds, type RaisedAlert, type RuleScore, scoreClip } from '../accuracy/score.ts'
import { report } from '../support/bench.ts'
import { startEdgeStand } from '../support/edge-stand.ts'

const { values } = parseArgs({ options: { model: { type: 'string', default: 'auto' } } })
/** Alerts of the last seconds are still on their way. */
const AFTER_MS = 5000

const seconds = Math.max(...ANNOTATIONS.map((clip) => clip.seconds))
console.log(`${ANNOTATIONS.length} annotated clips on one edge, ${seconds} s.`)
const stand = await startEdgeStand(
  ANNOTATIONS.map(({ clip, rules }) => ({ clip, rules })),
  { detector: { model: values.model, workers: 2 } },
)
try {
  const edge = stand.start()
  await stand.started(edge)
  // A clip is shown from its beginning to its end to an edge that is ready.
  const begins = stand.cameras.map((camera, index) => {
    const toGo = ANNOTATIONS[index]!.seconds - camera.clipSecondsAt(Date.now())
    return Date.now() + toGo * 1000
  })
  const ends = begins.map((beginMs, index) => beginMs + ANNOTATIONS[index]!.seconds * 1000)
  await delay(Math.max(...ends) - Date.now() + AFTER_MS)
  const records = stand.ofKind<AlertRecord>('alert')
  const hello = stand.hub.hellos.at(-1)
  edge.child.kill('SIGTERM')
  await edge.ended

  const totals = new Map<string, RuleScore & { quietHours: number }>()
  for (const [index, annotated] of ANNOTATIONS.entries()) {
    const alerts = records
      .filter(({ deviceId, atMs }) => {
        const isOfClip = deviceId === `square-${index}`
        return isOfClip && atMs >= begins[index]! && atMs < ends[index]!
      })
      .map((record): RaisedAlert => {
        const atSeconds = (record.atMs - begins[index]!) / 1000
        return { rule: record.ruleName, atSeconds }
      })
    console.log(`\n${annotated.clip}`)
    for (const [name, score] of scoreClip(annotated, alerts)) {
      const { kind } = annotated.rules.find((rule) => rule.name === name)!
      const quietHours = quietSeconds(annotated, name) / 3600
      const sum = totals.get(kind) ?? { events: 0, found: 0, repeats: 0, wrong: 0, quietHours: 0 }
      totals.set(kind, {
        events: sum.events + score.events,
        found: sum.found + score.found,
        repeats: sum.repeats + score.repeats,
        wrong: sum.wrong + score.wrong,
        quietHours: sum.quietHours + quietHours,
      })
      const times = alerts.filter(({ rule }) => rule === name).map(({ atSeconds }) => atSeconds.toFixed(1))
      const { events, found, repeats, wrong } = score
      if (events > 0 || times.length > 0) {
        console.log(
          `  ${name.padEnd(24)} found ${found} of ${events}, again ${repeats}, wrong ${wrong}   at ${times.join(' ')}`,
        )
      }
    }
  }
  const all = [...totals.values()]
  const sumOf = (name: keyof RuleScore) => all.reduce((sum, score) => sum + score[name], 0)
  const cameraHours = ANNOTATIONS.reduce((sum, clip) => sum + clip.seconds, 0) / 3600
  report(
    'edge-accuracy',
    {
      model: hello?.detector?.id,
      clips: ANNOTATIONS.map(({ clip }) => clip),
      byRule: Object.fromEntries(
        [...totals].map(([kind, { quietHours, ...score }]) => [
          kind,
          {
            ...score,
            recall: score.events > 0 ? ratio(score.found, score.events) : null,
            precision: score.found + score.wrong > 0 ? ratio(score.found, score.found + score.wrong) : null,
            wrongAnHour: ratio(score.wrong, quietHours),
          },
        ]),
      ),
      events: sumOf('events'),
      found: sumOf('found'),
      repeats: sumOf('repeats'),
      wrong: sumOf('wrong'),
      recall: ratio(sumOf('found'), sumOf('events')),
      precision: ratio(sumOf('found'), sumOf('found') + sumOf('wrong')),
      wrongAnHourOfACamera: ratio(sumOf('wrong'), cameraHours),
    },
    [],
  )
} finally {
  await stand.close()
}

function ratio(part: number, whole: number): number {
  return Math.round((part / whole) * 1000) / 1000
}
