/**
 * Precision and recall of alerts by rule, on clips that a person has annotated (test/accuracy/annotations.ts): each clip
 * is shown once by a simulated camera in real time to a real edge with all rules at once. The edge has loaded its model
 * when a clip begins, and has seen nothing of it: what is there in the first second has to be found without having
 * learned the place. `wrong` are alerts where nothing of the kind happens; they are also given an hour of camera time.
 * Recordings say little beyond themselves: a few clips are a check against mistakes, not a promise for other places.
 *
 *   npm run bench -- edge-accuracy [--model ID] [--decode needed|full] [--clip NAME]... [--in-turn]
 *
 * All clips are shown at once (those with a `detail` of their own after the others), unless `--in-turn`: for a machine
 * that would leave frames out otherwise. `dropped` says how many were.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { AlertRecord, HealthRecord } from '@patrolhub/protocol'
import { ANNOTATIONS, type AnnotatedClip } from '../accuracy/annotations.ts'
import { footageOf } from '../accuracy/footage-of.ts'
import { quietSeconds, type RaisedAlert, type RuleScore, scoreClip } from '../accuracy/score.ts'
import { report } from '../support/bench.ts'
import { startEdgeStand } from '../support/edge-stand.ts'

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'auto' },
    decode: { type: 'string', default: 'needed' },
    clip: { type: 'string', multiple: true },
    'in-turn': { type: 'boolean', default: false },
  },
})
/** Alerts of the last seconds are still on their way. */
const AFTER_MS = 5000
const BEGINS_IN_MS = 60_000

interface Shown {
  annotated: AnnotatedClip
  alerts: RaisedAlert[]
  frames: { analysed: number; dropped: number; decodedShare: number }
}

const wanted = ANNOTATIONS.filter(({ clip }) => values.clip?.includes(clip) ?? true)
if (wanted.length === 0)
  throw new Error(`--clip takes ${ANNOTATIONS.map(({ clip }) => clip).join(', ')}, not ${values.clip}`)
let model = ''
const shown: Shown[] = []
// One that is looked at closely takes the detector from the others.
const [close, usual] = [true, false].map((isClose) =>
  wanted.filter((clip) => 'detail' in (clip.settings ?? {}) === isClose),
)
const groups = values['in-turn'] ? wanted.map((clip) => [clip]) : [usual!, close!]
for (const group of groups.filter(({ length }) => length > 0)) {
  const seconds = Math.max(...group.map((clip) => clip.seconds))
  console.log(`${group.map(({ clip }) => clip).join(', ')}: ${Math.ceil(seconds)} s`)
  shown.push(...(await show(group)))
}

/** Shows the clips to one edge, all at once. */
async function show(clips: readonly AnnotatedClip[]): Promise<Shown[]> {
  const cameras = []
  for (const { clip, rules, settings } of clips)
    cameras.push({ footage: await footageOf(clip), rules, settings: { ...settings, decode: values.decode } })
  const stand = await startEdgeStand(cameras, { detector: { model: values.model, workers: 2 } })
  try {
    const edge = stand.start()
    await stand.started(edge)
    const begins: number[] = []
    for (const camera of stand.cameras) begins.push(await beginOf(camera))
    const ends = begins.map((beginMs, index) => beginMs + clips[index]!.seconds * 1000)
    await delay(Math.max(...ends) - Date.now() + AFTER_MS)
    edge.child.kill('SIGTERM')
    await edge.ended
    model = stand.hub.hellos.at(-1)?.detector?.id ?? ''
    const records = stand.ofKind<AlertRecord>('alert')
    const health = stand.ofKind<HealthRecord>('health')
    return clips.map((annotated, index) => {
      const cameraId = `square-${index}`
      const alerts = records
        .filter(({ deviceId, atMs }) => deviceId === cameraId && atMs < ends[index]!)
        .map(({ ruleName, atMs }) => ({ rule: ruleName, atSeconds: (atMs - begins[index]!) / 1000 }))
      return { annotated, alerts, frames: framesOf(health, cameraId, ends[index]!) }
    })
  } finally {
    await stand.close()
  }
}

async function beginOf(camera: { beganAtMs: number | undefined }): Promise<number> {
  for (const lateMs = Date.now() + BEGINS_IN_MS; Date.now() < lateMs; await delay(20))
    if (camera.beganAtMs !== undefined) return camera.beganAtMs
  throw new Error('the edge does not connect to its cameras')
}

/** What the edge itself says of a clip's frames, up to its end. */
function framesOf(health: readonly HealthRecord[], cameraId: string, endMs: number): Shown['frames'] {
  const own = health
    .filter(({ atMs }) => atMs <= endMs)
    .flatMap(({ cameras }) => cameras.filter((camera) => camera.cameraId === cameraId))
  const shares = own.flatMap(({ decodedShare }) => (decodedShare === undefined ? [] : [decodedShare]))
  return {
    analysed: own.at(-1)?.framesAnalysed ?? 0,
    dropped: own.at(-1)?.framesDropped ?? 0,
    decodedShare: ratio(
      shares.reduce((sum, share) => sum + share, 0),
      Math.max(1, shares.length),
    ),
  }
}

const totals = new Map<string, RuleScore & { quietHours: number }>()
for (const { annotated, alerts, frames } of shown) {
  const { analysed, dropped, decodedShare } = frames
  console.log(
    `\n${annotated.clip}: ${analysed} frames analysed, ${dropped} dropped, ${decodedShare} of the pictures decoded`,
  )
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
const cameraHours = wanted.reduce((sum, clip) => sum + clip.seconds, 0) / 3600
report(
  'edge-accuracy',
  {
    model,
    decode: values.decode,
    clips: Object.fromEntries(shown.map(({ annotated, frames }) => [annotated.clip, frames])),
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

function ratio(part: number, whole: number): number {
  return Math.round((part / whole) * 1000) / 1000
}
