/**
 * From an alert record's creation at the edge (and its publish by MQTT at once) to the socket event at the screens, at
 * several rates, with and without measurements streaming in behind it. Hub, edges and screens are processes of their
 * own on this machine; the hub is as it is delivered, SQLite and DuckDB.
 *
 *   npm run bench -- alert-latency [--seconds 10] [--screens 200] [--rates 10,100,1000]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createEdge, freshFolder, startHubProcess, testEnv } from '../../server/test/support/hub.ts'
import { type Bar, report } from '../support/bench.ts'
import type { LoadOrder, LoadReport } from '../support/ingest-load.ts'
import { openSessions } from '../support/screen-sessions.ts'
import type { ScreenOrder, ScreenReport } from '../support/screens.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    screens: { type: 'string', default: '200' },
    rates: { type: 'string', default: '10,100,1000' },
  },
})
const seconds = Number(values.seconds)
const screens = Number(values.screens)
const rates = values.rates.split(',').map(Number)
const WATCHING = 4
/** As in the edge's uplink. */
const ALERT_BATCH = { records: 100, bytes: 128 * 1024, inFlight: 4 }
/** Two edges with one batch under way each: a stream of measurements that does not ask for all that the machine has. */
const LOAD_BATCH = { records: 500, bytes: 128 * 1024, inFlight: 1 }
const REGION = '410502003'
const SETTLE_MS = 1500
const SOCKETS_A_USER = 30
/** p95, ms, by alerts a second. */
const GOALS: Readonly<Record<number, number>> = { 10: 20, 1000: 100 }

const start = (file: string) => fork(new URL(`../support/${file}`, import.meta.url))
async function ask<T>(process: ChildProcess, what: object | string): Promise<T> {
  const answered = once(process, 'message')
  process.send(what)
  const [answer] = (await answered) as [T | { failure: string }]
  if (typeof answer === 'object' && answer !== null && 'failure' in answer) throw new Error(answer.failure)
  return answer as T
}

function percentiles(sorted: readonly number[]) {
  const at = (share: number) => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
    return value === undefined ? null : Math.round(value * 10) / 10
  }
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

const dataDir = await freshFolder()
const edges: LoadOrder['edges'][number][] = []
for (let index = 0; index < 22; index++) {
  const edgeId = `edge-${String(index).padStart(2, '0')}`
  edges.push({ edgeId, token: await createEdge(dataDir, edgeId, REGION), region: REGION })
}
const cookies = await openSessions(dataDir, Math.ceil(screens / SOCKETS_A_USER))
const hub = await startHubProcess(testEnv(dataDir, { PATROLHUB_LOG_LEVEL: 'info' }))
const screenProcess = start('screens.ts')
const alertEdges = start('ingest-load.ts')
const loadEdges = start('ingest-load.ts')
const rows: object[] = []
const bars: Bar[] = []
try {
  const order: ScreenOrder = {
    url: `http://127.0.0.1:${hub.httpPort}`,
    cookies,
    watching: Math.min(WATCHING, screens),
    counting: Math.max(0, screens - WATCHING),
  }
  await ask(screenProcess, order)
  console.log(
    `${screens} screens (${order.watching} of them look at every event), 20 edges that raise alerts, ${seconds} s a row`,
  )
  const alerts = (alertsPerSecond: number, forSeconds: number): LoadOrder => ({
    port: hub.mqttPort,
    edges: edges.slice(0, 20),
    stream: 'alerts',
    kinds: [],
    seconds: forSeconds,
    batch: ALERT_BATCH,
    alertsPerSecond,
  })
  const load: LoadOrder = {
    port: hub.mqttPort,
    edges: edges.slice(20),
    stream: 'measurements',
    kinds: ['passage', 'reading', 'score'],
    seconds: seconds + 1,
    batch: LOAD_BATCH,
    alertsPerSecond: 0,
  }
  await ask(alertEdges, alerts(100, 3))
  await delay(SETTLE_MS)
  await ask(screenProcess, 'report')
  for (const withLoad of [false, true]) {
    for (const rate of rates) {
      const loading = withLoad ? ask<LoadReport>(loadEdges, load) : undefined
      if (loading) await delay(500)
      const sent = await ask<LoadReport>(alertEdges, alerts(rate, seconds))
      const loaded = await loading
      await delay(SETTLE_MS)
      const seen = await ask<ScreenReport>(screenProcess, 'report')
      const latency = percentiles(seen.latenciesMs.sort((a, b) => a - b))
      const committed = new Set(sent.alertIds)
      const complete = seen.alertIds.map((ids, index) => {
        const distinct = new Set(ids.filter((id) => committed.has(id)))
        return {
          share: (distinct.size + seen.omittedAlerts[index]!) / committed.size,
          twice: ids.length - new Set(ids).size,
          omitted: seen.omittedAlerts[index]!,
        }
      })
      const loadPerSecond = loaded ? Math.round(loaded.records / loaded.seconds) : 0
      const row = {
        alertsPerSecond: rate,
        acceptedPerSecond: Math.round(sent.records / sent.seconds),
        measurementsPerSecond: loadPerSecond,
        latencyMs: latency,
        leastTold: Math.min(...complete.map(({ share }) => share)),
        toldTwice: complete.reduce((sum, { twice }) => sum + twice, 0),
        omitted: Math.max(...complete.map(({ omitted }) => omitted)),
        packetsAScreen: seen.packets,
        megabytesAScreen: seen.megabytes,
        screensCpuSeconds: seen.cpuSeconds,
      }
      rows.push(row)
      console.log(
        `${String(rate).padStart(5)} alerts/s${withLoad ? `, ${loadPerSecond} measurements/s behind` : ''}: ` +
          `p50 ${latency.p50}, p95 ${latency.p95}, p99 ${latency.p99}, worst ${latency.max} ms; ` +
          `accepted ${row.acceptedPerSecond}/s, told ${(row.leastTold * 100).toFixed(1)} % (${row.omitted} counted only), ${row.toldTwice} twice`,
      )
      const goal = GOALS[rate]
      if (goal === undefined) continue
      const name = `p95 at ${rate} alerts/s${withLoad ? ' with measurements behind' : ''}`
      bars.push({ name, value: latency.p95 ?? -1, unit: 'ms', bar: goal, ok: (latency.p95 ?? goal) < goal })
    }
  }
  report('alert-latency', { seconds, screens, rows }, bars)
} catch (error) {
  // What the hub had to say: warnings and worse, at pino's level 40 and above.
  for (const line of hub.lines)
    if (/"level":[456]0|batch refused/.test(line) && !line.includes('new journal')) console.error(line)
  throw error
} finally {
  for (const child of [screenProcess, alertEdges, loadEdges]) if (child.connected) child.disconnect()
  await hub.stop('SIGTERM')
  await rm(dataDir, { recursive: true, force: true })
}
