/**
 * What a record costs on engines of their own: processor time of hubs, Mosquitto, PostgreSQL, InfluxDB and Redis for a
 * passage, for an alert and for an edge that only says that it is there. docs/design/scale.md multiplies these.
 *
 *   npm run bench -- engines
 */
import { setTimeout as delay } from 'node:timers/promises'
import { report } from '../support/bench.ts'
import { cpuSeconds } from '../support/cpu-time.ts'
import { missingEngines, type SimulatedEdge, startTopology, type Topology } from '../support/topology.ts'

const SECONDS = 12
const EDGES = 8
const SCREENS = 10

const missing = await missingEngines()
if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`)

const topology = await startTopology()
try {
  const edges = await topology.addEdges(EDGES)
  for (let count = 0; count < SCREENS; count++) topology.screen()
  await settled(edges)
  const idle = await measure(topology, async () => {
    await delay(SECONDS * 1000)
    return SECONDS
  })
  const passages = await measure(topology, () => pour(edges, () => ({ alerts: 0, passages: 400 })))
  const bytesBefore = await topology.databaseBytes()
  const alerts = await measure(topology, () => pour(edges, () => ({ alerts: 1, passages: 0 })))
  const bytes = (await topology.databaseBytes()) - bytesBefore
  // One alert a batch: what bounds it are transactions, which follow each other over all hubs.
  const single = await measure(topology, () => pour(edges, () => ({ alerts: 1, passages: 0 }), 0))
  // One passage a batch, as of an edge with a quiet road.
  const quiet = await measure(topology, () => pour(edges, () => ({ alerts: 0, passages: 1 }), 0))
  report(
    'engines',
    {
      edges: EDGES,
      screens: SCREENS,
      cpuMsOfAnIdleSecond: idle.cpuMsEach,
      passagesASecond: Math.round(passages.done / passages.seconds),
      cpuMicrosecondsOfAPassage: microseconds(passages.cpuMsEach),
      alertsASecond: Math.round(alerts.done / alerts.seconds),
      cpuMicrosecondsOfAnAlert: microseconds(alerts.cpuMsEach),
      singleAlertsASecond: Math.round(single.done / single.seconds),
      cpuMicrosecondsOfASingleAlert: microseconds(single.cpuMsEach),
      singlePassagesASecond: Math.round(quiet.done / quiet.seconds),
      cpuMicrosecondsOfASinglePassage: microseconds(quiet.cpuMsEach),
      databaseBytesOfAnAlert: Math.round(bytes / alerts.done),
    },
    [],
  )
} finally {
  await topology.close()
}

/** Journals as fast as the hubs acknowledge; answers how many records were stored. */
async function pour(
  edges: readonly SimulatedEdge[],
  portion: () => { alerts: number; passages: number },
  /** No more than a few batches ahead: what is measured is a steady state. */
  maxWaiting = 2000,
): Promise<number> {
  const endsMs = performance.now() + SECONDS * 1000
  let done = 0
  await Promise.all(
    edges.map(async (edge) => {
      while (performance.now() < endsMs) {
        const { alerts, passages } = portion()
        await edge.journal(alerts, passages)
        done += alerts + passages
        while (edge.waiting > maxWaiting) await delay(1)
      }
    }),
  )
  await settled(edges)
  return done
}

async function settled(edges: readonly SimulatedEdge[]): Promise<void> {
  while (edges.some((edge) => edge.waiting > 0)) await delay(20)
}

interface Measured {
  done: number
  seconds: number
  /** Milliseconds of processor time for each of `done`, by program. */
  cpuMsEach: Record<string, number>
}

async function measure(of: Topology, work: () => Promise<number>): Promise<Measured> {
  const pids: Record<string, number[]> = {
    hubs: of.hubs.map((hub) => hub.process!.child.pid!),
    mosquitto: [of.mosquitto.pid],
    postgresql: [of.postgres.pid],
    influxdb: [of.influxd.pid],
    redis: [of.redis.pid],
  }
  const used = () =>
    Object.entries(pids).map(
      ([name, all]) => [name, all.reduce((sum, pid) => sum + cpuSeconds(pid), 0)] as const,
    )
  const before = new Map(used())
  const fromMs = performance.now()
  const done = await work()
  const seconds = (performance.now() - fromMs) / 1000
  const cpuMsEach = Object.fromEntries(
    used().map(([name, now]) => [name, Math.round(((now - before.get(name)!) / done) * 1e6) / 1000]),
  )
  return { done, seconds, cpuMsEach }
}

function microseconds(cpuMs: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(cpuMs).map(([name, ms]) => [name, Math.round(ms * 1000)]))
}
