/**
 * An edge that works for long: cameras with people in view, a device that sends ten readings a second, a hub that is away
 * for a minute in every five. Its memory is sampled; the slope is that of a straight line through the samples after the
 * first quarter, in which caches and models settle.
 *
 *   npm run bench -- edge-soak [--minutes N] [--cameras N]
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type AlertRecord, deviceTopics } from '@patrolhub/protocol'
import { report } from '../support/bench.ts'
import { BUSY, startEdgeStand } from '../support/edge-stand.ts'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '15' }, cameras: { type: 'string', default: '2' } },
})
const minutes = Number(values.minutes)
const cameras = Number(values.cameras)
if (!(minutes > 0) || !(cameras >= 1)) throw new Error('--minutes and --cameras take a number above 0')

const SAMPLE_MS = 2000
const TELL_MS = 5 * 60_000
const AWAY = { everyMs: 300_000, forMs: 60_000 }
/** What an edge may grow by; a leak of one frame a minute is more. */
const BAR_MB_PER_HOUR = 20

console.log(`An edge with ${cameras} cameras for ${minutes} minutes; the hub is away for one minute in five.`)
const stand = await startEdgeStand(Array.from({ length: cameras }, () => BUSY))
try {
  const edge = stand.start()
  const device = await stand.device(await stand.started(edge))
  let value = 0
  const readings = setInterval(() => {
    const reading = JSON.stringify({ quantity: 'water_level', value: 3 + Math.sin(value++ / 600) })
    device.publish(deviceTopics.readings('river'), reading, { qos: 1 })
  }, 100)
  const samples: { atMs: number; mb: number }[] = []
  const beganMs = performance.now()
  let isAway = false
  for (;;) {
    const atMs = performance.now() - beganMs
    if (atMs > minutes * 60_000) break
    const wantsAway = atMs % AWAY.everyMs > AWAY.everyMs - AWAY.forMs
    if (wantsAway !== isAway) await (wantsAway ? stand.hubAway() : stand.hubBack())
    isAway = wantsAway
    samples.push({ atMs, mb: residentMb(edge.child.pid!) })
    if (atMs % TELL_MS < SAMPLE_MS)
      console.log(`  ${Math.round(atMs / 60_000)} min: ${samples.at(-1)!.mb} MB`)
    await delay(SAMPLE_MS)
  }
  clearInterval(readings)
  device.end(true)
  if (edge.child.exitCode !== null) throw new Error(`the edge ended by itself: ${edge.output().slice(-2000)}`)
  const settled = samples.filter(({ atMs }) => atMs > minutes * 15_000)
  const slope = slopeOf(settled)
  const mbs = settled.map(({ mb }) => mb)
  edge.child.kill('SIGTERM')
  const exitCode = await edge.ended
  report(
    'edge-soak',
    {
      minutes,
      cameras,
      samples: settled.length,
      memoryMb: { least: Math.min(...mbs), most: Math.max(...mbs), first: mbs[0], last: mbs.at(-1) },
      slopeMbPerHour: slope,
      readings: value,
      alerts: stand.ofKind<AlertRecord>('alert').length,
      evidence: stand.uploads.size,
      exitCode,
    },
    [
      {
        name: 'slope of memory',
        value: slope,
        unit: 'MB/h',
        bar: BAR_MB_PER_HOUR,
        ok: slope <= BAR_MB_PER_HOUR,
      },
    ],
  )
} finally {
  await stand.close()
}

function residentMb(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Math.round(Number(found?.[1] ?? Number.NaN) / 102.4) / 10
}

/** Least squares, MB an hour. */
function slopeOf(samples: readonly { atMs: number; mb: number }[]): number {
  const mean = (of: (sample: { atMs: number; mb: number }) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length
  const meanAt = mean(({ atMs }) => atMs)
  const meanMb = mean(({ mb }) => mb)
  const covariance = mean(({ atMs, mb }) => (atMs - meanAt) * (mb - meanMb))
  const variance = mean(({ atMs }) => (atMs - meanAt) ** 2)
  return Math.round((covariance / variance) * 3_600_000 * 10) / 10
}
