/**
 * An edge that is killed again and again while it works: a camera with people in view, a device that sends readings, a
 * hub that is away now and then. In the end every reading that the edge had acknowledged to the device has arrived at the
 * hub once, every alert once, every file of evidence that was announced, and no ffmpeg is left over.
 *
 *   npm run bench -- edge-crash [KILLS]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { type AlertRecord, deviceTopics, type EvidenceRecord, type ReadingRecord } from '@patrolhub/protocol'
import { report } from '../support/bench.ts'
import { BUSY, startEdgeStand } from '../support/edge-stand.ts'

const KILLS = Number(process.argv[2] ?? 25)
/** Of every fourth life, from its very beginning; of the others, from when the edge works. */
const STARTING_MS = { least: 200, spread: 2500 }
const WORKING_MS = { least: 500, spread: 8000 }
/** The hub is away during every third life. */
const HUB_AWAY_EVERY = 3
const SETTLE_MS = 120_000

console.log(`An edge with a camera and a device, killed ${KILLS} times; the hub is away in every third life.`)
const stand = await startEdgeStand([BUSY])
const { ofKind, store } = stand
/** Values that the edge has acknowledged to the device. */
const acknowledged = new Set<number>()
let sent = 0

const randomOf = ({ least, spread }: typeof WORKING_MS) => least + Math.random() * spread

/** A device that sends a reading every few milliseconds for this long. */
async function work(port: number, forMs: number): Promise<void> {
  const endMs = performance.now() + forMs
  const device = await stand.device(port)
  while (performance.now() < endMs) {
    const value = sent++
    const reading = JSON.stringify({ quantity: 'water_level', value })
    device
      .publishAsync(deviceTopics.readings('river'), reading, { qos: 1 })
      .then(() => acknowledged.add(value))
      .catch(() => undefined)
    await delay(5)
  }
  // After the edge is gone: what it has acknowledged until then counts.
  setTimeout(() => device.end(true), 1000)
}

function ffmpegs(): number {
  const [camera] = stand.cameras
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(camera!.url)
    } catch {
      return false
    }
  }).length
}

let orphans = 0
try {
  for (let kill = 1; kill <= KILLS; kill++) {
    const isAway = kill % HUB_AWAY_EVERY === 0
    if (isAway) await stand.hubAway()
    const edge = stand.start()
    if (kill % 4 === 1) await delay(randomOf(STARTING_MS))
    else await work(await stand.started(edge), randomOf(WORKING_MS))
    if (edge.child.exitCode !== null) throw new Error(`the edge ended by itself: ${edge.output()}`)
    edge.child.kill('SIGKILL')
    await edge.ended
    if (isAway) await stand.hubBack()
    // An ffmpeg of a killed edge ends when it writes to a pipe that nobody reads.
    await delay(1500)
    orphans = Math.max(orphans, ffmpegs())
    process.stderr.write(`kill ${kill} of ${KILLS}\n`)
  }
  const edge = stand.start()
  await stand.started(edge)
  const has = (set: Iterable<string>, wanted: readonly string[]) => {
    const known = new Set(set)
    return wanted.filter((id) => !known.has(id))
  }
  const values = () => ofKind<ReadingRecord>('reading').map(({ value }) => value)
  const missing = () => {
    const arrived = new Set(values())
    return [...acknowledged].filter((value) => !arrived.has(value)).length
  }
  const announced = () => ofKind<EvidenceRecord>('evidence').map(({ evidenceId }) => evidenceId)
  const endMs = performance.now() + SETTLE_MS
  while (performance.now() < endMs && (missing() > 0 || has(stand.uploads, announced()).length > 0))
    await delay(200)
  edge.child.kill('SIGTERM')
  const exitCode = await edge.ended
  const alertIds = ofKind<AlertRecord>('alert').map(({ alertId }) => alertId)
  const bars = [
    ['acknowledged readings missing', missing()],
    ['readings doubled', values().length - new Set(values()).size],
    ['alerts doubled', alertIds.length - new Set(alertIds).size],
    ['announced evidence that never came', has(stand.uploads, announced()).length],
    ['ffmpeg processes left over', orphans],
    ['messages that broke the protocol', stand.hub.problems.length],
  ] as const
  report(
    'edge-crash',
    {
      kills: KILLS,
      readingsSent: sent,
      readingsAcknowledged: acknowledged.size,
      alerts: alertIds.length,
      evidence: announced().length,
      clips: ofKind<EvidenceRecord>('evidence').filter(({ role }) => role === 'clip').length,
      declaredLost: store.lost,
      lastExitCode: exitCode,
    },
    [
      ...bars.map(([name, value]) => ({ name, value, unit: 'records', bar: 0, ok: value === 0 })),
      // Without these nothing has been shown.
      ...(
        [
          ['readings acknowledged', acknowledged.size],
          ['alerts', alertIds.length],
          ['files of evidence', stand.uploads.size],
        ] as const
      ).map(([name, value]) => ({ name, value, unit: 'records', bar: 1, ok: value >= 1 })),
    ],
  )
} finally {
  await stand.close()
}
